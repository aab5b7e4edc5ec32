/*
 * webauthn.c and what is below it: registrations and assertions of every
 * algorithm, and each way in which one does not hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fido.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "webauthn/webauthn.h"
#include "webauthn_vectors.h"

static const struct webauthn_rp rp = { "example.org", "https://example.org" };

static const struct vector {
	int alg;
	const char *new_client, *new, *use_client, *use_data, *use_signature;
} vectors[] = {
	{ COSE_ES256, ES256_NEW_CLIENT, ES256_NEW, ES256_USE_CLIENT,
	    ES256_USE_DATA, ES256_USE_SIGNATURE },
	{ COSE_EDDSA, EDDSA_NEW_CLIENT, EDDSA_NEW, EDDSA_USE_CLIENT,
	    EDDSA_USE_DATA, EDDSA_USE_SIGNATURE },
	{ COSE_RS256, RS256_NEW_CLIENT, RS256_NEW, RS256_USE_CLIENT,
	    RS256_USE_DATA, RS256_USE_SIGNATURE },
};

/* An assertion under way, to be spoilt. */
struct use {
	struct webauthn_client client;
	struct webauthn_stored stored;
	struct bytes data, signature;
};

static struct arena *arena;
static enum webauthn_fault why;

static int
setup(void **state UNUSED)
{
	assert_int_not_equal(sodium_init(), -1);
	fido_init(0);
	arena = arena_new();
	return (0);
}

static int
teardown(void **state UNUSED)
{
	arena_destroy(&arena);
	return (0);
}

static uint8_t *
at(const struct bytes *b, size_t i)
{
	/* What unhex() made is ours to change. */
	return ((uint8_t *)(uintptr_t)b->p + i);
}

static struct bytes
unhex(const char *hex)
{
	uint8_t *raw = arena_alloc(arena, strlen(hex) / 2 + 1);
	size_t len;

	assert_int_equal(sodium_hex2bin(raw, strlen(hex) / 2, hex, strlen(hex),
			     NULL, &len, NULL),
	    0);
	return ((struct bytes){ raw, len });
}

static struct bytes
text(const char *s)
{
	return ((struct bytes){
	    (const uint8_t *)arena_strdup(arena, s), strlen(s) });
}

static struct webauthn_client
client(const char *hex)
{
	struct webauthn_client c;
	struct bytes raw = unhex(hex);

	assert_int_equal(webauthn_client_read(arena, &raw, &c, &why), RES_OK);
	return (c);
}

/* What a registration is refused for; UNSET: it is not. */
static enum webauthn_fault
registered(const struct webauthn_client *c, const struct bytes *object,
    struct webauthn_credential *out)
{
	why = WEBAUTHN_FAULT_UNSET;
	if (webauthn_register(arena, &rp, c, object, out, &why) == RES_OK)
		return (WEBAUTHN_FAULT_UNSET);
	assert_int_not_equal(why, WEBAUTHN_FAULT_UNSET);
	return (why);
}

static void
begin(const struct vector *v, struct use *u)
{
	struct webauthn_client c = client(v->new_client);
	struct bytes object = unhex(v->new);
	struct webauthn_credential made;

	assert_int_equal(registered(&c, &object, &made), WEBAUTHN_FAULT_UNSET);
	assert_int_equal(made.alg, v->alg);
	u->client = client(v->use_client);
	u->data = unhex(v->use_data);
	u->signature = unhex(v->use_signature);
	u->stored = (struct webauthn_stored){ made.key, made.alg,
		made.backup_eligible };
}

static enum webauthn_fault
used(const struct use *u)
{
	struct webauthn_use out;

	why = WEBAUTHN_FAULT_UNSET;
	if (webauthn_assert(arena, &rp, &u->client, &u->stored, &u->data,
		&u->signature, &out, &why) == RES_OK)
		return (WEBAUTHN_FAULT_UNSET);
	assert_int_not_equal(why, WEBAUTHN_FAULT_UNSET);
	return (why);
}

