/*
 * Session tokens and CSRF tokens. Only a token's hash is stored, so reading
 * Redis opens no session; a session's value is sealed with that hash as
 * associated data, so writing Redis forges none. 256 random bits need no
 * slow hash.
 */
#include <sodium.h>
#include <string.h>

#include "crypto/crypto_priv.h"

#define SESSION_KEY_VERSION 1
#define BASE64_VARIANT      sodium_base64_VARIANT_URLSAFE_NO_PADDING

static const char session_label[] = "eleusis session";

#define SESSION_AD_BYTES (sizeof(session_label) + TOKEN_HASH_BYTES)

_Static_assert(
    sodium_base64_ENCODED_LEN(TOKEN_BYTES, BASE64_VARIANT) == TOKEN_STRLEN + 1,
    "length of a token's text");

void
token_new(struct token *token)
{
	uint8_t raw[TOKEN_BYTES];

	randombytes_buf(raw, sizeof(raw));
	sodium_bin2base64(
	    token->text, sizeof(token->text), raw, sizeof(raw), BASE64_VARIANT);
	sodium_memzero(raw, sizeof(raw));
	crypto_generichash(token->hash, sizeof(token->hash),
	    (const uint8_t *)token->text, TOKEN_STRLEN, NULL, 0);
}

static bool
is_base64url(char c)
{
	return ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		(c >= '0' && c <= '9') || c == '-' || c == '_');
}

enum res
token_hash(const char *s, uint8_t out[TOKEN_HASH_BYTES])
{
	size_t len;

	for (len = 0; len <= TOKEN_STRLEN && is_base64url(s[len]); len++)
		;
	if (len != TOKEN_STRLEN || s[len] != '\0')
		return (RES_ERR);
	crypto_generichash(
	    out, TOKEN_HASH_BYTES, (const uint8_t *)s, len, NULL, 0);

	return (RES_OK);
}

static void
session_ad(const uint8_t hash[TOKEN_HASH_BYTES], uint8_t ad[SESSION_AD_BYTES])
{
	memcpy(ad, session_label, sizeof(session_label));
	memcpy(ad + sizeof(session_label), hash, TOKEN_HASH_BYTES);
}

void
session_seal(const uint8_t hash[TOKEN_HASH_BYTES], const void *plain,
    size_t len, uint8_t *out)
{
	uint8_t ad[SESSION_AD_BYTES];

	session_ad(hash, ad);
	aead_seal(keyring_subkey(SUBKEY_SESSION), SESSION_KEY_VERSION, ad,
	    sizeof(ad), plain, len, out);
}

enum res
session_unseal(const uint8_t hash[TOKEN_HASH_BYTES], const uint8_t *sealed,
    size_t len, uint8_t *out)
{
	uint8_t ad[SESSION_AD_BYTES];

	session_ad(hash, ad);

	return (aead_unseal(keyring_subkey(SUBKEY_SESSION), SESSION_KEY_VERSION,
	    ad, sizeof(ad), sealed, len, out));
}

void
csrf_token(const uint8_t hash[TOKEN_HASH_BYTES], char out[TOKEN_STRLEN + 1])
{
	uint8_t mac[TOKEN_BYTES];

	crypto_generichash(mac, sizeof(mac), hash, TOKEN_HASH_BYTES,
	    keyring_subkey(SUBKEY_CSRF), SUBKEY_BYTES);
	sodium_bin2base64(
	    out, TOKEN_STRLEN + 1, mac, sizeof(mac), BASE64_VARIANT);
}

bool
csrf_valid(const uint8_t hash[TOKEN_HASH_BYTES], const char *s)
{
	char expected[TOKEN_STRLEN + 1];

	if (strnlen(s, TOKEN_STRLEN + 1) != TOKEN_STRLEN)
		return (false);
	csrf_token(hash, expected);

	return (sodium_memcmp(expected, s, TOKEN_STRLEN) == 0);
}
