/*
 * Admission: who is it, and is it too often? One Redis round trip looks the
 * session up, extends its idle time and charges the rate limit.
 *
 * The limit is GCRA (the cell-rate algorithm of ATM Forum TM 4.0): a key
 * holds the theoretical arrival time; a request is allowed while that is no
 * further ahead than the burst. It is charged to the session, or, without a
 * live one, to the network address.
 */
#include <string.h>

#include <hiredis/hiredis.h>

#include "auth/auth_priv.h"
#include "crypto/crypto.h"
#include "obs/obs.h"

#define PERIOD_US INT64_C(60000000)

/*
 * KEYS: session or "", rate key of the session, rate key of the address.
 * ARGV: idle s, us between requests, burst in us, cost, class prefix.
 * Returns session value or false, 1 or 0 (allowed), ms until allowed or until
 * the bucket is full again, requests left.
 */
static struct redis_script admit_script = { "admit",
	"local s = false "
	"if KEYS[1] ~= '' then"
	" s = redis.pcall('GETEX', KEYS[1], 'EX', ARGV[1])"
	" if type(s) == 'table' then s = false end end "
	"local key = s and KEYS[2] or KEYS[3] "
	"local t = redis.call('TIME') "
	"local now = t[1] * 1000000 + t[2] "
	"local step, burst = tonumber(ARGV[2]), tonumber(ARGV[3]) "
	"local tat = tonumber(redis.call('GET', key) or now) "
	"if tat < now then tat = now end "
	"local new = tat + step * tonumber(ARGV[4]) "
	"if new - now > burst then"
	" return {s, 0, math.ceil((new - burst - now) / 1000), 0} end "
	"redis.call('SET', key, string.format('%.0f', new), 'PX',"
	" math.ceil((new - now) / 1000) + 1) "
	"return {s, 1, math.ceil((new - now) / 1000),"
	" math.floor((burst - (new - now)) / step)}",
	"", NULL };

__attribute__((constructor)) static void
admit_register(void)
{
	redis_register(&admit_script);
}

static const struct {
	const char *prefix;
	enum setting_id limit;
} classes[RATE_CLASS_MAX] = {
	[RATE_AUTH] = { "r:a:", SETTING_RATE_AUTH },
	[RATE_READ] = { "r:r:", SETTING_RATE_READ },
	[RATE_WRITE] = { "r:w:", SETTING_RATE_WRITE },
	[RATE_PREDICT] = { "r:p:", SETTING_RATE_PREDICT },
};

static enum res
unauthenticated(struct ctx *cx)
{
	metric_add(METRIC_AUTH_DENIED, 1);
	return (err_fail(&cx->env.err, PROBLEM_UNAUTHENTICATED,
	    "Log in first: the session is missing, unknown or over."));
}

/* The token of the request, from one place only. */
static enum res
find_token(struct ctx *cx, const char **token, bool *cookie)
{
	const char *h = ctx_header(cx, "authorization");

	*token = ctx_cookie(cx, SESSION_COOKIE_NAME);
	*cookie = *token != NULL;
	if (h == NULL)
		return (RES_OK);
	if (*token != NULL)
		return (err_fail(&cx->env.err, PROBLEM_MALFORMED_REQUEST,
		    "Send the session as a cookie or as a bearer token, "
		    "not both."));
	if (strncasecmp(h, "bearer ", 7) != 0)
		return (unauthenticated(cx));
	*token = h + 7;
	return (RES_OK);
}

static co_fn enum res
ask_redis(struct ctx *cx, const uint8_t *hash, redisReply **r)
{
	const char *prefix = classes[cx->ep->rate].prefix;
	int64_t limit = setting_int(classes[cx->ep->rate].limit);
	struct arena *arena = cx->env.arena;
	const char *argv[7];
	size_t len[7];

	argv[0] = hash != NULL ? session_key(arena, hash) : "";
	argv[1] = arena_printf(arena, "%s%.32s", prefix, argv[0]);
	argv[2] = arena_printf(arena, "%s%s", prefix, cx->client_ip);
	argv[3] = arena_printf(
	    arena, "%lld", (long long)setting_int(SETTING_SESSION_IDLE_S));
	argv[4] = arena_printf(arena, "%.3f", (double)PERIOD_US / limit);
	argv[5] = arena_printf(arena, "%lld", (long long)PERIOD_US);
	argv[6] = arena_printf(arena, "%u", cx->ep->cost);
	for (int i = 0; i < 7; i++)
		len[i] = strlen(argv[i]);
	if (redis_eval(&cx->env, &admit_script, 3, 7, argv, len, r) != RES_OK)
		return (RES_ERR);
	if ((*r)->type != REDIS_REPLY_ARRAY || (*r)->elements != 4 ||
	    (*r)->element[1]->type != REDIS_REPLY_INTEGER ||
	    (*r)->element[2]->type != REDIS_REPLY_INTEGER ||
	    (*r)->element[3]->type != REDIS_REPLY_INTEGER) {
		err_private(&cx->env.err, "admit: unexpected reply");
		return (err_fail(&cx->env.err, PROBLEM_INTERNAL,
		    "The request could not be carried out."));
	}
	return (RES_OK);
}

