/*
 * What the files of crypto/ share among themselves (and with their tests).
 */
#ifndef CRYPTO_PRIV_H
#define CRYPTO_PRIV_H

#include "crypto/crypto.h"

#define SEAL_FORMAT	0x01
#define SEAL_HEADER	(1 + 4 + 24)	/* format, key version, nonce */

/* keyring.c: derived from the root secret, which is not kept. */
enum subkey {
	SUBKEY_UNSET = 0,
	SUBKEY_KEK,
	SUBKEY_SESSION,
	SUBKEY_BLIND_INDEX,
	SUBKEY_CSRF,
	SUBKEY_CURSOR,
	SUBKEY_API_KEY,		/* hashes of API keys */
	SUBKEY_API_RECORD,	/* their records in Redis */
	SUBKEY_API_SIGN,	/* their HMAC secrets in PostgreSQL */
	SUBKEY_IDEMPOTENCY,	/* body hashes and stored replies */
	SUBKEY_DEVICE,		/* known-device cookies */
	SUBKEY_BUCKET,		/* names of users' rate limits in Redis */
	SUBKEY_ACCOUNT,		/* what belongs to a user: TOTP, mail, hashes */
	SUBKEY_TRANSIENT,	/* short-lived values in Redis and cookies */
	SUBKEY_MAX
};
#define SUBKEY_BYTES	32
const uint8_t	*keyring_subkey(enum subkey);

/* aead.c: seal() and unseal() with the associated data given as it is. */
void	 aead_seal(const uint8_t key[DATA_KEY_BYTES], uint32_t key_version,
	    const uint8_t *ad, size_t adlen, const void *plain, size_t len,
	    uint8_t *out);
enum res aead_unseal(const uint8_t key[DATA_KEY_BYTES], uint32_t key_version,
	    const uint8_t *ad, size_t adlen, const uint8_t *sealed,
	    size_t len, uint8_t *out);

/* vault_cache.c */
#define VAULT_CACHE_TTL_MS	(300 * 1000)
#define VAULT_CACHE_ENTRIES	4096
extern int64_t	(*vault_cache_clock)(void);	/* time_mono_ms, but in tests */
unsigned	 vault_cache_count(void);	/* entries that hold a key */

#endif
