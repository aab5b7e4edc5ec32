/*
 * Names of users' rate limits: the first 96 bits of keyed BLAKE2b over the
 * user's id. Sessions and API keys of one user share a limit, so the name is
 * the same for all of them; without the key it tells nobody whose it is.
 */
#include <sodium.h>

#include "crypto/crypto_priv.h"

#define BUCKET_BYTES 12 /* 16 characters: no padding and no spare bits */

void
bucket_name(const struct uuid *user, char out[BUCKET_STRLEN + 1])
{
	uint8_t hash[crypto_generichash_BYTES_MIN];

	crypto_generichash(hash, sizeof(hash), user->b, sizeof(user->b),
	    keyring_subkey(SUBKEY_BUCKET), SUBKEY_BYTES);
	sodium_bin2base64(out, BUCKET_STRLEN + 1, hash, BUCKET_BYTES,
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
