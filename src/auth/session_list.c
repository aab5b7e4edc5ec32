/*
 * The sessions of a user, as Redis has them. The values are sealed under the
 * hash in each one's name; when a session was last used follows from how long
 * it has yet to live in silence.
 */
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>
#include <sodium.h>

#include "auth/auth_priv.h"

/* KEYS: the user's set. Returns name, value, ms to live of each. */
static struct redis_script session_list_script = { "session_list",
	"local found, n = {}, 0 "
	"for _, k in ipairs(redis.call('SMEMBERS', KEYS[1])) do"
	" local v = redis.pcall('GET', k)"
	" if type(v) == 'string' then"
	"  found[n + 1] = k found[n + 2] = v"
	"  found[n + 3] = redis.call('PTTL', k) n = n + 3"
	" else redis.call('SREM', KEYS[1], k) end end "
	"return found",
	"", NULL };

__attribute__((constructor)) static void
session_list_register(void)
{
	redis_register(&session_list_script);
}

/* "s:" and the hash as digits. */
static enum res
hash_of(const char *name, size_t len, uint8_t hash[TOKEN_HASH_BYTES])
{
	size_t n;

	if (len != 2 + 2 * TOKEN_HASH_BYTES || memcmp(name, "s:", 2) != 0 ||
	    sodium_hex2bin(
		hash, TOKEN_HASH_BYTES, name + 2, len - 2, NULL, &n, NULL) != 0)
		return (RES_ERR);
	return (n == TOKEN_HASH_BYTES ? RES_OK : RES_ERR);
}

enum res
session_open_stored(struct ctx *cx, const redisReply *name,
    const redisReply *value, struct principal *who)
{
	uint8_t hash[TOKEN_HASH_BYTES];

	if (name->type != REDIS_REPLY_STRING ||
	    value->type != REDIS_REPLY_STRING ||
	    hash_of(name->str, (size_t)name->len, hash) != RES_OK)
		return (RES_ERR);
	return (session_value_open(
	    cx->env.arena, hash, value->str, (size_t)value->len, who));
}

static int64_t
used_at(const struct ctx *cx, const struct principal *who, int64_t left_ms)
{
	int64_t silence =
	    session_idle_s(who->cookie) * 1000000 - left_ms * 1000;
	int64_t at = cx->now_us - (silence > 0 ? silence : 0);

	return (at > who->created_us ? at : who->created_us);
}

static int
later_first(const void *a, const void *b)
{
	const struct session_seen *x = a, *y = b;

	return ((x->used_us < y->used_us) - (x->used_us > y->used_us));
}

static bool
over(const struct ctx *cx, const struct principal *who)
{
	int64_t since;

	return (who->expires_us <= cx->now_us || revocation_of(who, &since));
}

co_fn enum res
session_list(
    struct ctx *cx, const struct uuid *user, struct session_seen **out, int *n)
{
	const char *name = session_user_key(cx->env.arena, user);
	size_t len = strlen(name);
	struct session_seen *s;
	redisReply *r;

	*n = 0;
	if (redis_eval(&cx->env, &session_list_script, 1, 1, &name, &len, &r) !=
	    RES_OK)
		return (RES_ERR);
	if (r->type != REDIS_REPLY_ARRAY)
		return (err_fail(&cx->env.err, PROBLEM_INTERNAL,
		    "The sessions could not be read."));
	*out = arena_alloc(cx->env.arena, (r->elements / 3 + 1) * sizeof(*s));
	for (size_t i = 0; i + 3 <= r->elements; i += 3) {
		s = &(*out)[*n];
		if (session_open_stored(cx, r->element[i], r->element[i + 1],
			&s->who) != RES_OK ||
		    !uuid_equal(&s->who.user_id, user) || over(cx, &s->who))
			continue;
		s->used_us = used_at(cx, &s->who, r->element[i + 2]->integer);
		++*n;
	}
	qsort(*out, (size_t)*n, sizeof(**out), later_first);
	return (RES_OK);
}