/* Where the authenticator data begin in an attestation object. */
static size_t
data_at(const struct bytes *object)
{
	uint8_t hash[SHA256_BYTES];

	sha256(rp.id, strlen(rp.id), hash);
	for (size_t i = 0; i + sizeof(hash) <= object->len; i++)
		if (memcmp(object->p + i, hash, sizeof(hash)) == 0)
			return (i);
	fail();
	return (0);
}

/* ---- what holds ------------------------------------------------------------
 */

static void
test_every_algorithm(void **state UNUSED)
{
	struct use u;

	for (size_t i = 0; i < NELEM(vectors); i++) {
		begin(&vectors[i], &u);
		assert_int_equal(used(&u), WEBAUTHN_FAULT_UNSET);
	}
}

static void
test_what_is_kept(void **state UNUSED)
{
	struct webauthn_client c = client(W3C_SELF_CLIENT);
	struct bytes object = unhex(W3C_SELF);
	struct webauthn_credential made;
	struct bytes id = unhex("455ef34e2043a87db3d4afeb39bbcb6c"
				"c32df9347c789a865ecdca129cbef58c");
	struct bytes model = unhex("df850e09db6afbdfab51697791506cfc");

	assert_int_equal(registered(&c, &object, &made), WEBAUTHN_FAULT_UNSET);
	assert_int_equal(made.alg, COSE_ES256);
	assert_int_equal(made.count, 0);
	assert_true(made.backup_eligible);
	assert_true(made.backed_up);
	assert_int_equal(made.id.len, id.len);
	assert_memory_equal(made.id.p, id.p, id.len);
	assert_memory_equal(made.aaguid.b, model.p, model.len);
	assert_int_equal(made.key.len, 77);
}

/* ---- the specification's own vectors, where they are not for us ------------
 */

static void
test_w3c_without_verification(void **state UNUSED)
{
	struct webauthn_client c = client(W3C_NONE_CLIENT);
	struct bytes object = unhex(W3C_NONE);
	struct webauthn_credential made;
	struct use u;

	assert_int_equal(registered(&c, &object, &made), WEBAUTHN_VERIFICATION);
	c = client(W3C_SELF_CLIENT);
	object = unhex(W3C_SELF);
	assert_int_equal(registered(&c, &object, &made), WEBAUTHN_FAULT_UNSET);
	u.client = client(W3C_SELF_USE_CLIENT);
	u.data = unhex(W3C_SELF_USE_DATA);
	u.signature = unhex(W3C_SELF_USE_SIGNATURE);
	u.stored = (struct webauthn_stored){ made.key, made.alg, true };
	assert_int_equal(used(&u), WEBAUTHN_VERIFICATION);
}

static void
test_w3c_cross_origin(void **state UNUSED)
{
	struct webauthn_client c = client(W3C_CROSS_CLIENT);
	struct bytes object = unhex(W3C_CROSS);
	struct webauthn_credential made;

	assert_int_equal(registered(&c, &object, &made), WEBAUTHN_CROSS_ORIGIN);
}

/* ---- client data -----------------------------------------------------------
 */

#define CHALLENGE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define CLIENT(type, challenge, origin, more)               \
	"{\"type\":\"" type "\",\"challenge\":\"" challenge \
	"\",\"origin\":\"" origin "\"" more "}"
#define GET(more) CLIENT("webauthn.get", CHALLENGE, "https://example.org", more)

static enum webauthn_fault
said(const char *json)
{
	struct webauthn_client c;
	struct bytes raw = text(json);

	if (webauthn_client_read(arena, &raw, &c, &why) != RES_OK ||
	    webauthn_client_check(&c, "webauthn.get", rp.origin, &why) !=
		RES_OK)
		return (why);
	return (WEBAUTHN_FAULT_UNSET);
}

