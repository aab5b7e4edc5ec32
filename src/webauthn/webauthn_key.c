/*
 * Public keys of passkeys: a COSE_Key (RFC 9052, 7; RFC 9053, 7; RFC 8230, 4)
 * into the form that libfido2 verifies with. Read when a passkey is
 * registered and again whenever it is used; what libfido2 and OpenSSL take
 * without a question is asked here: is the point on the curve, is the modulus
 * really of 2048 bits. Pure.
 */
#include <string.h>

#include <cbor.h>
#include <fido.h>
#include <fido/eddsa.h>
#include <fido/es256.h>
#include <fido/rs256.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "webauthn/webauthn.h"

/* COSE key parameters. */
#define LABEL_KTY 1
#define LABEL_ALG 3
#define LABEL_CRV (-1)
#define LABEL_X   (-2)
#define LABEL_Y   (-3)
#define LABEL_N   (-1)
#define LABEL_E   (-2)

#define KTY_OKP     1
#define KTY_EC2     2
#define KTY_RSA     3
#define CRV_P256    1
#define CRV_ED25519 6

#define COORDINATE_BYTES 32
#define RSA_BYTES        256 /* libfido2 knows RSA keys of this size only */
#define RSA_E_BYTES      3
#define RSA_E_MIN        65537 /* FIPS 186-5, 5.1 */

static bool
has_curve(const cbor_item_t *map, int wanted)
{
	int crv;

	return (
	    webauthn_cbor_int(map, LABEL_CRV, &crv) == RES_OK && crv == wanted);
}

static bool
take(struct webauthn_key *key, const struct bytes *b, size_t len)
{
	if (b->len != len)
		return (false);
	memcpy(key->raw + key->len, b->p, len);
	key->len += len;
	return (true);
}

/* OpenSSL makes no key of a point that is off the curve. */
static bool
es256_good(const struct webauthn_key *key)
{
	es256_pk_t *pk = es256_pk_new();
	EVP_PKEY *evp = NULL;
	bool good;

	if (pk != NULL && es256_pk_from_ptr(pk, key->raw, key->len) == FIDO_OK)
		evp = es256_pk_to_EVP_PKEY(pk);
	good = evp != NULL && EVP_PKEY_get_bits(evp) == 256;
	EVP_PKEY_free(evp);
	es256_pk_free(&pk);
	return (good);
}

static bool
read_es256(const cbor_item_t *map, struct webauthn_key *key)
{
	struct bytes x, y;

	return (has_curve(map, CRV_P256) &&
		webauthn_cbor_bytes(map, LABEL_X, &x) == RES_OK &&
		webauthn_cbor_bytes(map, LABEL_Y, &y) == RES_OK &&
		take(key, &x, COORDINATE_BYTES) &&
		take(key, &y, COORDINATE_BYTES) && es256_good(key));
}

/* A point of small order would verify signatures that nobody made. */
static bool
read_eddsa(const cbor_item_t *map, struct webauthn_key *key)
{
	struct bytes x;

	return (has_curve(map, CRV_ED25519) &&
		webauthn_cbor_bytes(map, LABEL_X, &x) == RES_OK &&
		take(key, &x, COORDINATE_BYTES) &&
		crypto_core_ed25519_is_valid_point(key->raw) == 1);
}

static bool
read_rs256(const cbor_item_t *map, struct webauthn_key *key)
{
	struct bytes n, e;
	uint32_t exponent;

	if (webauthn_cbor_bytes(map, LABEL_N, &n) != RES_OK ||
	    webauthn_cbor_bytes(map, LABEL_E, &e) != RES_OK ||
	    !take(key, &n, RSA_BYTES) || !take(key, &e, RSA_E_BYTES))
		return (false);
	exponent = (uint32_t)e.p[0] << 16 | (uint32_t)e.p[1] << 8 | e.p[2];
	/* Zeros in front would make a small modulus look like a large one. */
	return ((n.p[0] & 0x80) && (n.p[RSA_BYTES - 1] & 1) && (exponent & 1) &&
		exponent >= RSA_E_MIN);
}

enum res
webauthn_key_read(struct arena *arena, const uint8_t *cose, size_t len,
    struct webauthn_key *key, enum webauthn_fault *why)
{
	const cbor_item_t *map = webauthn_cbor_map(arena, cose, len);
	bool good = false;
	int kty;

	memset(key, 0, sizeof(*key));
	*why = WEBAUTHN_PUBLIC_KEY;
	if (map == NULL || webauthn_cbor_int(map, LABEL_KTY, &kty) != RES_OK ||
	    webauthn_cbor_int(map, LABEL_ALG, &key->alg) != RES_OK)
		return (RES_ERR);
	switch (key->alg) {
	case COSE_ES256:
		good = kty == KTY_EC2 && read_es256(map, key);
		break;
	case COSE_EDDSA:
		good = kty == KTY_OKP && read_eddsa(map, key);
		break;
	case COSE_RS256:
		good = kty == KTY_RSA && read_rs256(map, key);
		break;
	default:
		*why = WEBAUTHN_ALGORITHM;
	}
	return (good ? RES_OK : RES_ERR);
}

const char *
webauthn_alg_name(int alg)
{
	switch (alg) {
	case COSE_ES256:
		return ("ES256");
	case COSE_EDDSA:
		return ("EdDSA");
	default:
		return ("RS256");
	}
}
