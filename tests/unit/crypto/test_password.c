/*
 * password.c: the right password verifies, others do not, outdated
 * parameters are noticed, and an unknown user costs what a known one does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>
#include <string.h>

#include "crypto/crypto.h"

#define OPS 2
#define MEM (8192 * 1024)

static bool
verify(const char *hash, const char *password, bool *rehash)
{
	struct password_job job = { .password = password };

	strcpy(job.hash, hash);
	password_verify_job(&job);
	if (rehash != NULL)
		*rehash = job.rehash;

	return (job.ok);
}

static void
right_and_wrong(void **state UNUSED)
{
	struct password_job job = { .password = "correct horse" };
	struct password_job again = { .password = "correct horse" };
	bool rehash;

	password_hash_job(&job);
	password_hash_job(&again);
	assert_true(job.ok);
	assert_int_equal(
	    strncmp(job.hash, "$argon2id$v=19$m=8192,t=2,p=1$", 30), 0);
	assert_string_not_equal(job.hash, again.hash);
	assert_true(verify(job.hash, "correct horse", &rehash));
	assert_false(rehash);
	assert_false(verify(job.hash, "correct horsf", &rehash));
	assert_false(rehash);
	assert_false(verify(job.hash, "", NULL));
	assert_false(verify("$argon2id$garbage", "correct horse", NULL));
}

/* A known answer of the Argon2 reference implementation (its src/test.c). */
static void
foreign_hash_verifies(void **state UNUSED)
{
	static const char hash[] =
	    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$"
	    "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
	bool rehash;

	assert_true(verify(hash, "password", &rehash));
	assert_true(rehash);
	assert_false(verify(hash, "Password", NULL));
}

static void
old_parameters_noticed(void **state UNUSED)
{
	struct password_job job = {
		.password = "p", .ops = 1, .mem_bytes = MEM
	};
	bool rehash;

	password_hash_job(&job);
	assert_true(job.ok);
	assert_true(verify(job.hash, "p", &rehash));
	assert_true(rehash);
	assert_false(verify(job.hash, "q", &rehash));
	assert_false(rehash);
}

static void
hashed_anew(void **state UNUSED)
{
	struct password_job job = {
		.password = "correct horse", .ops = 1, .mem_bytes = MEM
	};
	char before[PASSWORD_HASH_MAX];
	bool rehash;

	password_hash_job(&job);
	strcpy(before, job.hash);
	job.ops = 0;
	job.mem_bytes = 0;
	password_rehash_job(&job);
	assert_true(job.ok);
	assert_string_not_equal(job.hash, before);
	assert_true(password_same_setting(job.hash, before));
	assert_true(verify(job.hash, "correct horse", &rehash));
	assert_false(rehash);
	assert_false(verify(job.hash, "correct horsf", NULL));

	/* Set again, the same password has another salt. */
	password_hash_job(&job);
	assert_false(password_same_setting(job.hash, before));

	/* A salt of another size cannot be kept: nothing is done. */
	strcpy(job.hash, "$argon2id$v=19$m=8192,t=1,p=1$c2FsdA$aGFzaA");
	password_rehash_job(&job);
	assert_false(job.ok);
	strcpy(job.hash, "");
	password_rehash_job(&job);
	assert_false(job.ok);
}

static void
lengths(void **state UNUSED)
{
	static char text[1026];
	struct password_job job = { .password = text };

	memset(text, 'a', 1024);
	password_hash_job(&job);
	assert_true(job.ok);
	assert_true(verify(job.hash, text, NULL));
	text[1023] = 'b';
	assert_false(verify(job.hash, text, NULL));
	text[1023] = 'a';
	text[1024] = 'a';
	assert_false(verify(job.hash, text, NULL));
	password_hash_job(&job);
	assert_false(job.ok);
	assert_string_equal(job.hash, "");

	/* A hash that is not terminated must not be read past its end. */
	text[1024] = '\0';
	memset(job.hash, '$', sizeof(job.hash));
	password_verify_job(&job);
	assert_false(job.ok);
}

/* Of this process alone: others may be busy. */
static int64_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);

	return ((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

static int64_t
cost_us(const char *hash)
{
	int64_t start, best, took;
	int i;

	best = INT64_MAX;
	for (i = 0; i < 5; i++) {
		start = cpu_us();
		assert_false(verify(hash, "some password", NULL));
		took = cpu_us() - start;
		if (took < best)
			best = took;
	}

	return (best);
}

static void
unknown_user_costs_the_same(void **state UNUSED)
{
	struct password_job job = { .password = "another password" };
	int64_t known, unknown;

	password_hash_job(&job);
	assert_true(job.ok);
	known = cost_us(job.hash);
	unknown = cost_us("");
	if (unknown < known / 2 || unknown > known * 2)
		fail_msg("known %lld us, unknown %lld us", (long long)known,
		    (long long)unknown);
}

static void
generated(void **state UNUSED)
{
	char out[32], all[1200] = "";
	const char *c;
	int i;

	for (i = 0; i < 40; i++) {
		memset(out, 'x', sizeof(out));
		password_generate(out);
		assert_int_equal(strlen(out), 29);
		assert_int_equal(
		    strspn(out, "0123456789abcdefghjkmnpqrstvwxyz-"), 29);
		assert_int_equal(out[4], '-');
		assert_int_equal(out[24], '-');
		assert_null(strstr(all, out));
		strcat(all, out);
	}
	/* 960 draws out of 32: a letter left out means a smaller set. */
	for (c = "0123456789abcdefghjkmnpqrstvwxyz"; *c != '\0'; c++)
		assert_non_null(strchr(all, *c));
}

static int
setup(void **state UNUSED)
{
	password_init(OPS, MEM);

	return (0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_and_wrong),
		cmocka_unit_test(foreign_hash_verifies),
		cmocka_unit_test(old_parameters_noticed),
		cmocka_unit_test(hashed_anew),
		cmocka_unit_test(lengths),
		cmocka_unit_test(unknown_user_costs_the_same),
		cmocka_unit_test(generated),
	};

	return (cmocka_run_group_tests(tests, setup, NULL));
}
