/*
 * Secrets of accounts. One subkey seals what lies in PostgreSQL and makes the
 * keyed hashes of one-time tokens, by two keys derived from it; another seals
 * what lies in Redis or a browser for minutes.
 */
#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "crypto/crypto_priv.h"

#define KEY_VERSION 1
#define PURPOSE_MAX 32
#define AD_MAX      (PURPOSE_MAX + 1 + TRANSIENT_NAME_MAX)

/* The tag keeps the two uses of one subkey apart. */
enum {
	TAG_HASH = 1,
	TAG_SEAL
};

static void
derive(uint8_t tag, uint8_t key[DATA_KEY_BYTES])
{
	crypto_generichash(key, DATA_KEY_BYTES, &tag, 1,
	    keyring_subkey(SUBKEY_ACCOUNT), SUBKEY_BYTES);
}

void
account_seal(struct arena *arena, const struct seal_place *place,
    const void *plain, size_t len, const uint8_t **out, size_t *outlen)
{
	uint8_t key[DATA_KEY_BYTES];
	uint8_t *sealed = arena_alloc(arena, len + SEAL_OVERHEAD);

	derive(TAG_SEAL, key);
	seal(key, KEY_VERSION, place, plain, len, sealed);
	sodium_memzero(key, sizeof(key));
	*out = sealed;
	*outlen = len + SEAL_OVERHEAD;
}

enum res
account_open(struct arena *arena, const struct seal_place *place,
    const void *sealed, size_t len, const char **out, size_t *outlen)
{
	uint8_t key[DATA_KEY_BYTES];
	uint8_t *plain;
	enum res rc;

	if (len < SEAL_OVERHEAD)
		return (RES_ERR);
	plain = arena_alloc(arena, len - SEAL_OVERHEAD + 1);
	derive(TAG_SEAL, key);
	rc = unseal(key, KEY_VERSION, place, sealed, len, plain);
	sodium_memzero(key, sizeof(key));
	if (rc != RES_OK)
		return (rc);
	*outlen = len - SEAL_OVERHEAD;
	plain[*outlen] = '\0';
	*out = (const char *)plain;
	return (RES_OK);
}

/* The purpose comes first, with its end: no two uses share an input. */
void
account_hash(const char *purpose, const void *data, size_t len,
    uint8_t out[DIGEST_BYTES])
{
	crypto_generichash_state st;
	uint8_t key[DATA_KEY_BYTES];

	derive(TAG_HASH, key);
	crypto_generichash_init(&st, key, sizeof(key), DIGEST_BYTES);
	crypto_generichash_update(
	    &st, (const uint8_t *)purpose, strlen(purpose) + 1);
	crypto_generichash_update(&st, data, len);
	crypto_generichash_final(&st, out, DIGEST_BYTES);
	sodium_memzero(&st, sizeof(st));
	sodium_memzero(key, sizeof(key));
}

static size_t
transient_ad(const char *purpose, const void *name, size_t namelen, uint8_t *ad)
{
	size_t n = strlen(purpose) + 1;

	assert(n <= PURPOSE_MAX + 1 && namelen <= TRANSIENT_NAME_MAX);
	memcpy(ad, purpose, n);
	memcpy(ad + n, name, namelen);
	return (n + namelen);
}

void
transient_seal(const char *purpose, const void *name, size_t namelen,
    const void *plain, size_t len, uint8_t *out)
{
	uint8_t ad[AD_MAX];
	size_t n = transient_ad(purpose, name, namelen, ad);

	aead_seal(keyring_subkey(SUBKEY_TRANSIENT), KEY_VERSION, ad, n, plain,
	    len, out);
}

enum res
transient_unseal(const char *purpose, const void *name, size_t namelen,
    const uint8_t *sealed, size_t len, uint8_t *out)
{
	uint8_t ad[AD_MAX];
	size_t n = transient_ad(purpose, name, namelen, ad);

	return (aead_unseal(keyring_subkey(SUBKEY_TRANSIENT), KEY_VERSION, ad,
	    n, sealed, len, out));
}
