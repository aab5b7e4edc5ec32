/*
 * What a session says, as sealed bytes. Whoever can write Redis can neither
 * forge a session nor move one to another token: the value is sealed under a
 * key of ours with the token's hash as associated data.
 *
 * Layout: version (1), user id (16), role, flags, stage, amr and has (1 each),
 * created, expires and proved (8 each), session id (16), the account's
 * sessions_from at log-in (8), then e-mail, name, scopes (empty: all of the
 * role's), device, network, provider and its name of the session, each with a
 * 2-byte length. Integers are big-endian.
 *
 * In front of the seal, readable for the scripts, stands the name of the user's
 * rate limit, and a letter for whether the log-in is finished. They are
 * compared with what is sealed: whoever can write Redis cannot have one user
 * pay for another either.
 */
#include <string.h>

#include <sodium.h>

#include "auth/auth_priv.h"
#include "crypto/crypto.h"

#define VALUE_VERSION 3
#define VALUE_FIXED   70
#define EMAIL_BYTES   (254 * 4) /* characters of UTF-8, as app_user has it */
#define NAME_BYTES    (200 * 4)
#define SCOPES_BYTES  1024
#define TEXTS         7
#define PLAIN_MAX                                                            \
	(VALUE_FIXED + 2 * TEXTS + EMAIL_BYTES + NAME_BYTES + SCOPES_BYTES + \
	    DEVICE_LABEL_MAX + NETBLOCK_STRLEN + PROVIDER_MAX +              \
	    PROVIDER_SID_MAX)
#define VALUE_HEAD   (BUCKET_STRLEN + 1)
#define FLAG_COOKIE  0x01
#define FLAG_ONETIME 0x02

_Static_assert(
    VALUE_HEAD + PLAIN_MAX + SEAL_OVERHEAD <= SESSION_VALUE_MAX, "room");

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

/* Only where they are fewer than the role's: a role's may grow. */
static const char *
narrowed(struct arena *arena, const struct principal *who)
{
	if (who->scopes == role_scopes(who->role))
		return ("");
	return (who->scopes != 0 ? scopes_text(arena, who->scopes) : "-");
}

static size_t
put_texts(struct arena *arena, const struct principal *who, uint8_t *p)
{
	size_t len = 0;

	len += put_text(p + len, who->email, EMAIL_BYTES);
	len += put_text(p + len, who->name, NAME_BYTES);
	len += put_text(p + len, narrowed(arena, who), SCOPES_BYTES);
	len += put_text(p + len, who->device, DEVICE_LABEL_MAX);
	len += put_text(p + len, who->network, NETBLOCK_STRLEN);
	len += put_text(p + len, who->provider, PROVIDER_MAX);
	len += put_text(p + len, who->provider_sid, PROVIDER_SID_MAX);
	return (len);
}

static void
head_make(const struct principal *who, uint8_t out[VALUE_HEAD])
{
	char bucket[BUCKET_STRLEN + 1];

	bucket_name(&who->user_id, bucket);
	memcpy(out, bucket, BUCKET_STRLEN);
	out[BUCKET_STRLEN] =
	    who->stage == STAGE_FULL ? SESSION_FINISHED : SESSION_UNFINISHED;
}

size_t
session_value_make(
    struct arena *arena, const struct principal *who, uint8_t *out)
{
	uint8_t plain[PLAIN_MAX];
	size_t len = VALUE_FIXED;

	plain[0] = VALUE_VERSION;
	memcpy(plain + 1, who->user_id.b, 16);
	plain[17] = (uint8_t)who->role;
	plain[18] =
	    (who->cookie ? FLAG_COOKIE : 0) | (who->onetime ? FLAG_ONETIME : 0);
	plain[19] = (uint8_t)who->stage;
	plain[20] = (uint8_t)who->amr;
	plain[21] = (uint8_t)who->has;
	put_be64(plain + 22, (uint64_t)who->created_us);
	put_be64(plain + 30, (uint64_t)who->expires_us);
	put_be64(plain + 38, (uint64_t)who->proved_us);
	memcpy(plain + 46, who->session_id.b, 16);
	put_be64(plain + 62, (uint64_t)who->sessions_from_us);
	len += put_texts(arena, who, plain + len);
	head_make(who, out);
	session_seal(who->token_hash, plain, len, out + VALUE_HEAD);
	sodium_memzero(plain, sizeof(plain));
	return (VALUE_HEAD + len + SEAL_OVERHEAD);
}

static enum res
get_fixed(const uint8_t *plain, struct principal *who)
{
	if (plain[0] != VALUE_VERSION || plain[17] == ROLE_UNSET ||
	    plain[17] >= ROLE_MAX || plain[19] == STAGE_UNSET ||
	    plain[19] >= STAGE_MAX)
		return (RES_ERR);
	memcpy(who->user_id.b, plain + 1, 16);
	who->role = plain[17];
	who->cookie = plain[18] & FLAG_COOKIE;
	who->onetime = plain[18] & FLAG_ONETIME;
	who->stage = plain[19];
	who->amr = plain[20];
	who->has = plain[21];
	who->created_us = (int64_t)get_be64(plain + 22);
	who->expires_us = (int64_t)get_be64(plain + 30);
	who->proved_us = (int64_t)get_be64(plain + 38);
	memcpy(who->session_id.b, plain + 46, 16);
	who->sessions_from_us = (int64_t)get_be64(plain + 62);
	return (RES_OK);
}

static enum res
get_texts(struct arena *arena, const uint8_t *p, const uint8_t *end,
    struct principal *who)
{
	const char *scopes;
	const char **texts[TEXTS] = { &who->email, &who->name, &scopes,
		&who->device, &who->network, &who->provider,
		&who->provider_sid };

	for (unsigned i = 0; i < TEXTS; i++)
		if (get_text(arena, &p, end, texts[i]) != RES_OK)
			return (RES_ERR);
	who->scopes = role_scopes(who->role);
	if (scopes[0] != '\0')
		who->scopes &= scopes_parse(scopes);
	return (p == end ? RES_OK : RES_ERR);
}

enum res
session_value_open(struct arena *arena, const uint8_t hash[32],
    const void *value, size_t len, struct principal *who)
{
	const uint8_t *sealed = (const uint8_t *)value + VALUE_HEAD;
	uint8_t head[VALUE_HEAD];
	uint8_t *plain;

	if (len < VALUE_HEAD + SEAL_OVERHEAD + VALUE_FIXED ||
	    len > SESSION_VALUE_MAX)
		return (RES_ERR);
	len -= VALUE_HEAD;
	plain = arena_alloc(arena, len);
	memset(who, 0, sizeof(*who));
	memcpy(who->token_hash, hash, 32);
	if (session_unseal(hash, sealed, len, plain) != RES_OK ||
	    get_fixed(plain, who) != RES_OK ||
	    get_texts(arena, plain + VALUE_FIXED, plain + len - SEAL_OVERHEAD,
		who) != RES_OK)
		return (RES_ERR);
	head_make(who, head);
	return (memcmp(head, value, VALUE_HEAD) == 0 ? RES_OK : RES_ERR);
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