static void
test_client_data(void **state UNUSED)
{
	static const struct {
		const char *json;
		enum webauthn_fault wanted;
	} cases[] = {
		{ GET(""), WEBAUTHN_FAULT_UNSET },
		{ GET(",\"crossOrigin\":false,\"news\":[{}]"),
		    WEBAUTHN_FAULT_UNSET },
		{ GET(",\"tokenBinding\":{\"status\":\"supported\"}"),
		    WEBAUTHN_FAULT_UNSET },
		{ GET(",\"crossOrigin\":true"), WEBAUTHN_CROSS_ORIGIN },
		{ GET(",\"crossOrigin\":\"false\""), WEBAUTHN_CROSS_ORIGIN },
		{ GET(",\"topOrigin\":\"https://example.org\""),
		    WEBAUTHN_CROSS_ORIGIN },
		{ GET(",\"tokenBinding\":{\"status\":\"present\",\"id\":"
		      "\"a\"}"),
		    WEBAUTHN_TOKEN_BINDING },
		{ GET(",\"tokenBinding\":1"), WEBAUTHN_TOKEN_BINDING },
		{ GET(",\"type\":\"webauthn.get\""), WEBAUTHN_MALFORMED },
		{ GET("") "x", WEBAUTHN_MALFORMED },
		{ "[]", WEBAUTHN_MALFORMED },
		{ "", WEBAUTHN_MALFORMED },
		{ "{}", WEBAUTHN_MALFORMED },
		{ CLIENT(
		      "webauthn.create", CHALLENGE, "https://example.org", ""),
		    WEBAUTHN_TYPE },
		{ CLIENT("webauthn.get\\u0000", CHALLENGE,
		      "https://example.org", ""),
		    WEBAUTHN_MALFORMED },
		{ CLIENT("webauthn.get", CHALLENGE, "https://example.com", ""),
		    WEBAUTHN_ORIGIN },
		{ CLIENT("webauthn.get", CHALLENGE, "http://example.org", ""),
		    WEBAUTHN_ORIGIN },
		{ CLIENT(
		      "webauthn.get", CHALLENGE, "https://example.org:444", ""),
		    WEBAUTHN_ORIGIN },
		{ CLIENT(
		      "webauthn.get", CHALLENGE, "https://a.example.org", ""),
		    WEBAUTHN_ORIGIN },
		{ CLIENT(
		      "webauthn.get", CHALLENGE "A", "https://example.org", ""),
		    WEBAUTHN_MALFORMED },
		{ CLIENT("webauthn.get", "AAAA", "https://example.org", ""),
		    WEBAUTHN_MALFORMED },
		{ CLIENT("webauthn.get",
		      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+",
		      "https://example.org", ""),
		    WEBAUTHN_MALFORMED },
	};

	for (size_t i = 0; i < NELEM(cases); i++)
		assert_int_equal(said(cases[i].json), cases[i].wanted);
}

/* ---- authenticator data ----------------------------------------------------
 */

static void
test_flags_of_a_registration(void **state UNUSED)
{
	static const struct {
		uint8_t flags;
		enum webauthn_fault wanted;
	} cases[] = {
		{ 0x45, WEBAUTHN_FAULT_UNSET }, { 0x4d, WEBAUTHN_FAULT_UNSET },
		{ 0x5d, WEBAUTHN_FAULT_UNSET },
		{ 0x47, WEBAUTHN_FAULT_UNSET }, /* reserved for the future */
		{ 0x44, WEBAUTHN_PRESENCE }, { 0x41, WEBAUTHN_VERIFICATION },
		{ 0x55, WEBAUTHN_BACKUP },
		{ 0x05, WEBAUTHN_MALFORMED }, /* no credential */
		{ 0xc5, WEBAUTHN_MALFORMED }, /* no extensions */
	};
	struct webauthn_client c = client(ES256_NEW_CLIENT);
	struct bytes object = unhex(ES256_NEW);
	struct webauthn_credential made;

	for (size_t i = 0; i < NELEM(cases); i++) {
		*at(&object, data_at(&object) + 32) = cases[i].flags;
		assert_int_equal(
		    registered(&c, &object, &made), cases[i].wanted);
		assert_true(cases[i].wanted != WEBAUTHN_FAULT_UNSET ||
			    made.backed_up == ((cases[i].flags & 0x10) != 0));
		*at(&object, data_at(&object) + 32) = 0x45;
	}
}

