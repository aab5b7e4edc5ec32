/*
 * settings.c: which source wins, that every mistake is told with its place,
 * and that production refuses what is only good for development.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

extern char **environ;

static char msg[4096];
static char path[64];

/* No setting of whoever runs the tests may leak in. */
static void
clean_env(void)
{
	char name[128];
	char **e;

	for (e = environ; *e != NULL;) {
		if (strncmp(*e, "ELEUSIS_", 8) != 0) {
			e++;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*e, "="), *e);
		unsetenv(name);
		e = environ;
	}
	/* A directory that exists wherever the tests run. */
	setenv("ELEUSIS_MODELS_DIR", "/", 1);
}

static int
setup(void **state UNUSED)
{
	int fd;

	clean_env();
	snprintf(path, sizeof(path), "/tmp/eleusis-settings-XXXXXX");
	if ((fd = mkstemp(path)) < 0)
		return (-1);

	return (close(fd));
}

static int
teardown(void **state UNUSED)
{
	return (unlink(path));
}

static enum res
load(const char *text)
{
	FILE *fp;

	fp = fopen(path, "w");
	assert_non_null(fp);
	assert_true(fputs(text, fp) >= 0);
	assert_int_equal(fclose(fp), 0);

	return (settings_load(path, msg, sizeof(msg)));
}

static void
assert_told(const char *what)
{
	if (strstr(msg, what) == NULL)
		fail_msg("not told \"%s\" but:\n%s", what, msg);
}

static void
defaults(void **state UNUSED)
{
	assert_int_equal(settings_load(NULL, msg, sizeof(msg)), RES_OK);
	assert_string_equal(msg, "");
	assert_string_equal(setting_str(SETTING_ENV), "dev");
	assert_int_equal(setting_int(SETTING_DB_PORT), 5432);
	assert_string_equal(setting_str(SETTING_REDIS_PASSWORD_FILE), "");
}

static void
environment_over_file_over_default(void **state UNUSED)
{
	static const char text[] = "# a comment\n\n"
				   "  db_port = 6000 \n"
				   "db_name=clinic # the name\n"
				   "db_user = a#b\n"
				   "redis_port = 7000\r\n";

	setenv("ELEUSIS_REDIS_PORT", "7001", 1);
	if (load(text) != RES_OK)
		fail_msg("%s", msg);
	assert_int_equal(setting_int(SETTING_DB_PORT), 6000);
	assert_string_equal(setting_str(SETTING_DB_NAME), "clinic");
	assert_string_equal(setting_str(SETTING_DB_USER), "a#b");
	assert_int_equal(setting_int(SETTING_REDIS_PORT), 7001);
	assert_int_equal(setting_int(SETTING_POOL_QUEUE), 64);
}

static void
all_mistakes_at_once(void **state UNUSED)
{
	assert_int_equal(load("db_port = 70000\n"
			      "db_prot = 1\n"
			      "nonsense\n"
			      "log_level = loud\n"
			      "log_level = info\n"
			      "DB_HOST = x\n"
			      "db_sslmode = perhaps\n"
			      "argon2_ops = 2x\n"
			      "models_dir = /nonexistent/dir\n"
			      "session_idle_s = 86400\n"
			      "session_max_s = 300\n"
			      "db_name =\n"),
	    RES_ERR);
	assert_told("db_port: a whole number from 1 to 65535");
	assert_told(":2: there is no setting db_prot");
	assert_told(":3: not of the form");
	assert_told("log_level: debug");
	assert_told(":5: log_level is set on line 4 already");
	assert_told(":6: there is no setting DB_HOST");
	assert_told("db_sslmode:");
	assert_told("argon2_ops:");
	assert_told("session_idle_s: greater");
	assert_told("db_name: 1 to 63 characters, not 0");

	unsetenv("ELEUSIS_MODELS_DIR");
	assert_int_equal(load("models_dir = /nonexistent/dir\n"), RES_ERR);
	assert_told("models_dir: /nonexistent/dir: No such file");
}

static void
file_must_be_there(void **state UNUSED)
{
	assert_int_equal(
	    settings_load("/nonexistent.conf", msg, sizeof(msg)), RES_ERR);
	assert_told("/nonexistent.conf: No such file");
}

static void
origins(void **state UNUSED)
{
	static const char *const bad[] = { "http://example.org", "https://",
		"https://:8443", "https://example.org/", "https://Example.org",
		"https://example.org/app", "https://a b.org",
		"example.org:443" };
	size_t i;

	for (i = 0; i < NELEM(bad); i++) {
		setenv("ELEUSIS_ORIGIN", bad[i], 1);
		if (settings_load(NULL, msg, sizeof(msg)) != RES_ERR)
			fail_msg("accepted: %s", bad[i]);
		assert_told("origin: ");
	}
	setenv("ELEUSIS_ORIGIN", "https://[2001:db8::1]:8443", 1);
	assert_int_equal(settings_load(NULL, msg, sizeof(msg)), RES_OK);
}

static void
assert_cors(const char *env, const char *list, const char *why)
{
	char told[128];
	enum res res;

	setenv("ELEUSIS_CORS_ORIGINS", list, 1);
	snprintf(told, sizeof(told), "env = %s\n", env);
	res = load(told);
	if (why == NULL) {
		if (res != RES_OK)
			fail_msg("%s", msg);
		return;
	}
	if (res != RES_ERR)
		fail_msg("accepted: %s", list);
	snprintf(told, sizeof(told), "cors_origins: %s", why);
	assert_told(told);
}

