/*
 * Plain digests, for what is public: model files, bodies of tiles. What a
 * person could guess goes through vault_digest() or blind_index().
 */
#include <sodium.h>

#include "crypto/crypto.h"

void
digest_hex(const uint8_t *digest, size_t len, char *out)
{
	sodium_bin2hex(out, len * 2 + 1, digest, len);
}

void
sha256(const void *data, size_t len, uint8_t out[32])
{
	crypto_hash_sha256(out, data, len);
}
