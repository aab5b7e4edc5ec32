/*
 * Back-off after failed log-ins: counters in Redis.
 *
 * What is slowed is a place that fails: an account from one address, and all
 * accounts from one network. Nothing counts for an account as a whole but the
 * alert, for whoever can fail anywhere could then keep its owner out
 * everywhere. So a guesser has a few free tries, then ever fewer, from each
 * address; and the owner, elsewhere, has not lost any.
 *
 * Where both share an address, three things let the owner through: a log-in
 * forgets the account's failures there; an account that has logged in there
 * lately is not held up by failures of others; and a browser that has logged
 * in (crypto/known_device.c) counts for itself. A stolen device cookie is
 * worth the tries of one more address, until the password changes.
 *
 * An account guessed at from many networks raises the alert, and from then on
 * an unknown place has one free try at it instead of a few: less for each of
 * the many, and still one for the owner on a journey.
 *
 * Of the second factor an account does wait as a whole, once it is guessed at
 * so, and wherever it has not been shown of late: a code has six digits, many
 * addresses could have guessed it, and who gets so far knows the password and
 * could keep out nobody but where she never was.
 *
 * The counters are the same whether there is such an account or not. Redis may
 * forget them: whoever can make it do so has as many tries again, at the rate
 * of RATE_AUTH. Without Redis nobody logs in.
 */
#include <string.h>

#include <hiredis/hiredis.h>

#include "audit/audit.h"
#include "guard/guard_priv.h"
#include "obs/obs.h"

#define CHECK_TAKEN   13 /* elements of either reply */
#define CHECK_REFUSED 3
#define DAY_MS        INT64_C(86400000)
#define KEYS          5
#define ARGS_MAX      11

static struct redis_script check_script = { "lockout_check", lockout_check_lua,
	"", NULL };
static struct redis_script settle_script = { "lockout_settle",
	lockout_settle_lua, "", NULL };
static struct redis_script clear_script = { "lockout_clear", lockout_clear_lua,
	"", NULL };

__attribute__((constructor)) static void
lockout_register(void)
{
	redis_register(&check_script);
	redis_register(&settle_script);
	redis_register(&clear_script);
}

static int64_t
ms_of(enum setting_id seconds)
{
	return (setting_int(seconds) * 1000);
}

static co_fn enum res
run(struct ctx *cx, struct redis_script *script, const struct lockout *lo,
    const int64_t *args, unsigned nargs, redisReply **reply)
{
	struct lockout_keys keys;
	const char *argv[KEYS + ARGS_MAX];
	size_t len[KEYS + ARGS_MAX];

	lockout_keys(cx->env.arena, lo, &cx->client, &keys);
	argv[0] = keys.own;
	argv[1] = keys.network;
	argv[2] = keys.account;
	argv[3] = keys.index;
	argv[4] = keys.here;
	for (unsigned i = 0; i < nargs; i++)
		argv[KEYS + i] =
		    arena_printf(cx->env.arena, "%lld", (long long)args[i]);
	for (unsigned i = 0; i < KEYS + nargs; i++)
		len[i] = strlen(argv[i]);

	return (redis_eval(
	    &cx->env, script, KEYS, (int)(KEYS + nargs), argv, len, reply));
}

static bool
integers(const redisReply *r)
{
	if (r->type != REDIS_REPLY_ARRAY || r->elements < CHECK_REFUSED)
		return (false);
	for (size_t i = 0; i < r->elements; i++)
		if (r->element[i]->type != REDIS_REPLY_INTEGER)
			return (false);

	return (r->elements ==
		(r->element[0]->integer == 1 ? CHECK_TAKEN : CHECK_REFUSED));
}

/* Somebody known is refused in the audit log; others are counted there by the
 * minute, for a refusal is no guess and costs who guesses nothing. */
