/*
 * token.c, blindindex.c, digest.c: formats against known values computed by
 * an independent implementation, and that sessions and CSRF tokens hold for
 * their own token only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "keys_fixture.h"

static void
tokens(void **state UNUSED)
{
	struct token a, b;
	uint8_t hash[TOKEN_HASH_BYTES];
	size_t i;

	token_new(&a);
	token_new(&b);
	assert_int_equal(strlen(a.text), TOKEN_STRLEN);
	assert_string_not_equal(a.text, b.text);
	for (i = 0; i < 1000; i++) {
		token_new(&a);
		assert_int_equal(token_hash(a.text, hash), RES_OK);
		assert_memory_equal(hash, a.hash, sizeof(hash));
	}
}

static void
token_hash_known(void **state UNUSED)
{
	uint8_t hash[TOKEN_HASH_BYTES], expect[TOKEN_HASH_BYTES];

	unhex("ba285d7e0208bffd223ed32a2051a84f463d139b7e0d100a9b30efab23fb"
	      "f04b",
	    expect);
	assert_int_equal(
	    token_hash("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", hash),
	    RES_OK);
	assert_memory_equal(hash, expect, sizeof(hash));
}

static void
bad_tokens_refused(void **state UNUSED)
{
	static const char *const bad[] = { "",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8A",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh=",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH+8",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH/8",
		" AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n" };
	uint8_t hash[TOKEN_HASH_BYTES];
	size_t i;

	for (i = 0; i < NELEM(bad); i++) {
		if (token_hash(bad[i], hash) != RES_ERR)
			fail_msg("accepted: \"%s\"", bad[i]);
	}
}

static void
the_hash(uint8_t hash[TOKEN_HASH_BYTES])
{
	uint8_t i;

	for (i = 0; i < TOKEN_HASH_BYTES; i++)
		hash[i] = 0x20 + i;
}

static void
sessions(void **state UNUSED)
{
	static const char value[] = "{\"sub\":1}";
	uint8_t hash[TOKEN_HASH_BYTES], sealed[128], out[128];
	size_t len, i;

	the_hash(hash);
	len =
	    unhex("0100000001a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7f6"
		  "22f29df92909ce3b786f1526c8e7ff4d554b98b6d3ace243",
		sealed);
	assert_int_equal(len, sizeof(value) - 1 + SEAL_OVERHEAD);
	assert_int_equal(session_unseal(hash, sealed, len, out), RES_OK);
	assert_memory_equal(out, value, sizeof(value) - 1);

	session_seal(hash, value, sizeof(value), sealed);
	len = sizeof(value) + SEAL_OVERHEAD;
	assert_int_equal(session_unseal(hash, sealed, len, out), RES_OK);
	assert_memory_equal(out, value, sizeof(value));
	for (i = 0; i < TOKEN_HASH_BYTES; i++) {
		hash[i] ^= 1;
		assert_int_equal(
		    session_unseal(hash, sealed, len, out), RES_ERR);
		hash[i] ^= 1;
	}
	for (i = 0; i < len; i++) {
		assert_int_equal(session_unseal(hash, sealed, i, out), RES_ERR);
		sealed[i] ^= 0x80;
		assert_int_equal(
		    session_unseal(hash, sealed, len, out), RES_ERR);
		sealed[i] ^= 0x80;
	}
}

static void
csrf(void **state UNUSED)
{
	uint8_t hash[TOKEN_HASH_BYTES];
	char text[TOKEN_STRLEN + 1];
	size_t i;

	the_hash(hash);
	csrf_token(hash, text);
	assert_string_equal(
	    text, "JxbtHpuomMTdTQsqSlvGgnITXxcsp6OMM6aXlKOI7ao");
	assert_true(csrf_valid(hash, text));
	assert_false(csrf_valid(hash, ""));
	assert_false(
	    csrf_valid(hash, "JxbtHpuomMTdTQsqSlvGgnITXxcsp6OMM6aXlKOI7aoA"));
	for (i = 0; i < TOKEN_STRLEN; i++) {
		text[i] ^= 1;
		assert_false(csrf_valid(hash, text));
		text[i] ^= 1;
	}
	hash[0] ^= 1;
	assert_false(csrf_valid(hash, text));
}

static void
blind_indexes(void **state UNUSED)
{
	char text[128] = "ab-12", *p;
	uint8_t expect[BLIND_INDEX_BYTES], a[BLIND_INDEX_BYTES],
	    b[BLIND_INDEX_BYTES];

	unhex("41559d6dfc35575e1688d9ebc946eca9", expect);
	memset(text + 5, 'x', 100);
	blind_index("mrn", text, a);
	assert_memory_equal(a, expect, sizeof(a));
	/* Spelled otherwise, with spaces across the inner chunk's edge. */
	p = text;
	p += sprintf(p, " AB -12\t");
	memset(p, 'X', 60);
	p[60] = ' ';
	memset(p + 61, 'x', 40);
	p[101] = '\0';
	blind_index("mrn", text, b);
	assert_memory_equal(a, b, sizeof(a));

	blind_index("mrn", "AB-13", a);
	blind_index("mrn", "ab-12", b);
	assert_memory_not_equal(a, b, sizeof(a));
	blind_index("name", "ab-12", a);
	assert_memory_not_equal(a, b, sizeof(a));
	/* Field and text do not run into each other. */
	blind_index("mrna", "b-12", a);
	assert_memory_not_equal(a, b, sizeof(a));
	blind_index("mrn", "", a);
	assert_memory_not_equal(a, b, sizeof(a));
}

static void
cursor_tags(void **state UNUSED)
{
	uint8_t expect[CURSOR_TAG_BYTES], a[CURSOR_TAG_BYTES],
	    b[CURSOR_TAG_BYTES];
	struct uuid row = { { 1, 2, 3 } };

	unhex("d90fe3adf8f86b7e", expect);
	cursor_tag("/v1/patients", &row, a);
	assert_memory_equal(a, expect, sizeof(a));
	cursor_tag("/v1/patient", &row, b);
	assert_memory_not_equal(a, b, sizeof(a));
	row.b[15] ^= 1;
	cursor_tag("/v1/patients", &row, b);
	assert_memory_not_equal(a, b, sizeof(a));
}

/* FIPS 180-2, appendix B.1 and the empty text. */
static void
digests(void **state UNUSED)
{
	uint8_t sum[32];
	char hex[65];

	sha256("abc", 3, sum);
	digest_hex(sum, sizeof(sum), hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
				 "b00361a396177a9cb410ff61f20015ad");
	sha256("", 0, sum);
	digest_hex(sum, sizeof(sum), hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb924"
				 "27ae41e4649b934ca495991b7852b855");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens),
		cmocka_unit_test(token_hash_known),
		cmocka_unit_test(bad_tokens_refused),
		cmocka_unit_test(sessions),
		cmocka_unit_test(csrf),
		cmocka_unit_test(blind_indexes),
		cmocka_unit_test(cursor_tags),
		cmocka_unit_test(digests),
	};

	return (cmocka_run_group_tests(tests, keys_setup, keys_teardown));
}
