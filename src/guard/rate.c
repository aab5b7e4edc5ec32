/*
 * The limits, from the settings, and what a client is told of them: the
 * RateLimit-Policy and RateLimit fields of draft-ietf-httpapi-ratelimit-
 * headers-11, Retry-After, and the names of the policies that were violated.
 *
 * A policy is advertised as the algorithm enforces it: q units at once, which
 * take w seconds to come back. Over a longer time exactly the limit passes.
 */
#include "guard/guard.h"
#include "obs/obs.h"

#define MINUTE_S 60

static const struct {
	const char *name;
	enum setting_id limit;
	enum metric refused;
} classes[RATE_CLASS_MAX] = {
	[RATE_AUTH] = { "auth", SETTING_RATE_AUTH, METRIC_RATE_LIMITED_AUTH },
	[RATE_READ] = { "read", SETTING_RATE_READ, METRIC_RATE_LIMITED_READ },
	[RATE_WRITE] = { "write", SETTING_RATE_WRITE,
	    METRIC_RATE_LIMITED_WRITE },
	[RATE_PREDICT] = { "predict", SETTING_RATE_PREDICT,
	    METRIC_RATE_LIMITED_PREDICT },
	[RATE_EXPORT] = { "export", SETTING_RATE_EXPORT,
	    METRIC_RATE_LIMITED_EXPORT },
};

static const char *const kinds[RATE_KIND_MAX] = {
	[RATE_KIND_USER] = "user",
	[RATE_KIND_KEY] = "key",
	[RATE_KIND_NETWORK] = "network",
	[RATE_KIND_STRANGER] = "stranger",
};

int64_t rate_limit(enum rate_class class)
{
	return (setting_int(classes[class].limit));
}

int64_t rate_network_limit(enum rate_class class)
{
	return (rate_limit(class) * setting_int(SETTING_RATE_NETWORK_FACTOR));
}

int64_t
rate_quota(int64_t limit)
{
	int64_t units = limit * setting_int(SETTING_RATE_BURST_S) / MINUTE_S;

	return (units > 0 ? units : 1);
}

const char *rate_class_name(enum rate_class class)
{
	return (classes[class].name);
}

static int64_t
seconds(int64_t ms)
{
	return ((ms + 999) / 1000);
}

static const char *
policy_name(struct ctx *cx, enum rate_kind kind)
{
	return (arena_printf(
	    cx->env.arena, "%s-%s", classes[cx->ep->rate].name, kinds[kind]));
}

static void
add_policy(struct buf *b, const char *name, int64_t limit)
{
	int64_t quota = rate_quota(limit);
	int64_t window = (quota * MINUTE_S + limit / 2) / limit;

	buf_printf(b, "%s\"%s\";q=%lld;w=%lld", b->len > 0 ? ", " : "", name,
	    (long long)quota, (long long)(window > 0 ? window : 1));
}

/* What is left is said of the tightest bucket, or of all that refused. */
static void
add_left(struct buf *b, const char *name, const struct rate_state *s)
{
	int64_t ms = s->wait_ms > 0 ? s->wait_ms : s->reset_ms;

	buf_printf(b, "%s\"%s\";r=%lld;t=%lld", b->len > 0 ? ", " : "", name,
	    (long long)s->left, (long long)seconds(ms));
}

static const struct rate_state *
tightest(const struct rate_state *s, unsigned n)
{
	const struct rate_state *least = s;

	for (unsigned i = 1; i < n; i++)
		if (s[i].left < least->left)
			least = &s[i];
	return (least);
}

static enum res
refuse(struct ctx *cx, int64_t wait_ms)
{
	metric_add(classes[cx->ep->rate].refused, 1);
	cx->env.err.retry_after = (unsigned)seconds(wait_ms);
	return (err_fail(&cx->env.err, PROBLEM_RATE_LIMITED,
	    "That was too much at once of this kind of request. Wait %u s.",
	    cx->env.err.retry_after));
}

enum res
rate_tell(struct ctx *cx, const struct rate_state *states, unsigned n)
{
	const struct rate_state *least = tightest(states, n);
	const char **violated;
	struct buf policy, left;
	unsigned nviolated = 0;
	int64_t wait_ms = 0;

	violated = arena_alloc(cx->env.arena, (n + 1) * sizeof(*violated));
	buf_init(&policy, cx->env.arena, 128);
	buf_init(&left, cx->env.arena, 64);
	for (unsigned i = 0; i < n; i++) {
		const struct rate_state *s = &states[i];
		const char *name = policy_name(cx, s->kind);

		add_policy(&policy, name, s->limit);
		if (s->wait_ms > 0 || s == least)
			add_left(&left, name, s);
		if (s->wait_ms > 0)
			violated[nviolated++] = name;
		if (s->wait_ms > wait_ms)
			wait_ms = s->wait_ms;
	}
	cx->rate_policy = policy.data;
	cx->rate_left = left.data;
	if (wait_ms == 0)
		return (RES_OK);
	cx->rate_violated = violated;
	return (refuse(cx, wait_ms));
}
