/*
 * What Redis must remember of providers' sessions: whose a provider's session
 * is, for as long as ours can last, and which words of log-out were heard.
 * Names are keyed hashes, and the user's id is sealed.
 */
#include <string.h>

#include <hiredis/hiredis.h>

#include "oidc/oidc_priv.h"

#define PURPOSE    "oidc-session"
#define REPLAY_S   "900" /* longer than a word of log-out is good */
#define SEALED_LEN (sizeof(struct uuid) + SEAL_OVERHEAD)

static const char *
redis_key(struct ctx *cx, const char *kind, const struct provider *p,
    const char *name, uint8_t hash[DIGEST_BYTES])
{
	const char *whole =
	    arena_printf(cx->env.arena, "%s %s %s", kind, p->issuer, name);
	char hex[2 * DIGEST_BYTES + 1];

	account_hash("oidc-name", whole, strlen(whole), hash);
	digest_hex(hash, DIGEST_BYTES, hex);
	return (arena_printf(cx->env.arena, "o:%s:%s", kind, hex));
}

static co_fn enum res
ask(struct ctx *cx, int n, const char **argv, size_t *len,
    struct redisReply **r)
{
	for (int i = 0; i < n; i++)
		if (len[i] == 0)
			len[i] = strlen(argv[i]);
	return (redis_command(&cx->env, n, argv, len, r));
}

co_fn enum res
provider_session_note(struct ctx *cx, const struct provider *p, const char *sid,
    const struct uuid *user)
{
	uint8_t hash[DIGEST_BYTES], sealed[SEALED_LEN];
	const char *argv[5];
	size_t len[5] = { 0 };
	struct redisReply *r;

	argv[0] = "SET";
	argv[1] = redis_key(cx, "sid", p, sid, hash);
	transient_seal(
	    PURPOSE, hash, sizeof(hash), user->b, sizeof(user->b), sealed);
	argv[2] = (const char *)sealed;
	len[2] = sizeof(sealed);
	argv[3] = "EX";
	argv[4] = arena_printf(cx->env.arena, "%lld",
	    (long long)setting_int(SETTING_SESSION_MAX_S) + 60);
	return (ask(cx, NELEM(argv), argv, len, &r));
}

co_fn enum res
provider_session_user(struct ctx *cx, const struct provider *p, const char *sid,
    struct uuid *user, bool *found)
{
	uint8_t hash[DIGEST_BYTES];
	const char *argv[2];
	size_t len[2] = { 0 };
	struct redisReply *r;

	argv[0] = "GET";
	argv[1] = redis_key(cx, "sid", p, sid, hash);
	if (ask(cx, NELEM(argv), argv, len, &r) != RES_OK)
		return (RES_ERR);
	*found = r->type == REDIS_REPLY_STRING && r->len == SEALED_LEN &&
		 transient_unseal(PURPOSE, hash, sizeof(hash),
		     (const uint8_t *)r->str, r->len, user->b) == RES_OK;
	return (RES_OK);
}

co_fn enum res
provider_token_once(
    struct ctx *cx, const struct provider *p, const char *jti, bool *fresh)
{
	uint8_t hash[DIGEST_BYTES];
	const char *argv[6];
	size_t len[6] = { 0 };
	struct redisReply *r;

	argv[0] = "SET";
	argv[1] = redis_key(cx, "jti", p, jti, hash);
	argv[2] = "1";
	argv[3] = "NX";
	argv[4] = "EX";
	argv[5] = REPLAY_S;
	if (ask(cx, NELEM(argv), argv, len, &r) != RES_OK)
		return (RES_ERR);
	*fresh = r->type == REDIS_REPLY_STATUS;
	return (RES_OK);
}
