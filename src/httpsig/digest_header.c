/*
 * Content-Digest (RFC 9530): is the body that came the one the digest was
 * made of? SHA-256 and SHA-512 are known; of several, every known one must
 * match, others are passed over, as the RFC has it. Pure.
 */
#include <sodium.h>
#include <string.h>

#include "crypto/crypto.h"
#include "httpsig/httpsig.h"

static bool
is_sha256(const struct sfv_value *v, const void *body, size_t len)
{
	uint8_t digest[SHA256_BYTES];

	sha256(body, len, digest);

	return (v->len == sizeof(digest) &&
		sodium_memcmp(v->s, digest, sizeof(digest)) == 0);
}

static bool
is_sha512(const struct sfv_value *v, const void *body, size_t len)
{
	uint8_t digest[SHA512_BYTES];

	sha512(body, len, digest);

	return (v->len == sizeof(digest) &&
		sodium_memcmp(v->s, digest, sizeof(digest)) == 0);
}

static const struct {
	const char *name;
	bool (*matches)(const struct sfv_value *, const void *, size_t);
} algorithms[] = {
	{ "sha-256", is_sha256 },
	{ "sha-512", is_sha512 },
};

enum digest_result
digest_header_check(
    struct arena *arena, const char *field, const void *body, size_t len)
{
	enum digest_result result = DIGEST_UNKNOWN;
	const struct sfv_member *first, *m;
	const struct sfv_value *v;

	if (sfv_dictionary(arena, field, &first) != RES_OK)
		return (DIGEST_MALFORMED);
	for (m = first; m != NULL; m = m->next)
		if (m->value.type != SFV_BYTES)
			return (DIGEST_MALFORMED);
	for (size_t i = 0; i < NELEM(algorithms); i++) {
		if ((v = sfv_get(first, algorithms[i].name)) == NULL)
			continue;
		if (!algorithms[i].matches(v, body, len))
			return (DIGEST_DIFFERS);
		result = DIGEST_MATCHES;
	}

	return (result);
}
