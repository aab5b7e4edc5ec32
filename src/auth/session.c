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
 * drops members whose session has expired, so it stays small, and lives as
 * long as the one that lives longest. */
SCRIPT(session_put_script,
    "for _, k in ipairs(redis.call('SMEMBERS', KEYS[2])) do"
    " if redis.call('EXISTS', k) == 0 then"
    " redis.call('SREM', KEYS[2], k) end end "
    "redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) "
    "redis.call('SADD', KEYS[2], KEYS[1]) "
    "if redis.call('TTL', KEYS[2]) < tonumber(ARGV[3]) then"
    " redis.call('EXPIRE', KEYS[2], ARGV[3]) end return 1")

SCRIPT(session_drop_script, "redis.call('SREM', KEYS[2], KEYS[1]) "
			    "return redis.call('DEL', KEYS[1])")

/* Ends all sessions of a user but KEYS[1], and stores that anew. One that has
 * ended meanwhile (a log-out, eleusisctl) does not come back. */
SCRIPT(session_renew_script,
    "for _, k in ipairs(redis.call('SMEMBERS', KEYS[2])) do"
    " if k ~= KEYS[1] then redis.call('DEL', k)"
    " redis.call('SREM', KEYS[2], k) end end "
    "return redis.call('SET', KEYS[1], ARGV[1], 'XX', 'EX', ARGV[2])"
    " and 1 or 0")

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

static co_fn enum res
store(struct ctx *cx, struct redis_script *script, const struct principal *who)
{
	uint8_t value[SESSION_VALUE_MAX];
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
	return (run(cx, script, who, 5, argv, len));
}

co_fn enum res
session_create(struct ctx *cx, struct principal *who, struct session_new *out)
{
	struct token token;

	token_new(&token);
	memcpy(who->token_hash, token.hash, sizeof(who->token_hash));
	who->created_us = time_now_us();
	who->expires_us =
	    who->created_us + setting_int(SETTING_SESSION_MAX_S) * 1000000;
	if (store(cx, &session_put_script, who) != RES_OK)
		return (RES_ERR);
	memcpy(out->token, token.text, sizeof(out->token));
	csrf_token(token.hash, out->csrf);
	out->expires_us = who->expires_us;
	return (RES_OK);
}

co_fn enum res
session_destroy(struct ctx *cx, const struct principal *who)
{
	const char *argv[2];
	size_t len[2];

	return (run(cx, &session_drop_script, who, 2, argv, len));
}

co_fn enum res
session_renew(struct ctx *cx, const struct principal *who)
{
	return (store(cx, &session_renew_script, who));
}
