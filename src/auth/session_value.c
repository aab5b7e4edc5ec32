/*
 * What a session says, as sealed bytes. Whoever can write Redis can neither
 * forge a session nor move one to another token: the value is sealed under a
 * key of ours with the token's hash as associated data.
 *
 * Layout: version (1), user id (16), role (1), flags (1), created (8),
 * expires (8), then e-mail and name, each with a 2-byte length. Integers are
 * big-endian.
 *
 * In front of the seal, readable for the admission script, stands the name of
 * the user's rate limit. It is compared with the sealed user id: whoever can
 * write Redis cannot have one user pay for another either.
 */
#include <string.h>

#include <sodium.h>

#include "auth/auth_priv.h"
#include "crypto/crypto.h"

#define VALUE_VERSION 1
#define VALUE_FIXED   35
#define EMAIL_BYTES   (254 * 4) /* characters of UTF-8, as app_user has it */
#define NAME_BYTES    (200 * 4)
#define PLAIN_MAX     (VALUE_FIXED + 2 + EMAIL_BYTES + 2 + NAME_BYTES)
#define FLAG_COOKIE   0x01
#define FLAG_ONETIME  0x02

_Static_assert(
    BUCKET_STRLEN + PLAIN_MAX + SEAL_OVERHEAD <= SESSION_VALUE_MAX, "room");

static size_t
put_text(uint8_t *p, const char *s, size_t max)
{
	size_t len = strlen(s);

	if (len > max)
		len = utf8_valid_prefix(s, max);
	put_be16(p, (uint16_t)len);
	memcpy(p + 2, s, len);
	return (len + 2);
}

static enum res
get_text(struct arena *arena, const uint8_t **p, const uint8_t *end,
    const char **out)
{
	size_t len;

	if (end - *p < 2 || (len = get_be16(*p)) > (size_t)(end - *p - 2))
		return (RES_ERR);
	*out = arena_strndup(arena, (const char *)*p + 2, len);
	*p += 2 + len;
	return (RES_OK);
}

size_t
session_value_make(const struct principal *who, uint8_t *out)
{
	uint8_t plain[PLAIN_MAX];
	char bucket[BUCKET_STRLEN + 1];
	size_t len = VALUE_FIXED;

	plain[0] = VALUE_VERSION;
	memcpy(plain + 1, who->user_id.b, 16);
	plain[17] = (uint8_t)who->role;
	plain[18] =
	    (who->cookie ? FLAG_COOKIE : 0) | (who->onetime ? FLAG_ONETIME : 0);
	put_be64(plain + 19, (uint64_t)who->created_us);
	put_be64(plain + 27, (uint64_t)who->expires_us);
	len += put_text(plain + len, who->email, EMAIL_BYTES);
	len += put_text(plain + len, who->name, NAME_BYTES);
	bucket_name(&who->user_id, bucket);
	memcpy(out, bucket, BUCKET_STRLEN);
	session_seal(who->token_hash, plain, len, out + BUCKET_STRLEN);
	sodium_memzero(plain, sizeof(plain));
	return (BUCKET_STRLEN + len + SEAL_OVERHEAD);
}

enum res
session_value_open(struct arena *arena, const uint8_t hash[32],
    const void *value, size_t len, struct principal *who)
{
	const uint8_t *p, *end,
	    *sealed = (const uint8_t *)value + BUCKET_STRLEN;
	char bucket[BUCKET_STRLEN + 1];
	uint8_t *plain;

	if (len < BUCKET_STRLEN + SEAL_OVERHEAD + VALUE_FIXED ||
	    len > SESSION_VALUE_MAX)
		return (RES_ERR);
	len -= BUCKET_STRLEN;
	plain = arena_alloc(arena, len);
	if (session_unseal(hash, sealed, len, plain) != RES_OK)
		return (RES_ERR);
	end = plain + len - SEAL_OVERHEAD;
	if (plain[0] != VALUE_VERSION || plain[17] == ROLE_UNSET ||
	    plain[17] >= ROLE_MAX)
		return (RES_ERR);
	memset(who, 0, sizeof(*who));
	memcpy(who->user_id.b, plain + 1, 16);
	who->role = plain[17];
	who->scopes = role_scopes(who->role);
	who->cookie = plain[18] & FLAG_COOKIE;
	who->onetime = plain[18] & FLAG_ONETIME;
	who->created_us = (int64_t)get_be64(plain + 19);
	who->expires_us = (int64_t)get_be64(plain + 27);
	memcpy(who->token_hash, hash, 32);
	p = plain + VALUE_FIXED;
	if (get_text(arena, &p, end, &who->email) != RES_OK ||
	    get_text(arena, &p, end, &who->name) != RES_OK || p != end)
		return (RES_ERR);
	bucket_name(&who->user_id, bucket);
	return (memcmp(bucket, value, BUCKET_STRLEN) == 0 ? RES_OK : RES_ERR);
}

const char *
session_key(struct arena *arena, const uint8_t hash[32])
{
	char hex[65];

	digest_hex(hash, 32, hex);
	return (arena_printf(arena, "s:%s", hex));
}

const char *
session_user_key(struct arena *arena, const struct uuid *id)
{
	char text[UUID_STRLEN + 1];

	uuid_format(id, text);
	return (arena_printf(arena, "u:%s", text));
}
