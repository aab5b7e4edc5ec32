/*
 * Challenges of passkeys: 32 random bytes that are good for one answer within
 * five minutes. Redis holds "c:<hash>", the value sealed under that hash: what
 * the question was for, and to whom it was put. Taking it deletes it, so that
 * of two answers to one question only one is looked at.
 */
#include <string.h>

#include <hiredis/hiredis.h>
#include <sodium.h>

#include "factor/factor_priv.h"

#define LIFE_S  "300"
#define PURPOSE "passkey-challenge"

/* Purpose, user and session; both nil when nobody is known. */
#define VALUE_BYTES  (1 + 2 * sizeof(struct uuid))
#define SEALED_BYTES (VALUE_BYTES + SEAL_OVERHEAD)

static void
make_value(enum challenge_purpose purpose, const struct principal *who,
    uint8_t out[VALUE_BYTES])
{
	memset(out, 0, VALUE_BYTES);
	out[0] = (uint8_t)purpose;
	if (who == NULL)
		return;
	memcpy(out + 1, who->user_id.b, sizeof(who->user_id.b));
	memcpy(out + 1 + sizeof(struct uuid), who->session_id.b,
	    sizeof(who->session_id.b));
}

static const char *
key_of(struct ctx *cx, const uint8_t hash[SHA256_BYTES])
{
	char hex[2 * SHA256_BYTES + 1];

	digest_hex(hash, SHA256_BYTES, hex);
	return (arena_printf(cx->env.arena, "c:%s", hex));
}

co_fn enum res
challenge_new(struct ctx *cx, enum challenge_purpose purpose,
    const struct principal *who, const char **text)
{
	uint8_t raw[TOKEN_BYTES], hash[SHA256_BYTES], value[VALUE_BYTES];
	uint8_t sealed[SEALED_BYTES];
	const char *argv[] = { "SET", NULL, (const char *)sealed, "EX",
		LIFE_S };
	size_t len[] = { 3, 0, sizeof(sealed), 2, strlen(LIFE_S) };
	struct redisReply *r;

	randombytes_buf(raw, sizeof(raw));
	sha256(raw, sizeof(raw), hash);
	make_value(purpose, who, value);
	transient_seal(
	    PURPOSE, hash, sizeof(hash), value, sizeof(value), sealed);
	argv[1] = key_of(cx, hash);
	len[1] = strlen(argv[1]);
	if (redis_command(&cx->env, NELEM(argv), argv, len, &r) != RES_OK)
		return (RES_ERR);
	*text = base64url(cx->env.arena, raw, sizeof(raw));
	return (RES_OK);
}

co_fn enum res
challenge_take(struct ctx *cx, enum challenge_purpose purpose,
    const struct principal *who, const uint8_t challenge[TOKEN_BYTES],
    bool *ours)
{
	uint8_t hash[SHA256_BYTES], wanted[VALUE_BYTES], value[VALUE_BYTES];
	const char *argv[] = { "GETDEL", NULL };
	size_t len[] = { 6, 0 };
	struct redisReply *r;

	sha256(challenge, TOKEN_BYTES, hash);
	make_value(purpose, who, wanted);
	argv[1] = key_of(cx, hash);
	len[1] = strlen(argv[1]);
	if (redis_command(&cx->env, NELEM(argv), argv, len, &r) != RES_OK)
		return (RES_ERR);
	*ours = r->type == REDIS_REPLY_STRING && r->len == SEALED_BYTES &&
		transient_unseal(PURPOSE, hash, sizeof(hash),
		    (const uint8_t *)r->str, r->len, value) == RES_OK &&
		sodium_memcmp(value, wanted, sizeof(value)) == 0;
	return (RES_OK);
}
