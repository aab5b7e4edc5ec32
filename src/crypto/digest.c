/*
 * Plain digests, for what is public: model files, bodies of tiles. What a
 * person could guess goes through vault_digest() or blind_index(). SHA-2 is
 * OpenSSL's, which uses the processor's instructions for it: bodies are
 * digested on the event loop.
 */
#include <openssl/sha.h>
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
	SHA256(data, len, out);
}

void
sha512(const void *data, size_t len, uint8_t out[SHA512_BYTES])
{
	SHA512(data, len, out);
}