static void
test_another_site(void **state UNUSED)
{
	const struct webauthn_rp other = { "example.com",
		"https://example.org" };
	struct webauthn_client c = client(ES256_NEW_CLIENT);
	struct bytes object = unhex(ES256_NEW);
	struct webauthn_credential made;
	struct webauthn_use out;
	struct use u;

	assert_int_equal(
	    webauthn_register(arena, &other, &c, &object, &made, &why),
	    RES_ERR);
	assert_int_equal(why, WEBAUTHN_RP_ID);
	begin(&vectors[0], &u);
	assert_int_equal(webauthn_assert(arena, &other, &u.client, &u.stored,
			     &u.data, &u.signature, &out, &why),
	    RES_ERR);
	assert_int_equal(why, WEBAUTHN_RP_ID);
}

/* A copy that ends where the bytes do, so that a sanitizer sees each step
 * past the end. */
static struct bytes
cut(const struct bytes *b, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	arena_defer(arena, free, copy);
	if (len > 0)
		memcpy(copy, b->p, len);
	return ((struct bytes){ copy, len });
}

static void
test_truncated_at_every_length(void **state UNUSED)
{
	struct webauthn_credential made;
	struct webauthn_key key;
	struct bytes whole, part;
	struct use u;

	for (size_t i = 0; i < NELEM(vectors); i++) {
		struct webauthn_client c = client(vectors[i].new_client);

		whole = unhex(vectors[i].new);
		for (size_t n = 0; n < whole.len; n++) {
			part = cut(&whole, n);
			assert_int_equal(
			    registered(&c, &part, &made), WEBAUTHN_MALFORMED);
		}
		begin(&vectors[i], &u);
		whole = u.data;
		for (size_t n = 0; n < whole.len; n++) {
			u.data = cut(&whole, n);
			assert_int_equal(used(&u), WEBAUTHN_MALFORMED);
		}
		for (size_t n = 0; n < u.stored.key.len; n++) {
			part = cut(&u.stored.key, n);
			assert_int_equal(webauthn_key_read(arena, part.p,
					     part.len, &key, &why),
			    RES_ERR);
		}
	}
}

/* A bit more is as bad as a bit less. */
static void
test_something_behind(void **state UNUSED)
{
	struct webauthn_client c = client(ES256_NEW_CLIENT);
	struct bytes object = unhex(ES256_NEW "00");
	struct webauthn_credential made;
	struct use u;

	assert_int_equal(registered(&c, &object, &made), WEBAUTHN_MALFORMED);
	begin(&vectors[0], &u);
	u.data = unhex(ES256_USE_DATA "00");
	assert_int_equal(used(&u), WEBAUTHN_MALFORMED);
}

