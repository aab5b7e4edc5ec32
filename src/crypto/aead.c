/*
 * XChaCha20-Poly1305 with a random nonce of 192 bits, too long to repeat by
 * chance. A ciphertext is bound to its place: format, key version, table,
 * column, row and row version are all associated data, each with its length
 * in front, so that no two places have the same encoding.
 */
#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "crypto/crypto_priv.h"

#define NONCE_BYTES  crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES    crypto_aead_xchacha20poly1305_ietf_ABYTES
#define NAME_MAX_LEN 63 /* PostgreSQL's identifiers */
#define PLACE_FIELDS 6
#define PLACE_MAX \
	(PLACE_FIELDS * 4 + 1 + 4 + 2 * NAME_MAX_LEN + sizeof(struct uuid) + 4)

_Static_assert(SEAL_HEADER == 1 + 4 + NONCE_BYTES, "header");
_Static_assert(SEAL_OVERHEAD == SEAL_HEADER + TAG_BYTES, "overhead");

static uint8_t *
add_field(uint8_t *p, const void *data, size_t len)
{
	put_be32(p, (uint32_t)len);
	memcpy(p + 4, data, len);

	return (p + 4 + len);
}

static uint8_t *
add_name(uint8_t *p, const char *name)
{
	size_t len;

	len = strlen(name);
	assert(len > 0 && len <= NAME_MAX_LEN);

	return (add_field(p, name, len));
}

static uint8_t *
add_u32(uint8_t *p, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);

	return (add_field(p, b, sizeof(b)));
}

static size_t
encode_place(uint8_t out[PLACE_MAX], uint32_t key_version,
    const struct seal_place *place)
{
	static const uint8_t format = SEAL_FORMAT;
	uint8_t *p;

	p = add_field(out, &format, sizeof(format));
	p = add_u32(p, key_version);
	p = add_name(p, place->table);
	p = add_name(p, place->column);
	p = add_field(p, place->row.b, sizeof(place->row.b));
	p = add_u32(p, (uint32_t)place->row_version);

	return ((size_t)(p - out));
}

void
aead_seal(const uint8_t key[DATA_KEY_BYTES], uint32_t key_version,
    const uint8_t *ad, size_t adlen, const void *plain, size_t len,
    uint8_t *out)
{
	uint8_t *nonce;

	out[0] = SEAL_FORMAT;
	put_be32(out + 1, key_version);
	nonce = out + 5;
	randombytes_buf(nonce, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(
	    out + SEAL_HEADER, NULL, plain, len, ad, adlen, NULL, nonce, key);
}

enum res
aead_unseal(const uint8_t key[DATA_KEY_BYTES], uint32_t key_version,
    const uint8_t *ad, size_t adlen, const uint8_t *sealed, size_t len,
    uint8_t *out)
{
	if (len < SEAL_OVERHEAD || sealed[0] != SEAL_FORMAT ||
	    get_be32(sealed + 1) != key_version)
		return (RES_ERR);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL,
		sealed + SEAL_HEADER, len - SEAL_HEADER, ad, adlen, sealed + 5,
		key) != 0)
		return (RES_ERR);

	return (RES_OK);
}

void
seal(const uint8_t key[DATA_KEY_BYTES], uint32_t key_version,
    const struct seal_place *place, const void *plain, size_t len, uint8_t *out)
{
	uint8_t ad[PLACE_MAX];
	size_t adlen;

	adlen = encode_place(ad, key_version, place);
	aead_seal(key, key_version, ad, adlen, plain, len, out);
}

enum res
unseal(const uint8_t key[DATA_KEY_BYTES], uint32_t key_version,
    const struct seal_place *place, const uint8_t *sealed, size_t len,
    uint8_t *out)
{
	uint8_t ad[PLACE_MAX];
	size_t adlen;

	adlen = encode_place(ad, key_version, place);

	return (aead_unseal(key, key_version, ad, adlen, sealed, len, out));
}
