/*
 * One-time passwords of authenticator apps: TOTP (RFC 6238) over HOTP
 * (RFC 4226), with the parameters that every app knows: HMAC-SHA-1, 6 digits,
 * steps of 30 s. SHA-1's collisions do no harm to HMAC.
 *
 * A code is good in its own step and one step before and after, for clocks
 * that are wrong (RFC 6238, 5.2). The step is told, so that the caller can
 * keep it: no step counts twice, nor any that came before it.
 */
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <string.h>

#include "crypto/crypto.h"

#define MODULUS    1000000 /* TOTP_DIGITS digits */
#define SHA1_BYTES 20

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

_Static_assert(sizeof(base32) == 32 + 1, "5 bits a character");
_Static_assert(TOTP_SECRET_BYTES % 5 == 0, "base32 without padding");
_Static_assert(
    TOTP_SECRET_STRLEN == TOTP_SECRET_BYTES / 5 * 8, "8 characters a group");

uint32_t
hotp(const uint8_t *key, size_t len, uint64_t counter)
{
	uint8_t message[8], mac[SHA1_BYTES];
	unsigned maclen = sizeof(mac), at;
	uint32_t value;

	put_be64(message, counter);
	if (HMAC(EVP_sha1(), key, (int)len, message, sizeof(message), mac,
		&maclen) == NULL ||
	    maclen != sizeof(mac))
		assert(!"HMAC-SHA-1");
	at = mac[SHA1_BYTES - 1] & 0x0f;
	value = (uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
		(uint32_t)mac[at + 2] << 8 | mac[at + 3];
	sodium_memzero(mac, sizeof(mac));

	return (value);
}

void
totp_secret_new(uint8_t secret[TOTP_SECRET_BYTES])
{
	randombytes_buf(secret, TOTP_SECRET_BYTES);
}

void
totp_secret_text(
    const uint8_t secret[TOTP_SECRET_BYTES], char out[TOTP_SECRET_STRLEN + 1])
{
	uint64_t group;

	for (size_t i = 0; i < TOTP_SECRET_BYTES; i += 5) {
		group = 0;
		for (size_t k = 0; k < 5; k++)
			group = group << 8 | secret[i + k];
		for (int shift = 35; shift >= 0; shift -= 5)
			*out++ = base32[group >> shift & 31];
	}
	*out = '\0';
}

static bool
read_code(const char *code, uint32_t *value)
{
	*value = 0;
	for (size_t i = 0; i < TOTP_DIGITS; i++) {
		if (code[i] < '0' || code[i] > '9')
			return (false);
		*value = *value * 10 + (uint32_t)(code[i] - '0');
	}

	return (code[TOTP_DIGITS] == '\0');
}

/* Every step of the window is looked at, whichever one it is. */
bool
totp_find(const uint8_t secret[TOTP_SECRET_BYTES], const char *code,
    int64_t now_s, int64_t last_step, int64_t *step)
{
	int64_t now = now_s / TOTP_STEP_S, found = -1;
	uint32_t value, right;

	assert(now_s >= TOTP_STEP_S * (TOTP_DRIFT + 1));
	if (!read_code(code, &value))
		return (false);
	for (int64_t s = now + TOTP_DRIFT; s >= now - TOTP_DRIFT; s--) {
		right = hotp(secret, TOTP_SECRET_BYTES, (uint64_t)s) % MODULUS;
		if (sodium_memcmp(&value, &right, sizeof(value)) == 0 &&
		    s > last_step)
			found = s;
	}
	*step = found;

	return (found >= 0);
}
