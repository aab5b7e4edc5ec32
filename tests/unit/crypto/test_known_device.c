/*
 * known_device.c: tokens hold for their account and password only, whatever
 * is changed in them; the format against a value that Python's hashlib made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "keys_fixture.h"

#define HASH "$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaA"
/* Another salt: another password, or the same one set again. */
#define OTHER "$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHRzYWx1$aGFzaA"
/* The same password under other parameters. */
#define ANEW "$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0$bmV3"

static void
make(struct device *device, const char *email, int64_t at_us,
    char text[DEVICE_STRLEN + 1])
{
	device_new(device);
	account_digest(email, device->account);
	device->issued_us = at_us;
	device_token(device, HASH, text);
}

static void
made_and_opened(void **state UNUSED)
{
	uint8_t bob[ACCOUNT_DIGEST_BYTES];
	struct device made, opened;
	char text[DEVICE_STRLEN + 1];

	make(&made, "ada@x.example", 1234567890123456, text);
	assert_int_equal(strlen(text), DEVICE_STRLEN);
	assert_int_equal(device_open(text, &opened), RES_OK);
	assert_memory_equal(opened.id, made.id, sizeof(made.id));
	assert_memory_equal(opened.account, made.account, sizeof(bob));
	account_digest("bob@x.example", bob);
	assert_memory_not_equal(opened.account, bob, sizeof(bob));
	assert_int_equal(opened.issued_us, 1234567890123456);
	assert_true(device_current(&opened, HASH));
	assert_true(device_current(&opened, ANEW));
	assert_false(device_current(&opened, OTHER));
}

static void
ids_differ(void **state UNUSED)
{
	struct device a, b;

	device_new(&a);
	device_new(&b);
	assert_memory_not_equal(a.id, b.id, sizeof(a.id));
}

/* root 00 01 ... 1f; python: kdf(id 1, "knowndev"), then BLAKE2b keyed. */
static void
known_value(void **state UNUSED)
{
	static const char text[] = "AQABAgMEBQYHCAkKCwwNDg93TOI43v-qBXTiyvwR"
				   "g_ZxAAZJrdRJMADWTHTGkmMokRdiK5edG7pRHUGM"
				   "x6Yp5MihYj62MfqMeZWZBj9EQkUyiF1Ufp_5SuI";
	uint8_t account[ACCOUNT_DIGEST_BYTES], expect[ACCOUNT_DIGEST_BYTES];
	struct device device;
	char again[DEVICE_STRLEN + 1];

	account_digest("ada@x.example", account);
	unhex("774ce238deffaa0574e2cafc1183f671", expect);
	assert_memory_equal(account, expect, sizeof(expect));
	assert_int_equal(device_open(text, &device), RES_OK);
	assert_memory_equal(device.account, expect, sizeof(expect));
	assert_int_equal(device.issued_us, 1769860800000000);
	assert_true(device_current(&device, HASH));
	device_token(&device, HASH, again);
	assert_string_equal(again, text);
}

static void
every_change_is_seen(void **state UNUSED)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz0123456789-_";
	struct device device;
	char text[DEVICE_STRLEN + 1], bad[DEVICE_STRLEN + 3];

	make(&device, "ada@x.example", 1, text);
	for (size_t i = 0; i < DEVICE_STRLEN; i++) {
		memcpy(bad, text, sizeof(text));
		bad[i] =
		    alphabet[(strchr(alphabet, bad[i]) - alphabet + 16) % 64];
		assert_int_equal(device_open(bad, &device), RES_ERR);
	}
	for (size_t n = 0; n < DEVICE_STRLEN; n++) {
		memcpy(bad, text, n);
		bad[n] = '\0';
		assert_int_equal(device_open(bad, &device), RES_ERR);
	}
	snprintf(bad, sizeof(bad), "%sA", text);
	assert_int_equal(device_open(bad, &device), RES_ERR);
	snprintf(bad, sizeof(bad), "%s", text);
	bad[5] = '+';
	assert_int_equal(device_open(bad, &device), RES_ERR);
	assert_int_equal(device_open(text, &device), RES_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_and_opened),
		cmocka_unit_test(ids_differ),
		cmocka_unit_test(known_value),
		cmocka_unit_test(every_change_is_seen),
	};

	return (cmocka_run_group_tests(tests, keys_setup, keys_teardown));
}