static enum res
check_rate(struct ctx *cx, const redisReply *r)
{
	long long wait_s = (r->element[2]->integer + 999) / 1000;

	cx->rate_limit = (unsigned)setting_int(classes[cx->ep->rate].limit);
	cx->rate_remaining = (unsigned)r->element[3]->integer;
	cx->rate_reset_s = (unsigned)wait_s;
	if (r->element[1]->integer == 1)
		return (RES_OK);
	metric_add(METRIC_RATE_LIMITED, 1);
	cx->env.err.retry_after = (unsigned)(wait_s > 0 ? wait_s : 1);
	return (err_fail(&cx->env.err, PROBLEM_RATE_LIMITED,
	    "The limit is %u a minute for this kind of request.",
	    cx->rate_limit));
}

static enum res
check_session(
    struct ctx *cx, const redisReply *value, const uint8_t *hash, bool cookie)
{
	struct principal *who;

	if (hash == NULL || value->type != REDIS_REPLY_STRING)
		return (unauthenticated(cx));
	who = arena_alloc(cx->env.arena, sizeof(*who));
	if (session_value_open(cx->env.arena, hash, value->str,
		(size_t)value->len, who) != RES_OK) {
		log_event(LOG_LEVEL_ERROR, "session.forged",
		    "a session value in Redis does not open");
		return (unauthenticated(cx));
	}
	/* A token goes back where it came from. */
	if (who->expires_us <= cx->now_us || who->cookie != cookie)
		return (unauthenticated(cx));
	cx->who = who;
	cx->actor_kind = "user";
	cx->actor_id = who->user_id;
	return (RES_OK);
}

/* A browser sends cookies along with requests it was tricked into. */
static enum res
check_csrf(struct ctx *cx)
{
	const char *origin = ctx_header(cx, "origin");
	const char *site = ctx_header(cx, "sec-fetch-site");
	const char *token = ctx_header(cx, "x-csrf-token");

	if (!cx->who->cookie || cx->method == METHOD_GET)
		return (RES_OK);
	if ((origin == NULL ||
		strcmp(origin, setting_str(SETTING_ORIGIN)) == 0) &&
	    (site == NULL || strcmp(site, "same-origin") == 0) &&
	    token != NULL && csrf_valid(cx->who->token_hash, token))
		return (RES_OK);
	metric_add(METRIC_AUTH_DENIED, 1);
	return (err_fail(&cx->env.err, PROBLEM_CSRF,
	    "Send the session's CSRF token as X-CSRF-Token, from the "
	    "server's own origin."));
}

co_fn enum res
auth_admit(struct ctx *cx)
{
	const char *token = NULL;
	uint8_t hash[TOKEN_HASH_BYTES];
	bool cookie = false, known = false;
	redisReply *r;

	if (cx->ep->rate == RATE_NONE && cx->ep->auth == AUTH_PUBLIC)
		return (RES_OK);
	if (cx->ep->auth == AUTH_SESSION) {
		if (find_token(cx, &token, &cookie) != RES_OK)
			return (RES_ERR);
		known = token != NULL && token_hash(token, hash) == RES_OK;
	}
	if (ask_redis(cx, known ? hash : NULL, &r) != RES_OK ||
	    check_rate(cx, r) != RES_OK)
		return (RES_ERR);
	if (cx->ep->auth == AUTH_PUBLIC)
		return (RES_OK);
	if (check_session(cx, r->element[0], known ? hash : NULL, cookie) !=
	    RES_OK)
		return (RES_ERR);
	return (check_csrf(cx));
}

enum res
auth_allow(struct ctx *cx)
{
	if (cx->ep->auth == AUTH_PUBLIC)
		return (RES_OK);
	if (cx->who->onetime && !(cx->ep->flags & EP_ONETIME))
		return (err_fail(&cx->env.err, PROBLEM_PASSWORD_CHANGE_REQUIRED,
		    "Change the one-time password at /v1/auth/password, then "
		    "go on."));
	if (cx->who->scopes & scope_bit(cx->ep->scope))
		return (RES_OK);
	metric_add(METRIC_AUTH_DENIED, 1);
	return (err_fail(&cx->env.err, PROBLEM_FORBIDDEN,
	    "This needs the scope %s.", cx->ep->scope));
}
