/*
 * password_rules.c, breached.c: which passwords are too easy, and a list that
 * finds what is in it and next to nothing else.
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

#include "account/account.h"

#define SHIPPED "conf/passwords/breached.bin"

static char path[64];

static int
setup(void **state UNUSED)
{
	static char msg[512];

	setenv("ELEUSIS_PASSWORD_WORDS", "Mercy-General Springfield", 1);
	setenv("ELEUSIS_ORIGIN", "https://records.mercy.example", 1);
	(void)snprintf(path, sizeof(path), "/tmp/breached.%d", (int)getpid());
	return (settings_load(NULL, msg, sizeof(msg)) == RES_OK ? 0 : -1);
}

static int
teardown(void **state UNUSED)
{
	(void)unlink(path);
	return (0);
}

static const char *
code_of(const char *password, const char *email, const char *name)
{
	const char *code;

	(void)password_mistake(password, email, name, &code);
	return (code != NULL ? code : "good");
}

static void
lengths(void **state UNUSED)
{
	char text[1026];

	assert_string_equal(code_of("", NULL, NULL), "min_length");
	assert_string_equal(code_of("mkzqvwxyjbt", NULL, NULL), "min_length");
	assert_string_equal(code_of("mkzqvwxyjbtr", NULL, NULL), "good");
	/* Characters count, not bytes. */
	assert_string_equal(code_of("äöüßéàçñøåæ", NULL, NULL), "min_length");
	assert_string_equal(code_of("äöüßéàçñøåæœ", NULL, NULL), "good");
	for (int i = 0; i < 1025; i++)
		text[i] = (char)('!' + i % 90);
	text[1024] = '\0';
	assert_string_equal(code_of(text, NULL, NULL), "good");
	text[1024] = 'x';
	text[1025] = '\0';
	assert_string_equal(code_of(text, NULL, NULL), "max_length");
}

static void
nothing_is_asked_of_its_kind(void **state UNUSED)
{
	static const char *const any[] = { "mkzqvwxyjbtr", "MKZQVWXYJBTR",
		"918273640571", "            ", "!?%&/()=+*#;",
		"日本語日本語日本語日本語", " mkzqvwxyjb ", "\t\tmkzqvwxyjb",
		NULL };

	for (unsigned i = 0; any[i] != NULL; i++)
		assert_string_equal(code_of(any[i], NULL, NULL), "good");
}

static void
words_of_the_account_count_for_nothing(void **state UNUSED)
{
	static const char email[] = "ada.lovelace@analytical-engine.example";
	static const char name[] = "Augusta Ada King";
	static const char *const bad[] = { "ada.lovelace1815",
		"LOVELACElovelace", "augusta-king-1", "AnalyticalEngine1",
		"xxada.lovelace@analytical-"
		"engine.examplexxyyzzqq",
		"KingKingKing12", NULL };
	static const char *const good[] = { "ada likes plum tarts",
		"mkzqvwxyjbtrada", "kings crossing west", NULL };

	for (unsigned i = 0; bad[i] != NULL; i++) {
		assert_string_equal(code_of(bad[i], email, name), "context");
		assert_string_not_equal(code_of(bad[i], NULL, NULL), "context");
	}
	for (unsigned i = 0; good[i] != NULL; i++)
		assert_string_equal(code_of(good[i], email, name), "good");
}

static void
words_of_the_service_count_for_nothing(void **state UNUSED)
{
	static const char *const bad[] = { "Eleusis-2026!", "springfield#1",
		"mercygeneral99", "RecordsMercy12", "hospitaladmin1",
		"welcomepassword", "patientdoctornurse", NULL };

	for (unsigned i = 0; bad[i] != NULL; i++)
		assert_string_equal(code_of(bad[i], NULL, NULL), "context");
	assert_string_equal(
	    code_of("springfield tulip moon", NULL, NULL), "good");
}

static bool
to_file(void *arg, const void *data, size_t len)
{
	return (fwrite(data, len, 1, arg) == 1);
}

static int
ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return ((x > y) - (x < y));
}

