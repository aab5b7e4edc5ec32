/*
 * signature_verify.c and digest_header.c: the vectors of RFC 9421 (B.2.5,
 * B.2.6) and of RFC 9530, and every way to be wrong by one bit.
 */
#include "signature_fixture.h"

#define B25_INPUT                                    \
	"(\"date\" \"@authority\" \"content-type\")" \
	";created=1618884473;keyid=\"test-shared-secret\""
#define B26_INPUT                                         \
	"(\"date\" \"@method\" \"@path\" \"@authority\" " \
	"\"content-type\" \"content-length\")"            \
	";created=1618884473;keyid=\"test-key-ed25519\""

static struct arena *arena;

static int
setup(void **state UNUSED)
{
	arena = arena_new();

	return (sodium_init() < 0 ? -1 : 0);
}

static int
teardown(void **state UNUSED)
{
	arena_destroy(&arena);

	return (0);
}

static void
test_rfc_b25_hmac_sha256(void **state UNUSED)
{
	uint8_t key[64], sig[64];
	size_t keylen = bytes_of(RFC_SECRET, key);
	size_t len =
	    bytes_of("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=", sig);
	struct buf base;
	const char *why;

	assert_non_null(base_of(arena, &rfc_request, B25_INPUT, &base, &why));
	assert_true(signature_holds(
	    SIGNATURE_HMAC_SHA256, key, keylen, &base, sig, len));
	assert_false(signature_holds(
	    SIGNATURE_HMAC_SHA256, key, keylen - 1, &base, sig, len));
	assert_false(
	    signature_holds(SIGNATURE_ED25519, key, 32, &base, sig, len));
	assert_false(
	    signature_holds(SIGNATURE_UNSET, key, keylen, &base, sig, len));
	assert_false(signature_holds(
	    SIGNATURE_HMAC_SHA256, key, keylen, &base, sig, len - 1));
	for (size_t bit = 0; bit < len * 8; bit++) {
		sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(signature_holds(
		    SIGNATURE_HMAC_SHA256, key, keylen, &base, sig, len));
		sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void
test_rfc_b26_ed25519(void **state UNUSED)
{
	uint8_t key[64], sig[64];
	size_t keylen = bytes_of(RFC_ED25519, key);
	size_t len = bytes_of("wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u"
			      "02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
	    sig);
	struct buf base;
	const char *why;

	assert_non_null(base_of(arena, &rfc_request, B26_INPUT, &base, &why));
	assert_true(
	    signature_holds(SIGNATURE_ED25519, key, keylen, &base, sig, len));
	assert_false(signature_holds(
	    SIGNATURE_HMAC_SHA256, key, keylen, &base, sig, len));
	for (size_t bit = 0; bit < len * 8; bit++) {
		sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(signature_holds(
		    SIGNATURE_ED25519, key, keylen, &base, sig, len));
		sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t i = 0; i < base.len; i++) {
		base.data[i] ^= 1;
		assert_false(signature_holds(
		    SIGNATURE_ED25519, key, keylen, &base, sig, len));
		base.data[i] ^= 1;
	}
}

/* S + L is the same scalar: whoever takes it lets signatures be altered. */
static void
test_ed25519_s_past_the_order(void **state UNUSED)
{
	static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63,
		0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
		0x14, [31] = 0x10 };
	uint8_t pk[32], sk[64], sig[64];
	struct buf base;

	buf_init(&base, arena, 16);
	buf_puts(&base, "text");
	crypto_sign_ed25519_keypair(pk, sk);
	crypto_sign_ed25519_detached(
	    sig, NULL, (const uint8_t *)base.data, base.len, sk);
	assert_true(signature_holds(SIGNATURE_ED25519, pk, 32, &base, sig, 64));
	sodium_add(sig + 32, order, 32);
	assert_false(
	    signature_holds(SIGNATURE_ED25519, pk, 32, &base, sig, 64));
}

/* Under a key of small order one signature would hold for any text: with the
 * neutral point as key and R, S = 0 fits the equation. */
static void
test_ed25519_small_order(void **state UNUSED)
{
	uint8_t pk[32] = { 1 }, sig[64] = { 1 };
	struct buf base;

	buf_init(&base, arena, 16);
	buf_puts(&base, "any text");
	assert_false(
	    signature_holds(SIGNATURE_ED25519, pk, 32, &base, sig, 64));
	memset(pk, 0, sizeof(pk));
	memset(sig, 0, sizeof(sig));
	assert_false(
	    signature_holds(SIGNATURE_ED25519, pk, 32, &base, sig, 64));
}

/* A key that is not there lies in memory as zeros; anybody could sign so. */
static void
test_no_key_is_no_key(void **state UNUSED)
{
	static const uint8_t zeros[32];
	uint8_t mac[32];
	struct buf base;

	buf_init(&base, arena, 16);
	buf_puts(&base, "text");
	crypto_auth_hmacsha256(
	    mac, (const uint8_t *)base.data, base.len, zeros);
	assert_false(
	    signature_holds(SIGNATURE_HMAC_SHA256, zeros, 32, &base, mac, 32));
}

static void
test_algorithm_names(void **state UNUSED)
{
	assert_int_equal(
	    signature_alg_parse("hmac-sha256"), SIGNATURE_HMAC_SHA256);
	assert_int_equal(signature_alg_parse("ed25519"), SIGNATURE_ED25519);
	assert_int_equal(signature_alg_parse("HMAC-SHA256"), SIGNATURE_UNSET);
	assert_int_equal(signature_alg_parse(""), SIGNATURE_UNSET);
	assert_string_equal(
	    signature_alg_name(SIGNATURE_HMAC_SHA256), "hmac-sha256");
	assert_string_equal(signature_alg_name(SIGNATURE_ED25519), "ed25519");
}

#define SHA256_OF_BODY "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
/* RFC 9530, B.1: the body ends in a newline there. */
#define WITH_NEWLINE RFC_BODY "\n"
#define SHA256_OF_NEWLINE \
	"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
#define SHA512_OF_NEWLINE                                                \
	"sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2" \
	"aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:"

static void
assert_digest(const char *field, const char *body, enum digest_result want)
{
	assert_int_equal(
	    digest_header_check(arena, field, body, strlen(body)), want);
}

static void
test_digests_of_the_rfcs(void **state UNUSED)
{
	assert_digest(RFC_DIGEST, RFC_BODY, DIGEST_MATCHES);
	assert_digest(SHA256_OF_BODY, RFC_BODY, DIGEST_MATCHES);
	assert_digest(SHA256_OF_NEWLINE, WITH_NEWLINE, DIGEST_MATCHES);
	assert_digest(SHA512_OF_NEWLINE, WITH_NEWLINE, DIGEST_MATCHES);
	assert_digest(RFC_DIGEST, WITH_NEWLINE, DIGEST_DIFFERS);
	assert_digest(SHA256_OF_NEWLINE, RFC_BODY, DIGEST_DIFFERS);
	assert_int_equal(
	    digest_header_check(arena,
		"sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", NULL,
		0),
	    DIGEST_MATCHES);
	assert_int_equal(
	    digest_header_check(arena, RFC_DIGEST, NULL, 0), DIGEST_DIFFERS);
}

static void
test_several_digests(void **state UNUSED)
{
	assert_digest(RFC_DIGEST ", " SHA256_OF_BODY, RFC_BODY, DIGEST_MATCHES);
	assert_digest("md5=:AAAA:, " SHA256_OF_BODY, RFC_BODY, DIGEST_MATCHES);
	assert_digest(
	    RFC_DIGEST ", " SHA256_OF_NEWLINE, RFC_BODY, DIGEST_DIFFERS);
	assert_digest(
	    SHA256_OF_NEWLINE ", " RFC_DIGEST, RFC_BODY, DIGEST_DIFFERS);
	assert_digest("md5=:AAAA:", RFC_BODY, DIGEST_UNKNOWN);
	assert_digest("", RFC_BODY, DIGEST_UNKNOWN);
}

static void
test_digests_that_are_none(void **state UNUSED)
{
	assert_digest("sha-256=::", RFC_BODY, DIGEST_DIFFERS);
	assert_digest("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9D:",
	    RFC_BODY, DIGEST_DIFFERS);
	assert_digest("sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
	    RFC_BODY, DIGEST_MALFORMED);
	assert_digest("sha-256=\"X48E\"", RFC_BODY, DIGEST_MALFORMED);
	assert_digest("sha-256", RFC_BODY, DIGEST_MALFORMED);
	assert_digest("SHA-256=:AAAA:", RFC_BODY, DIGEST_MALFORMED);
	assert_digest(
	    SHA256_OF_BODY ", " SHA256_OF_BODY, RFC_BODY, DIGEST_MALFORMED);
	assert_digest("md5=1, " SHA256_OF_BODY, RFC_BODY, DIGEST_MALFORMED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc_b25_hmac_sha256),
		cmocka_unit_test(test_rfc_b26_ed25519),
		cmocka_unit_test(test_ed25519_s_past_the_order),
		cmocka_unit_test(test_ed25519_small_order),
		cmocka_unit_test(test_no_key_is_no_key),
		cmocka_unit_test(test_algorithm_names),
		cmocka_unit_test(test_digests_of_the_rfcs),
		cmocka_unit_test(test_several_digests),
		cmocka_unit_test(test_digests_that_are_none),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
