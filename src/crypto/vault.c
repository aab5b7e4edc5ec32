/*
 * Data keys: one a patient, random, stored only wrapped by the key-encryption
 * key. Destroying the wrapped key makes all the patient's ciphertexts, and
 * the keyed digests in the audit log, worthless at once.
 */
#include <sodium.h>
#include <string.h>

#include "crypto/crypto_priv.h"

#define FIRST_VERSION  1
#define DIGEST_CONTEXT "auditdig"

/* A wrapped key is bound to its owner and its own version. */
static void
wrap_place(struct seal_place *place, const struct uuid *owner, uint32_t version)
{
	place->table = "data_key";
	place->column = "wrapped";
	place->row = *owner;
	place->row_version = (int32_t)version;
}

void
vault_new_key(const struct uuid *owner, struct data_key *key,
    uint8_t wrapped[WRAPPED_KEY_BYTES])
{
	struct seal_place place;

	key->owner = *owner;
	key->version = FIRST_VERSION;
	randombytes_buf(key->key, sizeof(key->key));
	wrap_place(&place, owner, key->version);
	seal(keyring_subkey(SUBKEY_KEK), keyring_kek_version(), &place,
	    key->key, sizeof(key->key), wrapped);
}

enum res
vault_unwrap(const struct uuid *owner, uint32_t version, const uint8_t *wrapped,
    size_t len, struct data_key *key)
{
	struct seal_place place;

	if (len != WRAPPED_KEY_BYTES)
		return (RES_ERR);
	wrap_place(&place, owner, version);
	if (unseal(keyring_subkey(SUBKEY_KEK), keyring_kek_version(), &place,
		wrapped, len, key->key) != RES_OK)
		return (RES_ERR);
	key->owner = *owner;
	key->version = version;

	return (RES_OK);
}

void
vault_seal(struct arena *arena, const struct data_key *key,
    const struct seal_place *place, const void *plain, size_t len,
    const uint8_t **out, size_t *outlen)
{
	uint8_t *sealed;

	sealed = arena_alloc(arena, len + SEAL_OVERHEAD);
	seal(key->key, key->version, place, plain, len, sealed);
	*out = sealed;
	*outlen = len + SEAL_OVERHEAD;
}

enum res
vault_open(struct arena *arena, const struct data_key *key,
    const struct seal_place *place, const void *sealed, size_t len,
    const char **out, size_t *outlen)
{
	char *plain;

	if (len < SEAL_OVERHEAD)
		return (RES_ERR);
	plain = arena_alloc(arena, len - SEAL_OVERHEAD + 1);
	if (unseal(key->key, key->version, place, sealed, len,
		(uint8_t *)plain) != RES_OK)
		return (RES_ERR);
	*out = plain;
	*outlen = len - SEAL_OVERHEAD;

	return (RES_OK);
}

void
vault_digest(const struct data_key *key, const void *data, size_t len,
    uint8_t out[DIGEST_BYTES])
{
	uint8_t subkey[SUBKEY_BYTES];

	crypto_kdf_derive_from_key(
	    subkey, sizeof(subkey), 1, DIGEST_CONTEXT, key->key);
	crypto_generichash(
	    out, DIGEST_BYTES, data, len, subkey, sizeof(subkey));
	sodium_memzero(subkey, sizeof(subkey));
}