/* A list of "word 0" to "word n-1". */
static void
make_list(uint32_t n)
{
	uint64_t *v = calloc(n, sizeof(*v));
	char text[32];
	FILE *f;

	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "word %u", i);
		v[i] = breached_prefix(text, strlen(text));
	}
	qsort(v, n, sizeof(*v), ascending);
	f = fopen(path, "w");
	assert_true(breached_write(v, n, to_file, f));
	assert_int_equal(fclose(f), 0);
	free(v);
}

static void
what_is_listed_is_found(void **state UNUSED)
{
	static const uint32_t sizes[] = { 1, 2, 255, 256, 257, 20000 };
	char msg[256], text[32];

	for (size_t s = 0; s < NELEM(sizes); s++) {
		make_list(sizes[s]);
		assert_int_equal(breached_load(path, msg, sizeof(msg)), RES_OK);
		assert_int_equal(breached_count(), sizes[s]);
		for (uint32_t i = 0; i < sizes[s]; i++) {
			(void)snprintf(text, sizeof(text), "word %u", i);
			assert_true(breached_has(text));
		}
		assert_true(breached_has("WORD 0"));
		assert_false(breached_has("word 0 "));
		assert_false(breached_has(""));
	}
	assert_int_equal(breached_load("", msg, sizeof(msg)), RES_OK);
	assert_false(breached_has("word 0"));
}

/* At 2^-28 a look-up and two look-ups a password, 2,000,000 others have about
 * one chance in 70 to hit once, and one in 30,000 to hit three times. */
static void
next_to_nothing_else_is_found(void **state UNUSED)
{
	char msg[256], text[32];
	unsigned hits = 0;

	assert_int_equal(breached_load(SHIPPED, msg, sizeof(msg)), RES_OK);
	for (uint32_t i = 0; i < 2000000; i++) {
		(void)snprintf(text, sizeof(text), "other %u %u", i, i * 7919);
		hits += breached_has(text);
	}
	printf("%u of 2000000 mistaken\n", hits);
	assert_in_range(hits, 0, 2);
}

static void
the_shipped_list_is_used(void **state UNUSED)
{
	static const char *const bad[] = { "password1234", "Password123!",
		"qwertyuiop123", "123456789012", "1qaz2wsx3edc", "aaaaaaaaaaaa",
		"administrator", "unbelievable", "correcthorsebatterystaple",
		NULL };
	char msg[256];

	assert_int_equal(breached_load(SHIPPED, msg, sizeof(msg)), RES_OK);
	assert_in_range(breached_count(), 500000, 600000);
	for (unsigned i = 0; bad[i] != NULL; i++)
		if (strcmp(code_of(bad[i], NULL, NULL), "breached") != 0)
			fail_msg("taken: %s", bad[i]);
}

static void
spoil(long at, int byte)
{
	FILE *f = fopen(path, "r+");

	(void)fseek(f, at, SEEK_SET);
	(void)fputc(byte, f);
	(void)fclose(f);
}

static void
damaged_files_are_refused(void **state UNUSED)
{
	static const struct {
		long at;
		int byte;
	} damages[] = { { 0, 'X' }, { 8, 1 }, { 11, 3 }, { 11, 25 }, { 15, 1 },
		{ 16, 1 }, { 20, 0xff } };
	char msg[256];

	for (size_t i = 0; i < NELEM(damages); i++) {
		make_list(2000);
		spoil(damages[i].at, damages[i].byte);
		assert_int_equal(
		    breached_load(path, msg, sizeof(msg)), RES_ERR);
		assert_false(breached_has("word 1"));
	}
	make_list(2000);
	assert_int_equal(truncate(path, 8000), 0);
	assert_int_equal(breached_load(path, msg, sizeof(msg)), RES_ERR);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(breached_load(path, msg, sizeof(msg)), RES_ERR);
	(void)unlink(path);
	assert_int_equal(breached_load(path, msg, sizeof(msg)), RES_ERR);
	assert_int_equal(breached_load("", msg, sizeof(msg)), RES_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths),
		cmocka_unit_test(nothing_is_asked_of_its_kind),
		cmocka_unit_test(words_of_the_account_count_for_nothing),
		cmocka_unit_test(words_of_the_service_count_for_nothing),
		cmocka_unit_test(what_is_listed_is_found),
		cmocka_unit_test(next_to_nothing_else_is_found),
		cmocka_unit_test(the_shipped_list_is_used),
		cmocka_unit_test(damaged_files_are_refused),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
