/*
 * recovery_code.c: their form, how they may be typed, and that the hash is
 * another one for every user.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "keys_fixture.h"

#define CODE "0123-4567-89ab-cdef-ghjk-mnpq"

static const struct uuid user = { { 1 } }, other = { { 2 } };

static void
new_codes(void **state UNUSED)
{
	char a[RECOVERY_CODE_STRLEN + 1], b[RECOVERY_CODE_STRLEN + 1];
	uint8_t hash[DIGEST_BYTES];

	for (int i = 0; i < 500; i++) {
		recovery_code_new(a);
		recovery_code_new(b);
		assert_int_equal(strlen(a), RECOVERY_CODE_STRLEN);
		assert_string_not_equal(a, b);
		for (size_t k = 0; k < RECOVERY_CODE_STRLEN; k++)
			assert_int_equal(a[k] == '-', k % 5 == 4);
		assert_int_equal(recovery_code_hash(&user, a, hash), RES_OK);
	}
}

static void
typed(void **state UNUSED)
{
	static const char *const same[] = { "0123456789abcdefghjkmnpq",
		"0123-4567-89AB-CDEF-GHJK-MNPQ",
		" 0123 4567 89ab cdef ghjkmnpq ",
		"OI23-4567-89ab-cdef-ghjk-mnpq",
		"ol23-4567-89ab-cdef-ghjk-mnpq" };
	static const char *const bad[] = { "", "-", "0123-4567",
		"0123-4567-89ab-cdef-ghjk-mnp", CODE "0", CODE "-0", CODE "u",
		"u123-4567-89ab-cdef-ghjk-mnpq",
		"0123_4567_89ab_cdef_ghjk_mnpq",
		"\xc3\xa9"
		"123-4567-89ab-cdef-ghjk-mnp" };
	uint8_t right[DIGEST_BYTES], hash[DIGEST_BYTES];

	assert_int_equal(recovery_code_hash(&user, CODE, right), RES_OK);
	for (size_t i = 0; i < NELEM(same); i++) {
		assert_int_equal(
		    recovery_code_hash(&user, same[i], hash), RES_OK);
		assert_memory_equal(hash, right, sizeof(hash));
	}
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(
		    recovery_code_hash(&user, bad[i], hash), RES_ERR);
}

static void
of_one_user(void **state UNUSED)
{
	uint8_t a[DIGEST_BYTES], b[DIGEST_BYTES];

	assert_int_equal(recovery_code_hash(&user, CODE, a), RES_OK);
	assert_int_equal(recovery_code_hash(&other, CODE, b), RES_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(
	    recovery_code_hash(&user, "1123-4567-89ab-cdef-ghjk-mnpq", b),
	    RES_OK);
	assert_memory_not_equal(a, b, sizeof(a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_codes),
		cmocka_unit_test(typed),
		cmocka_unit_test(of_one_user),
	};

	return (cmocka_run_group_tests(tests, keys_setup, keys_teardown));
}
