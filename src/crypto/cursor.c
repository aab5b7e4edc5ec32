/*
 * Tags of list cursors: keyed BLAKE2b over the row's id and the list's path.
 * The id comes first and has a fixed length, so no two pairs look alike.
 */
#include <sodium.h>
#include <string.h>

#include "crypto/crypto_priv.h"

void
cursor_tag(
    const char *path, const struct uuid *row, uint8_t out[CURSOR_TAG_BYTES])
{
	crypto_generichash_state st;
	uint8_t hash[crypto_generichash_BYTES_MIN];

	crypto_generichash_init(
	    &st, keyring_subkey(SUBKEY_CURSOR), SUBKEY_BYTES, sizeof(hash));
	crypto_generichash_update(&st, row->b, sizeof(row->b));
	crypto_generichash_update(&st, (const uint8_t *)path, strlen(path));
	crypto_generichash_final(&st, hash, sizeof(hash));
	memcpy(out, hash, CURSOR_TAG_BYTES);
	sodium_memzero(&st, sizeof(st));
}