static void
cors_origins(void **state UNUSED)
{
	char many[CORS_ORIGINS_MAX * 16 + 32] = "";
	char longest[CORS_ORIGIN_SIZE + 16] = "https://";

	assert_cors("staging", "", NULL);
	assert_cors(
	    "staging", " https://a.example  https://b.example:8443 ", NULL);
	assert_cors("dev", "http://localhost:5173 http://[::1]:1", NULL);
	assert_cors("staging", "http://localhost:5173", "must begin with");
	assert_cors("dev", "http://a.example", "must begin with");
	assert_cors("dev", "http://localhost:80", "browsers leave the");
	assert_cors("staging", "*", "any origin (*) is not");
	assert_cors("staging", "https://a.example *", "any origin (*) is not");
	assert_cors("staging", "https://*.example", "scheme, host (lower");
	assert_cors("staging", "https://A.example", "scheme, host (lower");
	assert_cors("staging", "https://a.example/", "scheme, host (lower");
	assert_cors("staging", "https://a.example,https://b.example",
	    "scheme, host (lower");
	assert_cors("staging", "null", "must begin with");
	assert_cors("staging", "https://a.example:443", "browsers leave the");
	assert_cors("staging", "https://a.example:", "the port is not one");
	assert_cors("staging", "https://a.example:0", "the port is not one");
	assert_cors(
	    "staging", "https://a.example:65536", "the port is not one");
	assert_cors("staging", "https://a.example:080", "the port is not one");

	memset(longest + 8, 'a', CORS_ORIGIN_SIZE - 9);
	assert_cors("staging", longest, NULL);
	strcat(longest, "a");
	assert_cors("staging", longest, "an origin is too long");
	for (unsigned i = 0; i < CORS_ORIGINS_MAX; i++)
		strcat(many, "https://a.de ");
	assert_cors("staging", many, NULL);
	strcat(many, "https://a.de");
	assert_cors("staging", many, "too many origins");
}

static void
preloading_needs_a_year(void **state UNUSED)
{
	assert_int_equal(load("hsts_max_age_s = 31535999\n"), RES_ERR);
	assert_told("hsts_preload: needs an hsts_max_age_s of 31536000");
	assert_int_equal(load("hsts_max_age_s = 31536000\n"), RES_OK);
	assert_int_equal(
	    load("hsts_max_age_s = 0\nhsts_preload = false\n"), RES_OK);
}

static void
production_refuses_dev(void **state UNUSED)
{
	static const char *const local[] = { "https://localhost",
		"https://localhost:443", "https://127.0.0.1:8443",
		"https://127.1.2.3", "https://[::1]:8443",
		"https://eleusis.localhost" };
	size_t i;

	setenv("ELEUSIS_ENV", "prod", 1);
	assert_int_equal(load("argon2_mem_kib = 19455\n"), RES_ERR);
	assert_told("origin: production needs its own value");
	assert_told("db_password_file: production needs its own value");
	assert_told("key_dir: production needs its own value");
	assert_told("argon2_mem_kib: production needs 19456 or more");

	setenv("ELEUSIS_DB_PASSWORD_FILE", "/run/secrets/db", 1);
	setenv("ELEUSIS_KEY_DIR", "/run/secrets/keys", 1);
	for (i = 0; i < NELEM(local); i++) {
		setenv("ELEUSIS_ORIGIN", local[i], 1);
		if (settings_load(NULL, msg, sizeof(msg)) != RES_ERR)
			fail_msg("accepted: %s", local[i]);
		assert_told("not reached at localhost");
	}
	setenv("ELEUSIS_ORIGIN", "https://localhost.example.org", 1);
	if (load("argon2_mem_kib = 19456\n") != RES_OK)
		fail_msg("%s", msg);
}

/* The report is cut, never overrun, however small its buffer. */
static void
small_report(void **state UNUSED)
{
	char small[40];
	size_t size;

	setenv("ELEUSIS_ENV", "none", 1);
	setenv("ELEUSIS_DB_PORT", "none", 1);
	for (size = 1; size <= sizeof(small); size++) {
		memset(small, 'x', sizeof(small));
		assert_int_equal(settings_load(NULL, small, size), RES_ERR);
		assert_true(strlen(small) < size);
		if (size < sizeof(small))
			assert_int_equal(small[size], 'x');
	}
}

static char printed[16384];

static void
collect(const char *line)
{
	assert_null(strchr(line, '\n'));
	assert_true(strlen(printed) + strlen(line) + 2 < sizeof(printed));
	strcat(printed, line);
	strcat(printed, "\n");
}

/* What is printed can be loaded again and says the same. */
static void
print_is_a_settings_file(void **state UNUSED)
{
	setenv("ELEUSIS_DB_PORT", "6001", 1);
	assert_int_equal(load("db_name = clinic\n"), RES_OK);
	printed[0] = '\0';
	settings_print(collect);
	assert_non_null(strstr(printed, "# env: PostgreSQL port"));
	assert_non_null(strstr(printed, "# file: PostgreSQL database"));
	assert_non_null(strstr(printed, "# default: libpq sslmode"));

	clean_env();
	unsetenv("ELEUSIS_MODELS_DIR");
	if (load(printed) != RES_OK)
		fail_msg("%s", msg);
	assert_int_equal(setting_int(SETTING_DB_PORT), 6001);
	assert_string_equal(setting_str(SETTING_DB_NAME), "clinic");
	assert_string_equal(setting_str(SETTING_LOG_FILE), "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(defaults),
		TEST(environment_over_file_over_default),
		TEST(all_mistakes_at_once),
		TEST(file_must_be_there),
		TEST(origins),
		TEST(cors_origins),
		TEST(preloading_needs_a_year),
		TEST(production_refuses_dev),
		TEST(small_report),
		TEST(print_is_a_settings_file),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
