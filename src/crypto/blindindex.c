/*
 * Blind indexes: keyed BLAKE2b of a text, so that an encrypted column can be
 * searched for equality. Without the key nobody can try values; equal values
 * of one column do show as equal. The field's name goes in first, with its
 * length, so that columns cannot be compared with each other.
 */
#include <sodium.h>
#include <string.h>

#include "crypto/crypto_priv.h"

#define CHUNK 64

static bool
is_space(char c)
{
	return (c == ' ' || (c >= '\t' && c <= '\r'));
}

static uint8_t
fold(char c)
{
	return ((uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
}

static void
update_folded(crypto_generichash_state *st, const char *text)
{
	uint8_t chunk[CHUNK];
	size_t n;

	for (n = 0; *text != '\0'; text++) {
		if (is_space(*text))
			continue;
		chunk[n++] = fold(*text);
		if (n == CHUNK) {
			crypto_generichash_update(st, chunk, n);
			n = 0;
		}
	}
	crypto_generichash_update(st, chunk, n);
	sodium_memzero(chunk, sizeof(chunk));
}

void
blind_index(const char *field, const char *text, uint8_t out[BLIND_INDEX_BYTES])
{
	crypto_generichash_state st;
	uint8_t len[4];

	put_be32(len, (uint32_t)strlen(field));
	crypto_generichash_init(&st, keyring_subkey(SUBKEY_BLIND_INDEX),
	    SUBKEY_BYTES, BLIND_INDEX_BYTES);
	crypto_generichash_update(&st, len, sizeof(len));
	crypto_generichash_update(&st, (const uint8_t *)field, strlen(field));
	update_folded(&st, text);
	crypto_generichash_final(&st, out, BLIND_INDEX_BYTES);
	sodium_memzero(&st, sizeof(st));
}
