/*
 * Sessions in Redis: made at log-in, ended at log-out or when the password
 * changes. Only the hash of a token is ever stored.
 */
#include <string.h>

#include <hiredis/hiredis.h>

#include "auth/auth_priv.h"
#include "crypto/crypto.h"

#define SCRIPT(var, text)                                             \
	static struct redis_script var = { #var, text, "", NULL };    \
	__attribute__((constructor)) static void var##_register(void) \
	{                                                             \
		redis_register(&var);                                 \
	}

/* KEYS: session, user's set; ARGV: value, idle s, longest life s. The set
 * drops members whose session has expired, so it stays small. */
SCRIPT(session_put_script,
    "for _, k in ipairs(redis.call('SMEMBERS', KEYS[2])) do"
    " if redis.call('EXISTS', k) == 0 then"
    " redis.call('SREM', KEYS[2], k) end end "
    "redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) "
    "redis.call('SADD', KEYS[2], KEYS[1]) "
    "redis.call('EXPIRE', KEYS[2], ARGV[3]) return 1")

SCRIPT(session_drop_script, "redis.call('SREM', KEYS[2], KEYS[1]) "
			    "return redis.call('DEL', KEYS[1])")

/* Ends all sessions of a user but KEYS[1]. */
SCRIPT(session_drop_others_script,
    "local n = 0 "
    "for _, k in ipairs(redis.call('SMEMBERS', KEYS[2])) do"
    " if k ~= KEYS[1] then redis.call('DEL', k)"
    " redis.call('SREM', KEYS[2], k) n = n + 1 end end return n")

static co_fn enum res
run(struct ctx *cx, struct redis_script *script, const struct principal *who,
    int argc, const char **argv, size_t *len)
{
	struct redisReply *r;

	argv[0] = session_key(cx->env.arena, who->token_hash);
	argv[1] = session_user_key(cx->env.arena, &who->user_id);
	len[0] = strlen(argv[0]);
	len[1] = strlen(argv[1]);
	return (redis_eval(&cx->env, script, 2, argc, argv, len, &r));
}

co_fn enum res
session_store(struct ctx *cx, const struct principal *who)
{
	uint8_t value[SESSION_VALUE_MAX + SEAL_OVERHEAD];
	int64_t left = (who->expires_us - time_now_us()) / 1000000;
	int64_t idle = setting_int(SETTING_SESSION_IDLE_S);
	const char *argv[5];
	size_t len[5];

	if (left < 1)
		left = 1;
	argv[2] = (const char *)value;
	len[2] = session_value_make(who, value);
	argv[3] = arena_printf(
	    cx->env.arena, "%lld", (long long)(idle < left ? idle : left));
	len[3] = strlen(argv[3]);
	argv[4] = arena_printf(cx->env.arena, "%lld", (long long)left);
	len[4] = strlen(argv[4]);
	return (run(cx, &session_put_script, who, 5, argv, len));
}

co_fn enum res
session_create(
    struct ctx *cx, const struct principal *who, struct session_new *out)
{
	struct principal p = *who;
	struct token token;

	token_new(&token);
	memcpy(p.token_hash, token.hash, sizeof(p.token_hash));
	p.created_us = time_now_us();
	p.expires_us =
	    p.created_us + setting_int(SETTING_SESSION_MAX_S) * 1000000;
	if (session_store(cx, &p) != RES_OK)
		return (RES_ERR);
	memcpy(out->token, token.text, sizeof(out->token));
	csrf_token(token.hash, out->csrf);
	out->expires_us = p.expires_us;
	return (RES_OK);
}

co_fn enum res
session_destroy(struct ctx *cx)
{
	const char *argv[2];
	size_t len[2];

	return (run(cx, &session_drop_script, cx->who, 2, argv, len));
}

co_fn enum res
session_destroy_others(struct ctx *cx)
{
	const char *argv[2];
	size_t len[2];

	return (run(cx, &session_drop_others_script, cx->who, 2, argv, len));
}
