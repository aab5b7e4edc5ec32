/*
 * totp.c against the values of RFC 4226 (appendix D), RFC 6238 (appendix B) and
 * RFC 4648; the window of steps, and that no step counts twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "crypto/crypto_priv.h"

static const uint8_t key[] = "12345678901234567890";

#define KEYLEN (sizeof(key) - 1)
#define NOW    INT64_C(1800000000)

_Static_assert(KEYLEN == TOTP_SECRET_BYTES, "the RFCs' key");

static void
rfc4226(void **state UNUSED)
{
	static const uint32_t truncated[] = { 1284755224, 1094287082, 137359152,
		1726969429, 1640338314, 868254676, 1918287922, 82162583,
		673399871, 645520489 };

	for (size_t i = 0; i < NELEM(truncated); i++)
		assert_int_equal(hotp(key, KEYLEN, i), truncated[i]);
}

static void
rfc6238(void **state UNUSED)
{
	static const struct {
		int64_t at;
		uint32_t code; /* of 8 digits */
	} values[] = { { 59, 94287082 }, { 1111111109, 7081804 },
		{ 1111111111, 14050471 }, { 1234567890, 89005924 },
		{ 2000000000, 69279037 }, { 20000000000, 65353130 } };
	char code[32];
	int64_t step;

	for (size_t i = 0; i < NELEM(values); i++) {
		assert_int_equal(
		    hotp(key, KEYLEN, (uint64_t)(values[i].at / TOTP_STEP_S)) %
			100000000,
		    values[i].code);
		if (values[i].at < 1000)
			continue;
		snprintf(code, sizeof(code), "%06u", values[i].code % 1000000);
		assert_true(totp_find(key, code, values[i].at, 0, &step));
		assert_int_equal(step, values[i].at / TOTP_STEP_S);
	}
}

static const char *
code_of(int64_t step)
{
	static char code[32];

	snprintf(code, sizeof(code), "%06u",
	    hotp(key, KEYLEN, (uint64_t)step) % 1000000);

	return (code);
}

static void
window(void **state UNUSED)
{
	const int64_t now = NOW / TOTP_STEP_S;
	int64_t step;

	for (int64_t off = -5; off <= 5; off++) {
		bool near = off >= -1 && off <= 1;

		assert_int_equal(
		    totp_find(key, code_of(now + off), NOW, 0, &step), near);
		if (near)
			assert_int_equal(step, now + off);
	}
	/* The first and the last second of a step. */
	assert_true(totp_find(key, code_of(now - 1), NOW + 29, 0, &step));
	assert_false(totp_find(key, code_of(now - 1), NOW + 30, 0, &step));
}

static void
no_step_twice(void **state UNUSED)
{
	const int64_t now = NOW / TOTP_STEP_S;
	int64_t step;

	for (int64_t last = now - 2; last <= now + 2; last++)
		for (int64_t s = now - 1; s <= now + 1; s++)
			assert_int_equal(
			    totp_find(key, code_of(s), NOW, last, &step),
			    s > last);
}

static void
what_is_no_code(void **state UNUSED)
{
	static const char *const bad[] = { "", "1", "12345", "1234567",
		"12345a", " 12345", "12345 ", "+12345", "-12345", "12 456",
		"\xd9\xa1\xd9\xa2\xd9\xa3" };
	char code[32], longer[40];
	int64_t step;

	for (size_t i = 0; i < NELEM(bad); i++)
		assert_false(totp_find(key, bad[i], NOW, 0, &step));
	/* One digit off, and one too many. */
	snprintf(code, sizeof(code), "%s", code_of(NOW / TOTP_STEP_S));
	assert_true(totp_find(key, code, NOW, 0, &step));
	code[5] = code[5] == '9' ? '0' : (char)(code[5] + 1);
	assert_false(totp_find(key, code, NOW, 0, &step));
	snprintf(longer, sizeof(longer), "%s0", code_of(NOW / TOTP_STEP_S));
	assert_false(totp_find(key, longer, NOW, 0, &step));
}

static void
base32(void **state UNUSED)
{
	uint8_t secret[TOTP_SECRET_BYTES], other[TOTP_SECRET_BYTES];
	char text[TOTP_SECRET_STRLEN + 1];

	totp_secret_text(key, text);
	assert_string_equal(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
	memset(secret, 0xff, sizeof(secret));
	totp_secret_text(secret, text);
	assert_string_equal(text, "77777777777777777777777777777777");
	totp_secret_new(secret);
	totp_secret_new(other);
	assert_memory_not_equal(secret, other, sizeof(secret));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc4226),
		cmocka_unit_test(rfc6238),
		cmocka_unit_test(window),
		cmocka_unit_test(no_step_twice),
		cmocka_unit_test(what_is_no_code),
		cmocka_unit_test(base32),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