static void
test_no_flipped_bit_is_accepted(void **state UNUSED)
{
	struct use u;

	for (size_t i = 0; i < NELEM(vectors); i++) {
		begin(&vectors[i], &u);
		for (size_t bit = 0; bit < 8 * u.data.len; bit++) {
			*at(&u.data, bit / 8) ^= (uint8_t)(1 << bit % 8);
			assert_int_not_equal(used(&u), WEBAUTHN_FAULT_UNSET);
			*at(&u.data, bit / 8) ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t bit = 0; bit < 8 * u.signature.len; bit++) {
			*at(&u.signature, bit / 8) ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(used(&u), WEBAUTHN_SIGNATURE);
			*at(&u.signature, bit / 8) ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t bit = 0; bit < 8 * sizeof(u.client.hash); bit++) {
			u.client.hash[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(used(&u), WEBAUTHN_SIGNATURE);
			u.client.hash[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(used(&u), WEBAUTHN_FAULT_UNSET);
	}
}

static void
test_another_key(void **state UNUSED)
{
	struct use u, other;

	for (size_t i = 0; i < NELEM(vectors); i++) {
		begin(&vectors[i], &u);
		begin(&vectors[(i + 1) % NELEM(vectors)], &other);
		u.stored = other.stored;
		assert_int_equal(used(&u), WEBAUTHN_SIGNATURE);
		begin(&vectors[i], &u);
		u.stored.alg = other.stored.alg;
		assert_int_equal(used(&u), WEBAUTHN_SIGNATURE);
		begin(&vectors[i], &u);
		u.stored.backup_eligible = true;
		assert_int_equal(used(&u), WEBAUTHN_BACKUP);
	}
}

/* ---- keys ------------------------------------------------------------------
 */

#define ZEROS32                            \
	"00000000000000000000000000000000" \
	"00000000000000000000000000000000"
#define P256_X                             \
	"afefa16f97ca9b2d23eb86ccb64098d2" \
	"0db90856062eb249c33a9b672f26df61"
#define P256_Y                             \
	"930a56b87a2fca66334b03458abf8797" \
	"17c12cc68ed73290af2e2664796b9220"
#define ED_X                               \
	"44e06ddd331c36a8dc667bab52bcae63" \
	"486c916aa5e339e6acebaa84934bf832"
#define EC(kty, alg, crv, x, y) \
	"a501" kty "03" alg "20" crv "215820" x "225820" y
#define OKP(kty, alg, crv, x) "a401" kty "03" alg "20" crv "215820" x

static enum webauthn_fault
key_read(const char *hex)
{
	struct bytes cose = unhex(hex);
	struct webauthn_key key;

	if (webauthn_key_read(arena, cose.p, cose.len, &key, &why) == RES_OK)
		return (WEBAUTHN_FAULT_UNSET);
	return (why);
}

static void
test_keys(void **state UNUSED)
{
	static const struct {
		const char *hex;
		enum webauthn_fault wanted;
	} cases[] = {
		{ EC("02", "26", "01", P256_X, P256_Y), WEBAUTHN_FAULT_UNSET },
		{ OKP("01", "27", "06", ED_X), WEBAUTHN_FAULT_UNSET },
		/* off the curve, and at infinity */
		{ EC("02", "26", "01", P256_Y, P256_X), WEBAUTHN_PUBLIC_KEY },
		{ EC("02", "26", "01", ZEROS32, ZEROS32), WEBAUTHN_PUBLIC_KEY },
		/* the point that verifies everything, and one of order 2 */
		{ OKP("01", "27", "06",
		      "01000000000000000000000000000000"
		      "00000000000000000000000000000000"),
		    WEBAUTHN_PUBLIC_KEY },
		{ OKP("01", "27", "06", ZEROS32), WEBAUTHN_PUBLIC_KEY },
		{ OKP("01", "27", "06",
		      "ecffffffffffffffffffffffffffffff"
		      "ffffffffffffffffffffffffffffff7f"),
		    WEBAUTHN_PUBLIC_KEY },
		/* another kind, curve, algorithm */
		{ EC("01", "26", "01", P256_X, P256_Y), WEBAUTHN_PUBLIC_KEY },
		{ EC("02", "26", "02", P256_X, P256_Y), WEBAUTHN_PUBLIC_KEY },
		{ EC("02", "27", "01", P256_X, P256_Y), WEBAUTHN_PUBLIC_KEY },
		{ OKP("01", "26", "06", ED_X), WEBAUTHN_PUBLIC_KEY },
		{ OKP("01", "27", "07", ED_X), WEBAUTHN_PUBLIC_KEY },
		{ EC("02", "3822", "01", P256_X, P256_Y), WEBAUTHN_ALGORITHM },
		{ EC("02", "00", "01", P256_X, P256_Y), WEBAUTHN_ALGORITHM },
		{ EC("02", "392710", "01", P256_X, P256_Y),
		    WEBAUTHN_ALGORITHM },
		/* the compressed form, which WebAuthn forbids */
		{ "a5010203262001215820" P256_X "22f5", WEBAUTHN_PUBLIC_KEY },
		/* a name twice: whose value counts? */
		{ "a60102032603262001215820" P256_X "225820" P256_Y,
		    WEBAUTHN_PUBLIC_KEY },
		/* no map, no algorithm, nothing */
		{ "80", WEBAUTHN_PUBLIC_KEY },
		{ "a10102", WEBAUTHN_PUBLIC_KEY },
		{ "a0", WEBAUTHN_PUBLIC_KEY },
	};

	for (size_t i = 0; i < NELEM(cases); i++)
		assert_int_equal(key_read(cases[i].hex), cases[i].wanted);
}

/* An RSA key with its first and last byte of n, and its e. */
static enum webauthn_fault
rsa_read(unsigned size, uint8_t first, uint8_t last, const char *e)
{
	uint8_t n[512];
	char hex[2 * sizeof(n) + 1], head[16];

	memset(n, 0xa5, sizeof(n));
	n[0] = first;
	n[size - 1] = last;
	sodium_bin2hex(hex, sizeof(hex), n, size);
	(void)snprintf(head, sizeof(head), "59%04x", size);
	return (key_read(
	    arena_printf(arena, "a401030339010020%s%s21%s", head, hex, e)));
}

static void
test_rsa_keys(void **state UNUSED)
{
	assert_int_equal(
	    rsa_read(256, 0x80, 1, "43010001"), WEBAUTHN_FAULT_UNSET);
	/* smaller ones, also behind zeros; larger ones */
	assert_int_equal(
	    rsa_read(128, 0x80, 1, "43010001"), WEBAUTHN_PUBLIC_KEY);
	assert_int_equal(
	    rsa_read(256, 0x7f, 1, "43010001"), WEBAUTHN_PUBLIC_KEY);
	assert_int_equal(
	    rsa_read(256, 0x00, 1, "43010001"), WEBAUTHN_PUBLIC_KEY);
	assert_int_equal(
	    rsa_read(512, 0x80, 1, "43010001"), WEBAUTHN_PUBLIC_KEY);
	/* even ones */
	assert_int_equal(
	    rsa_read(256, 0x80, 2, "43010001"), WEBAUTHN_PUBLIC_KEY);
	assert_int_equal(
	    rsa_read(256, 0x80, 1, "43010002"), WEBAUTHN_PUBLIC_KEY);
	/* exponents that forge */
	assert_int_equal(
	    rsa_read(256, 0x80, 1, "43000003"), WEBAUTHN_PUBLIC_KEY);
	assert_int_equal(
	    rsa_read(256, 0x80, 1, "43000001"), WEBAUTHN_PUBLIC_KEY);
	assert_int_equal(rsa_read(256, 0x80, 1, "4103"), WEBAUTHN_PUBLIC_KEY);
}

/* ---- CBOR ------------------------------------------------------------------
 */

static size_t
cbor_len(const char *hex)
{
	struct bytes b = unhex(hex);

	return (webauthn_cbor_len(b.p, b.len));
}

/* An array of so many. */
static size_t
cbor_zeros(unsigned n)
{
	uint8_t *raw = arena_alloc(arena, 3 + n);

	raw[0] = 0x99;
	put_be16(raw + 1, (uint16_t)n);
	return (webauthn_cbor_len(raw, 3 + n));
}

static void
test_cbor(void **state UNUSED)
{
	assert_int_equal(cbor_len("00"), 1);
	assert_int_equal(cbor_len("0000"), 1);
	assert_int_equal(cbor_len("1bffffffffffffffff"), 9);
	assert_int_equal(cbor_len("a16161f5"), 4);
	assert_int_equal(cbor_len("838080a0"), 4);
	/* nothing, cut off, reserved */
	assert_int_equal(cbor_len(""), 0);
	assert_int_equal(cbor_len("18"), 0);
	assert_int_equal(cbor_len("1c00"), 0);
	assert_int_equal(cbor_len("4300"), 0);
	assert_int_equal(cbor_len("8200"), 0);
	assert_int_equal(cbor_len("a100"), 0);
	/* more announced than is there */
	assert_int_equal(cbor_len("9bffffffffffffffff"), 0);
	assert_int_equal(cbor_len("bb8000000000000000"), 0);
	assert_int_equal(cbor_len("5bffffffffffffffff"), 0);
	assert_int_equal(cbor_len("9a1000000000"), 0);
	/* no end, a tag, text that is none, a float */
	assert_int_equal(cbor_len("9f00ff"), 0);
	assert_int_equal(cbor_len("5f4100ff"), 0);
	assert_int_equal(cbor_len("c000"), 0);
	assert_int_equal(cbor_len("61ff"), 0);
	assert_int_equal(cbor_len("f97e00"), 0);
	/* too many */
	assert_int_equal(cbor_zeros(255), 258);
	assert_int_equal(cbor_zeros(256), 0);
	/* too deep */
	assert_int_equal(cbor_len("818181818100"), 6);
	assert_int_equal(cbor_len("8181818181818100"), 0);
}

/* "none" with a statement, and other forms that attestations have not. */
static void
test_attestation_objects(void **state UNUSED)
{
	static const char *const wrong[] = {
		"a0",
		"a363666d74646e6f6e656761747453746d74a06861757468446174614100",
		"a363666d74646e6f6e656761747453746d74a16161006861757468446174"
		"614100",
		"a363666d74646e6f6e656761747453746d748068617574684461746141"
		"00",
		"a363666d74646e6f6e656761747453746d74a06861757468446174616100",
		"a263666d74646e6f6e656761747453746d74a0",
		"8363666d74",
		/* authenticator data of an assertion */
		"a363666d74646e6f6e656761747453746d74a068617574684461746158"
		"25bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f014"
		"52b2e4b50500000000",
	};
	struct webauthn_client c = client(ES256_NEW_CLIENT);
	struct webauthn_credential made;

	for (size_t i = 0; i < NELEM(wrong); i++) {
		struct bytes object = unhex(wrong[i]);

		assert_int_equal(
		    registered(&c, &object, &made), WEBAUTHN_MALFORMED);
	}
}

#define ORIGIN "https://ward.clinic.example:8443"

static void
test_domains(void **state UNUSED)
{
	static const struct {
		const char *origin, *wanted, *id; /* NULL: refused */
	} cases[] = {
		{ ORIGIN, "", "ward.clinic.example" },
		{ ORIGIN, "ward.clinic.example", "ward.clinic.example" },
		{ ORIGIN, "clinic.example", "clinic.example" },
		{ "https://localhost:9", "", "localhost" },
		{ "https://clinic.example", "", "clinic.example" },
		{ "https://192.0.2.7", "", "192.0.2.7" },
		{ "https://[::1]:8443", "", "[::1]" },
		{ ORIGIN, "example", NULL },
		{ ORIGIN, "linic.example", NULL },
		{ ORIGIN, ".clinic.example", NULL },
		{ ORIGIN, "d.clinic.example", NULL },
		{ ORIGIN, "other.example", NULL },
		{ ORIGIN, "a.ward.clinic.example", NULL },
		{ ORIGIN, "ward.clinic.example:8443", NULL },
		{ ORIGIN, "https://ward.clinic.example", NULL },
		{ "https://192.0.2.7", "0.2.7", NULL },
		{ "https://localhost", "host", NULL },
		{ "https://", "", NULL },
	};
	char id[WEBAUTHN_RP_ID_SIZE];

	for (size_t i = 0; i < NELEM(cases); i++) {
		enum res res =
		    webauthn_rp_id(cases[i].origin, cases[i].wanted, id);

		assert_int_equal(res, cases[i].id != NULL ? RES_OK : RES_ERR);
		if (cases[i].id != NULL)
			assert_string_equal(id, cases[i].id);
	}
}

static void
test_faults_have_words(void **state UNUSED)
{
	for (enum webauthn_fault i = 1; i < WEBAUTHN_FAULT_MAX; i++) {
		assert_true(strlen(webauthn_fault_slug(i)) > 0);
		assert_true(strlen(webauthn_fault_text(i)) > 10);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_algorithm),
		cmocka_unit_test(test_what_is_kept),
		cmocka_unit_test(test_w3c_without_verification),
		cmocka_unit_test(test_w3c_cross_origin),
		cmocka_unit_test(test_client_data),
		cmocka_unit_test(test_flags_of_a_registration),
		cmocka_unit_test(test_another_site),
		cmocka_unit_test(test_truncated_at_every_length),
		cmocka_unit_test(test_something_behind),
		cmocka_unit_test(test_no_flipped_bit_is_accepted),
		cmocka_unit_test(test_another_key),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_rsa_keys),
		cmocka_unit_test(test_cbor),
		cmocka_unit_test(test_attestation_objects),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_faults_have_words),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