static co_fn enum res
throttled(struct ctx *cx, int64_t wait_ms)
{
	struct audit_event ev;

	metric_add(METRIC_LOGINS_THROTTLED, 1);
	if (cx->who == NULL) {
		denial_note(DENIAL_THROTTLED, &cx->client);
	} else {
		audit_event(cx, &ev, AUDIT_DENIED);
		ev.detail = audit_detail(cx, PROBLEM_LOGIN_THROTTLED);
		if (audit_append(cx, &ev) != RES_OK)
			return (RES_ERR);
	}
	cx->env.err.retry_after = (unsigned)((wait_ms + 999) / 1000);

	return (err_fail(&cx->env.err, PROBLEM_LOGIN_THROTTLED,
	    "Too many attempts have failed. Wait for %u s.",
	    cx->env.err.retry_after));
}

static void
take(struct lockout *lo, const redisReply *r)
{
	redisReply *const *e = r->element;

	lo->held = true;
	lo->began = e[1]->integer == 1;
	lo->network_began = e[2]->integer == 1;
	lo->alert = e[3]->integer == 1;
	lo->failures = e[4]->integer;
	lo->everywhere = e[5]->integer;
	lo->places = e[6]->integer;
	lo->until[0] = e[7]->integer;
	lo->until[1] = e[8]->integer;
	lo->until[2] = e[12]->integer;
	for (unsigned i = 0; i < NELEM(lo->counted); i++)
		lo->counted[i] = e[9 + i]->integer;
}

co_fn enum res
lockout_check(struct ctx *cx, struct lockout *lo)
{
	const int64_t args[ARGS_MAX] = { setting_int(SETTING_LOCKOUT_FREE),
		ms_of(SETTING_LOCKOUT_FIRST_S), ms_of(SETTING_LOCKOUT_MAX_S),
		ms_of(SETTING_LOCKOUT_DECAY_S),
		setting_int(SETTING_LOCKOUT_NETWORK_FREE),
		ms_of(SETTING_LOCKOUT_FIRST_S),
		ms_of(SETTING_LOCKOUT_NETWORK_MAX_S),
		ms_of(SETTING_LOCKOUT_NETWORK_DECAY_S),
		setting_int(SETTING_LOCKOUT_ALERT), lo->device != NULL,
		lo->factor == LOCKOUT_SECOND_FACTOR ?
		    ms_of(SETTING_LOCKOUT_MAX_S) :
		    0 };
	redisReply *r;

	if (run(cx, &check_script, lo, args, NELEM(args), &r) != RES_OK)
		return (RES_ERR);
	if (!integers(r)) {
		err_private(&cx->env.err, "lockout: unexpected reply");
		return (err_fail(&cx->env.err, PROBLEM_INTERNAL,
		    "The request could not be carried out."));
	}
	if (r->element[0]->integer != 1)
		return (throttled(cx, r->element[1]->integer));
	take(lo, r);

	return (RES_OK);
}

static co_fn enum res
settle(struct ctx *cx, const struct lockout *lo, bool success)
{
	const int64_t args[] = { ms_of(SETTING_LOCKOUT_DECAY_S),
		ms_of(SETTING_LOCKOUT_NETWORK_DECAY_S), success,
		setting_int(SETTING_LOCKOUT_TRUST_DAYS) * DAY_MS, lo->until[0],
		lo->until[1], lo->counted[0], lo->counted[1], lo->counted[2],
		lo->until[2] };
	redisReply *r;

	return (run(cx, &settle_script, lo, args, NELEM(args), &r));
}

co_fn enum res
lockout_succeeded(struct ctx *cx, const struct lockout *lo)
{
	return (settle(cx, lo, true));
}

co_fn void
lockout_undo(struct ctx *cx, const struct lockout *lo)
{
	struct err kept = cx->env.err;

	if (!lo->held)
		return;
	/* Should it fail, there is one failure too many, for a while. */
	(void)settle(cx, lo, false);
	cx->env.err = kept;
}

co_fn enum res
lockout_clear(struct ctx *cx, const char *account)
{
	const char *keys[LOCKOUT_CLEAR_KEYS];
	size_t len[LOCKOUT_CLEAR_KEYS];
	redisReply *r;

	lockout_clear_keys(cx->env.arena, account, keys);
	for (unsigned i = 0; i < NELEM(keys); i++)
		len[i] = strlen(keys[i]);

	return (redis_eval(&cx->env, &clear_script, LOCKOUT_CLEAR_KEYS,
	    LOCKOUT_CLEAR_KEYS, keys, len, &r));
}
