/*
 * API keys as texts: "elk_", 16 characters that name the key, "_", and 256
 * random bits that prove it. Only a keyed hash of the whole text is stored:
 * who reads the database can neither use a key nor try one without our key.
 * The characters of the name are those of Crockford's base 32 (no i, l, o, u),
 * in lower case.
 *
 * Also the seals around what travels: a key's record in Redis, bound to its
 * prefix, and its HMAC secret in the database, bound to its row and to the
 * generation of its secrets. Each use has a subkey of its own.
 */
#include <sodium.h>
#include <string.h>

#include "crypto/crypto_priv.h"

#define SEAL_KEY_VERSION 1
#define NAME_CHARS       16 /* of 5 bits: 80 random bits */
#define NAME_AT          4  /* past "elk_" */
#define SECRET_AT        (API_PREFIX_STRLEN + 1)
#define BASE64_VARIANT   sodium_base64_VARIANT_URLSAFE_NO_PADDING

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
static const char record_label[] = "eleusis api key";

#define RECORD_AD_BYTES (sizeof(record_label) + API_PREFIX_STRLEN)

_Static_assert(sizeof(alphabet) == 33, "5 bits a character");
_Static_assert(NAME_AT + NAME_CHARS == API_PREFIX_STRLEN, "prefix");
_Static_assert(SECRET_AT + TOKEN_STRLEN == API_TOKEN_STRLEN, "token");

void
api_token_new(struct api_token *token)
{
	uint8_t raw[NAME_CHARS];
	char prefix[API_PREFIX_STRLEN + 1] = "elk_";

	randombytes_buf(raw, sizeof(raw));
	for (unsigned i = 0; i < NAME_CHARS; i++)
		prefix[NAME_AT + i] = alphabet[raw[i] & 31];
	api_token_renew(prefix, token);
}

void
api_token_renew(const char *prefix, struct api_token *token)
{
	uint8_t raw[TOKEN_BYTES];

	memset(token, 0, sizeof(*token));
	memcpy(token->prefix, prefix, API_PREFIX_STRLEN);
	memcpy(token->text, prefix, API_PREFIX_STRLEN);
	token->text[API_PREFIX_STRLEN] = '_';
	randombytes_buf(raw, sizeof(raw));
	sodium_bin2base64(token->text + SECRET_AT, TOKEN_STRLEN + 1, raw,
	    sizeof(raw), BASE64_VARIANT);
	sodium_memzero(raw, sizeof(raw));
	api_token_hash(token->text, token->hash);
}

static bool
is_base64url(char c)
{
	return ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		(c >= '0' && c <= '9') || c == '-' || c == '_');
}

bool
api_prefix_form(const char *s)
{
	if (strncmp(s, "elk_", NAME_AT) != 0)
		return (false);
	for (unsigned i = NAME_AT; i < API_PREFIX_STRLEN; i++)
		if (s[i] == '\0' || strchr(alphabet, s[i]) == NULL)
			return (false);

	return (true);
}

bool
api_token_form(const char *s)
{
	if (!api_prefix_form(s) || s[API_PREFIX_STRLEN] != '_')
		return (false);
	for (unsigned i = SECRET_AT; i < API_TOKEN_STRLEN; i++)
		if (!is_base64url(s[i]))
			return (false);

	return (s[API_TOKEN_STRLEN] == '\0');
}

void
api_token_hash(const char *token, uint8_t out[TOKEN_HASH_BYTES])
{
	crypto_generichash(out, TOKEN_HASH_BYTES, (const uint8_t *)token,
	    API_TOKEN_STRLEN, keyring_subkey(SUBKEY_API_KEY), SUBKEY_BYTES);
}

static void
record_ad(const char *prefix, uint8_t ad[RECORD_AD_BYTES])
{
	memcpy(ad, record_label, sizeof(record_label));
	memcpy(ad + sizeof(record_label), prefix, API_PREFIX_STRLEN);
}

void
api_record_seal(const char *prefix, const void *plain, size_t len, uint8_t *out)
{
	uint8_t ad[RECORD_AD_BYTES];

	record_ad(prefix, ad);
	aead_seal(keyring_subkey(SUBKEY_API_RECORD), SEAL_KEY_VERSION, ad,
	    sizeof(ad), plain, len, out);
}

enum res
api_record_unseal(
    const char *prefix, const uint8_t *sealed, size_t len, uint8_t *out)
{
	uint8_t ad[RECORD_AD_BYTES];

	record_ad(prefix, ad);

	return (aead_unseal(keyring_subkey(SUBKEY_API_RECORD), SEAL_KEY_VERSION,
	    ad, sizeof(ad), sealed, len, out));
}

void
api_sign_key_new(uint8_t key[API_SIGN_KEY_BYTES])
{
	randombytes_buf(key, API_SIGN_KEY_BYTES);
}

static struct seal_place
sign_key_place(const struct uuid *id, int32_t generation)
{
	return ((struct seal_place){ "api_key", "sign_key", *id, generation });
}

void
api_sign_key_seal(const struct uuid *id, int32_t generation,
    const uint8_t key[API_SIGN_KEY_BYTES], uint8_t out[API_SIGN_SEALED_BYTES])
{
	struct seal_place place = sign_key_place(id, generation);

	seal(keyring_subkey(SUBKEY_API_SIGN), SEAL_KEY_VERSION, &place, key,
	    API_SIGN_KEY_BYTES, out);
}

enum res
api_sign_key_unseal(const struct uuid *id, int32_t generation,
    const uint8_t *sealed, size_t len, uint8_t key[API_SIGN_KEY_BYTES])
{
	struct seal_place place = sign_key_place(id, generation);

	if (len != API_SIGN_SEALED_BYTES)
		return (RES_ERR);

	return (unseal(keyring_subkey(SUBKEY_API_SIGN), SEAL_KEY_VERSION,
	    &place, sealed, len, key));
}

enum res
api_public_key_read(const char *text, uint8_t key[API_SIGN_KEY_BYTES])
{
	size_t len;

	/* The point must be of the main subgroup: for others there are
	 * signatures that hold for every message. */
	if (strlen(text) != API_SIGN_KEY_STRLEN ||
	    sodium_base642bin(key, API_SIGN_KEY_BYTES, text,
		API_SIGN_KEY_STRLEN, NULL, &len, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    len != API_SIGN_KEY_BYTES ||
	    crypto_core_ed25519_is_valid_point(key) != 1)
		return (RES_ERR);

	return (RES_OK);
}

void
api_sign_key_text(
    const uint8_t key[API_SIGN_KEY_BYTES], char out[API_SIGN_KEY_STRLEN + 1])
{
	sodium_bin2base64(out, API_SIGN_KEY_STRLEN + 1, key, API_SIGN_KEY_BYTES,
	    sodium_base64_VARIANT_ORIGINAL);
}
