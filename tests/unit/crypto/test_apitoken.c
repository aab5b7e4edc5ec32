/*
 * apitoken.c: the form of keys, known values of the hash computed by an
 * independent implementation, and that seals hold for their own place only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "keys_fixture.h"

#define PREFIX "elk_0123456789abcdef"
#define SECRET "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define KEY    PREFIX "_" SECRET

static void
new_keys(void **state UNUSED)
{
	struct api_token a, b;
	uint8_t hash[TOKEN_HASH_BYTES];
	char seen[128] = "";

	for (int i = 0; i < 2000; i++) {
		api_token_new(&a);
		assert_int_equal(strlen(a.text), API_TOKEN_STRLEN);
		assert_true(api_token_form(a.text));
		assert_memory_equal(a.text, a.prefix, API_PREFIX_STRLEN);
		api_token_hash(a.text, hash);
		assert_memory_equal(hash, a.hash, sizeof(hash));
		for (const char *p = a.prefix + 4; *p != '\0'; p++)
			seen[(unsigned char)*p] = 1;
	}
	/* Every character comes up, and no look-alike does. */
	for (const char *p = "0123456789abcdefghjkmnpqrstvwxyz"; *p; p++)
		assert_true(seen[(unsigned char)*p]);
	for (const char *p = "ilouILOU-_"; *p; p++)
		assert_false(seen[(unsigned char)*p]);
	api_token_new(&b);
	assert_string_not_equal(a.text, b.text);
	api_token_renew(a.prefix, &b);
	assert_string_equal(a.prefix, b.prefix);
	assert_string_not_equal(a.text, b.text);
}

static void
form(void **state UNUSED)
{
	static const char *const bad[] = { "", "elk_", PREFIX, PREFIX "_",
		"Elk_0123456789abcdef_" SECRET, "elk_0123456789abcdeF_" SECRET,
		"elk_0123456789abcdei_" SECRET, "elk_0123456789abcdel_" SECRET,
		"elk_0123456789abcdeo_" SECRET, "elk_0123456789abcdeu_" SECRET,
		"elk_0123456789abcde_" SECRET, "elk-0123456789abcdef_" SECRET,
		PREFIX "-" SECRET, KEY "A", " " KEY, KEY " ", KEY "\n",
		PREFIX "_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh=",
		PREFIX "_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH/8",
		PREFIX "_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh" };

	assert_true(api_token_form(KEY));
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_false(api_token_form(bad[i]));
	assert_true(api_prefix_form(PREFIX));
	assert_true(api_prefix_form(KEY));
	assert_false(api_prefix_form("elk_0123456789abcde"));
	assert_false(api_prefix_form(""));
}

static void
hash_known(void **state UNUSED)
{
	uint8_t hash[TOKEN_HASH_BYTES], other[TOKEN_HASH_BYTES],
	    expect[TOKEN_HASH_BYTES];

	unhex("f72bc094c9ae6c4cfedcd52a1a660e6f9b1956cffae088bcc59bc24f4d1c"
	      "0104",
	    expect);
	api_token_hash(KEY, hash);
	assert_memory_equal(hash, expect, sizeof(hash));
	/* The prefix is part of what is hashed. */
	api_token_hash("elk_0123456789abcdeg_" SECRET, other);
	assert_memory_not_equal(hash, other, sizeof(hash));
}

static void
records(void **state UNUSED)
{
	static const char text[] = "a record";
	uint8_t sealed[sizeof(text) + SEAL_OVERHEAD], out[sizeof(sealed)];

	api_record_seal(PREFIX, text, sizeof(text), sealed);
	assert_int_equal(
	    api_record_unseal(PREFIX, sealed, sizeof(sealed), out), RES_OK);
	assert_memory_equal(out, text, sizeof(text));
	assert_int_equal(api_record_unseal("elk_0123456789abcdeg", sealed,
			     sizeof(sealed), out),
	    RES_ERR);
	assert_int_equal(api_record_unseal(PREFIX, sealed, 0, out), RES_ERR);
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		assert_int_equal(
		    api_record_unseal(PREFIX, sealed, sizeof(sealed), out),
		    RES_ERR);
		sealed[i] ^= 1;
	}
}

static void
sign_keys(void **state UNUSED)
{
	struct uuid a, b;
	uint8_t key[API_SIGN_KEY_BYTES], out[API_SIGN_KEY_BYTES];
	uint8_t sealed[API_SIGN_SEALED_BYTES];

	uuid_v7(&a);
	uuid_v7(&b);
	api_sign_key_new(key);
	api_sign_key_seal(&a, 3, key, sealed);
	assert_int_equal(
	    api_sign_key_unseal(&a, 3, sealed, sizeof(sealed), out), RES_OK);
	assert_memory_equal(out, key, sizeof(key));
	assert_int_equal(
	    api_sign_key_unseal(&b, 3, sealed, sizeof(sealed), out), RES_ERR);
	assert_int_equal(
	    api_sign_key_unseal(&a, 4, sealed, sizeof(sealed), out), RES_ERR);
	assert_int_equal(
	    api_sign_key_unseal(&a, 3, sealed, sizeof(sealed) - 1, out),
	    RES_ERR);
	/* A record's seal is another key's. */
	assert_int_equal(
	    api_record_unseal(PREFIX, sealed, sizeof(sealed), out), RES_ERR);
}

static void
public_keys(void **state UNUSED)
{
	/* RFC 8032, 7.1, TEST 1; then points of low order, no point, and
	 * texts that are not 32 bytes in base64. */
	static const char good[] =
	    "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
	static const char *const bad[] = { "",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"7P///////////////////////////////////////38=",
		"AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo",
		"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
		"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUQ==",
		"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURp=",
		"d75a980182b10ab7d54bfed3c964073a0ee172f3daa6" };
	uint8_t key[API_SIGN_KEY_BYTES];
	char text[API_SIGN_KEY_STRLEN + 1];

	assert_int_equal(api_public_key_read(good, key), RES_OK);
	assert_int_equal(key[0], 0xd7);
	assert_int_equal(key[31], 0x1a);
	api_sign_key_text(key, text);
	assert_string_equal(text, good);
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(api_public_key_read(bad[i], key), RES_ERR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(new_keys),
		cmocka_unit_test(form), cmocka_unit_test(hash_known),
		cmocka_unit_test(records), cmocka_unit_test(sign_keys),
		cmocka_unit_test(public_keys) };

	return (cmocka_run_group_tests(tests, keys_setup, keys_teardown));
}
