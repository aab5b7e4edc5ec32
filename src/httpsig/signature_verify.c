/*
 * The two algorithms of request signatures: HMAC with SHA-256 (RFC 9421,
 * 3.3.3) and Ed25519 (3.3.6; RFC 8032). libsodium compares in constant time
 * and refuses points of small order and values of S past the group's order.
 */
#include <sodium.h>
#include <string.h>

#include "httpsig/httpsig.h"

static const char *const names[] = {
	[SIGNATURE_HMAC_SHA256] = "hmac-sha256",
	[SIGNATURE_ED25519] = "ed25519",
};

const char *
signature_alg_name(enum signature_alg alg)
{
	return (alg != SIGNATURE_UNSET ? names[alg] : "");
}

enum signature_alg
signature_alg_parse(const char *s)
{
	for (unsigned i = SIGNATURE_UNSET + 1; i < NELEM(names); i++)
		if (strcmp(names[i], s) == 0)
			return ((enum signature_alg)i);

	return (SIGNATURE_UNSET);
}

static bool
hmac_holds(const uint8_t *key, size_t keylen, const struct buf *base,
    const uint8_t *signature)
{
	crypto_auth_hmacsha256_state state;
	uint8_t mac[crypto_auth_hmacsha256_BYTES];
	bool same;

	crypto_auth_hmacsha256_init(&state, key, keylen);
	crypto_auth_hmacsha256_update(
	    &state, (const uint8_t *)base->data, base->len);
	crypto_auth_hmacsha256_final(&state, mac);
	same = crypto_verify_32(mac, signature) == 0;
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(mac, sizeof(mac));

	return (same);
}

bool
signature_holds(enum signature_alg alg, const uint8_t *key, size_t keylen,
    const struct buf *base, const uint8_t *signature, size_t len)
{
	if (sodium_is_zero(key, keylen))
		return (false);
	if (alg == SIGNATURE_HMAC_SHA256)
		return (len == crypto_auth_hmacsha256_BYTES &&
			hmac_holds(key, keylen, base, signature));
	if (alg == SIGNATURE_ED25519)
		return (len == crypto_sign_ed25519_BYTES &&
			keylen == crypto_sign_ed25519_PUBLICKEYBYTES &&
			crypto_sign_ed25519_verify_detached(signature,
			    (const uint8_t *)base->data, base->len, key) == 0);

	return (false);
}
