/*
 * Sessions in Redis: made at log-in, ended at log-out, put under a new token
 * whenever what they allow changes. Only the hash of a token is ever stored. A
 * user has so many at most; one more displaces one of hers.
 */
#include <string.h>

#include <hiredis/hiredis.h>
#include <sodium.h>

#include "auth/auth_priv.h"
#include "crypto/crypto.h"

#define SCRIPT(var, text)                                             \
	static struct redis_script var = { #var, text, "", NULL };    \
	__attribute__((constructor)) static void var##_register(void) \
	{                                                             \
		redis_register(&var);                                 \
	}

/*
 * Makes room in a user's set for one more: members whose session has expired
 * go, and of those of its kind (finished or not: the letter behind the bucket)
 * the ones that would end first by themselves, as long as they are too many.
 * So whoever has but a password ends no session that has shown more. The names
 * and values of what is displaced are returned.
 */
#define LUA_STORE                                                  \
	"local call = redis.call "                                 \
	"local function store(kind, max, gone)"                    \
	" local live = {}"                                         \
	" for _, k in ipairs(call('SMEMBERS', KEYS[2])) do"        \
	"  local t = call('PTTL', k)"                              \
	"  if t == -2 then call('SREM', KEYS[2], k)"               \
	"  elseif call('GETRANGE', k, 16, 16) == kind then"        \
	"   live[#live + 1] = {t, k} end end"                      \
	" table.sort(live, function(a, b) return a[1] < b[1] end)" \
	" for i = 1, #live - max + 1 do"                           \
	"  local k = live[i][2]"                                   \
	"  gone[#gone + 1] = k gone[#gone + 1] = call('GET', k)"   \
	"  call('DEL', k) call('SREM', KEYS[2], k) end"            \
	" call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])"            \
	" call('SADD', KEYS[2], KEYS[1])"                          \
	" if call('TTL', KEYS[2]) < tonumber(ARGV[3]) then"        \
	"  call('EXPIRE', KEYS[2], ARGV[3]) end"                   \
	" return gone end "

/* KEYS: session, user's set, session that the client showed or ""; ARGV: value,
 * idle s, longest life s, its kind, how many there may be. */
SCRIPT(session_put_script,
    LUA_STORE "local gone, v = {}, false "
	      "if KEYS[3] ~= '' then v = redis.pcall('GET', KEYS[3]) end "
	      "if type(v) == 'string' then"
	      " gone = {KEYS[3], v} call('DEL', KEYS[3]) end "
	      "return store(ARGV[4], tonumber(ARGV[5]), gone)")

SCRIPT(session_drop_script, "redis.call('SREM', KEYS[2], KEYS[1]) "
			    "return redis.call('DEL', KEYS[1])")

/* KEYS[3] is the session's old name: one that has ended meanwhile (a log-out,
 * an administrator) does not come back under a new one. ARGV[6] "1": ends the
 * user's other sessions too. */
SCRIPT(session_replace_script,
    LUA_STORE "if call('DEL', KEYS[3]) == 0 then return false end "
	      "call('SREM', KEYS[2], KEYS[3]) "
	      "if ARGV[6] == '1' then"
	      " for _, k in ipairs(call('SMEMBERS', KEYS[2])) do"
	      " call('DEL', k) end call('DEL', KEYS[2]) end "
	      "return store(ARGV[4], tonumber(ARGV[5]), {})")

SCRIPT(session_drop_all_script,
    "for _, k in ipairs(redis.call('SMEMBERS', KEYS[1])) do"
    " redis.call('DEL', k) end return redis.call('DEL', KEYS[1])")

/* A part of all sessions there are; where to go on, "0": that was all. What is
 * left in users' sets goes when they are next looked at. */
SCRIPT(session_sweep_script,
    "local r = redis.call('SCAN', ARGV[1], 'MATCH', 's:*', 'COUNT', 1000) "
    "for _, k in ipairs(r[2]) do redis.call('DEL', k) end return r[1]")

SCRIPT(session_update_script,
    "return redis.call('SET', KEYS[1], ARGV[1], 'XX', 'KEEPTTL') and 1 or 0")

struct call {
	const char *argv[9];
	size_t len[9];
	int n;
};

static void
add(struct call *c, const void *s, size_t len)
{
	c->argv[c->n] = s;
	c->len[c->n++] = len;
}

static void
add_text(struct call *c, const char *s)
{
	add(c, s, strlen(s));
}

static void
add_keys(struct ctx *cx, struct call *c, const struct principal *who)
{
	add_text(c, session_key(cx->env.arena, who->token_hash));
	add_text(c, session_user_key(cx->env.arena, &who->user_id));
}

int64_t
session_idle_s(bool cookie)
{
	int64_t browser = setting_int(SETTING_SESSION_IDLE_BROWSER_S);

	return (cookie && browser != 0 ? browser :
					 setting_int(SETTING_SESSION_IDLE_S));
}

int64_t
sessions_max(void)
{
	int64_t max = setting_int(SETTING_SESSIONS_MAX);

	return (max != 0 ? max : SESSIONS_CAP);
}

static void
add_number(struct ctx *cx, struct call *c, int64_t i)
{
	add_text(c, arena_printf(cx->env.arena, "%lld", (long long)i));
}

/* The value, how long it lives in silence, how long in any case, and among how
 * many of its kind. */
static void
add_value(struct ctx *cx, struct call *c, const struct principal *who)
{
	uint8_t *value = arena_alloc(cx->env.arena, SESSION_VALUE_MAX);
	int64_t left = (who->expires_us - time_now_us()) / 1000000;
	int64_t idle = session_idle_s(who->cookie);
	bool full = who->stage == STAGE_FULL;
	int64_t max = sessions_max();

	if (left < 1)
		left = 1;
	add(c, value, session_value_make(cx->env.arena, who, value));
	add_number(cx, c, idle < left ? idle : left);
	add_number(cx, c, left);
	add(c, &value[BUCKET_STRLEN], 1);
	add_number(cx, c, full || max < UNFINISHED_MAX ? max : UNFINISHED_MAX);
}

static co_fn enum res
run(struct ctx *cx, struct redis_script *script, int nkeys, struct call *c,
    redisReply **r)
{
	return (redis_eval(&cx->env, script, nkeys, c->n, c->argv, c->len, r));
}

static void
new_token(struct principal *who, struct session_new *out)
{
	struct token token;

	token_new(&token);
	memcpy(who->token_hash, token.hash, sizeof(who->token_hash));
	memcpy(out->token, token.text, sizeof(out->token));
	csrf_token(token.hash, out->csrf);
	out->expires_us = who->expires_us;
	sodium_memzero(&token, sizeof(token));
}

static int64_t
longest_life_us(const struct principal *who)
{
	int64_t s = setting_int(SETTING_SESSION_MAX_S);

	if (who->stage != STAGE_FULL && s > SESSION_UNFINISHED_S)
		s = SESSION_UNFINISHED_S;
	return (s * 1000000);
}

/* A browser that logs in once more is done with the session that it had: what
 * was set there before is no session afterwards, whoever set it. */
static const char *
shown_before(struct ctx *cx)
{
	const char *cookie = ctx_cookie(cx, SESSION_COOKIE_NAME);
	uint8_t hash[32];

	if (cookie == NULL || token_hash(cookie, hash) != RES_OK)
		return ("");
	return (session_key(cx->env.arena, hash));
}

/* Without their rows, no session: nobody was told the token. */
static co_fn enum res
displaced(struct ctx *cx, const struct principal *who, const redisReply *r)
{
	struct err why;

	if (r->type != REDIS_REPLY_ARRAY ||
	    session_displaced(cx, r->element, r->elements) == RES_OK)
		return (RES_OK);
	why = cx->env.err;
	(void)session_destroy(cx, who);
	cx->env.err = why;
	return (RES_ERR);
}

co_fn enum res
session_create(struct ctx *cx, struct principal *who, struct session_new *out)
{
	struct call c = { .n = 0 };
	redisReply *r;

	who->created_us = time_now_us();
	who->expires_us = who->created_us + longest_life_us(who);
	new_token(who, out);
	add_keys(cx, &c, who);
	add_text(&c, shown_before(cx));
	add_value(cx, &c, who);
	if (run(cx, &session_put_script, 3, &c, &r) != RES_OK)
		return (RES_ERR);
	return (displaced(cx, who, r));
}

co_fn enum res
session_destroy(struct ctx *cx, const struct principal *who)
{
	struct call c = { .n = 0 };
	redisReply *r;

	add_keys(cx, &c, who);
	return (run(cx, &session_drop_script, 2, &c, &r));
}

static co_fn enum res
ended_meanwhile(struct ctx *cx)
{
	err_clear(&cx->env.err);
	return (err_fail(&cx->env.err, PROBLEM_UNAUTHENTICATED,
	    "The session has ended meanwhile: log in again."));
}

/* The change that the others are to end with may have seen to it already, and
 * told what this session says from now on. */
static co_fn enum res
end_others(struct ctx *cx, struct principal *who)
{
	if (who->sessions_from_us != cx->who->sessions_from_us)
		return (RES_OK);
	if (session_db_end_others(cx, NULL, who, &who->sessions_from_us) ==
	    RES_OK)
		return (RES_OK);
	return (strcmp(db_sqlstate(&cx->env), "EL409") == 0 ?
		    ended_meanwhile(cx) :
		    RES_ERR);
}

co_fn enum res
session_replace(
    struct ctx *cx, struct principal *who, bool alone, struct session_new *out)
{
	struct call c = { .n = 0 };
	const char *old = session_key(cx->env.arena, who->token_hash);
	redisReply *r;

	if (alone && end_others(cx, who) != RES_OK)
		return (RES_ERR);
	who->expires_us = who->created_us + longest_life_us(who);
	new_token(who, out);
	add_keys(cx, &c, who);
	add_text(&c, old);
	add_value(cx, &c, who);
	add_text(&c, alone ? "1" : "");
	if (run(cx, &session_replace_script, 3, &c, &r) != RES_OK)
		return (RES_ERR);
	if (r->type != REDIS_REPLY_ARRAY)
		return (ended_meanwhile(cx));
	return (displaced(cx, who, r));
}

co_fn enum res
session_drop_all(struct ctx *cx, const struct uuid *user)
{
	struct call c = { .n = 0 };
	redisReply *r;

	add_text(&c, session_user_key(cx->env.arena, user));
	return (run(cx, &session_drop_all_script, 1, &c, &r));
}

/* As many round trips as there are thousands of keys. */
co_fn enum res
session_drop_everybody(struct ctx *cx)
{
	const char *cursor = "0";
	struct call c;
	redisReply *r;

	do {
		c.n = 0;
		add_text(&c, cursor);
		if (run(cx, &session_sweep_script, 0, &c, &r) != RES_OK)
			return (RES_ERR);
		cursor = r->type == REDIS_REPLY_STRING ? r->str : "0";
	} while (strcmp(cursor, "0") != 0);
	return (RES_OK);
}

co_fn enum res
session_update(struct ctx *cx, const struct principal *who)
{
	struct call c = { .n = 0 };
	redisReply *r;

	add_text(&c, session_key(cx->env.arena, who->token_hash));
	add_value(cx, &c, who);
	return (run(cx, &session_update_script, 1, &c, &r));
}
