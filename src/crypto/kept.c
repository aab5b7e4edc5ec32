/*
 * Keys and hashes of replies that are kept for a repeated request. What a
 * client sends with a request can be guessed, so its hashes are keyed.
 */
#include <sodium.h>
#include <string.h>

#include "crypto/crypto_priv.h"

#define KEPT_KEY_VERSION 1

/* The tag keeps the two uses of one subkey apart. */
enum {
	TAG_HASH = 1,
	TAG_SEAL
};

void
kept_hash(const struct kept_part *parts, unsigned n, uint8_t out[DIGEST_BYTES])
{
	crypto_generichash_state st;
	uint8_t len[8], tag = TAG_HASH;

	crypto_generichash_init(&st, keyring_subkey(SUBKEY_IDEMPOTENCY),
	    SUBKEY_BYTES, DIGEST_BYTES);
	crypto_generichash_update(&st, &tag, 1);
	for (unsigned i = 0; i < n; i++) {
		put_be64(len, parts[i].len);
		crypto_generichash_update(&st, len, sizeof(len));
		crypto_generichash_update(&st, parts[i].data, parts[i].len);
	}
	crypto_generichash_final(&st, out, DIGEST_BYTES);
	sodium_memzero(&st, sizeof(st));
}

void
kept_key(struct data_key *key)
{
	uint8_t tag = TAG_SEAL;

	memset(key, 0, sizeof(*key));
	key->version = KEPT_KEY_VERSION;
	crypto_generichash(key->key, sizeof(key->key), &tag, 1,
	    keyring_subkey(SUBKEY_IDEMPOTENCY), SUBKEY_BYTES);
}
