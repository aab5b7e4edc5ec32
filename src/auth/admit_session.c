/*
 * A session at admission: found in Redis, opened, and compared with what has
 * ended since (revocation.c), which costs no round trip. One that is over is
 * taken out of Redis where it is met, so that whoever holds its token is a
 * stranger from then on, and not charged to the user.
 */
#include "auth/auth_priv.h"
#include "obs/obs.h"

/* The session that ends all others is stored anew a moment after PostgreSQL
 * says so: until then it looks as if it were over. */
#define MOMENT_US INT64_C(5000000)

static co_fn void
take_out(struct ctx *cx, const struct principal *who)
{
	struct err kept = cx->env.err;

	/* If Redis does not answer, the next request tries again. */
	(void)session_destroy(cx, who);
	cx->env.err = kept;
}

static struct principal *
open_value(struct ctx *cx, const struct admission *ad)
{
	const struct verdict *v = &ad->verdict;
	struct principal *who = arena_alloc(cx->env.arena, sizeof(*who));

	if (v->value == NULL)
		return (NULL);
	if (session_value_open(cx->env.arena, ad->credential.hash, v->value,
		v->len, who) == RES_OK)
		return (who);
	log_event(LOG_LEVEL_ERROR, "session.forged",
	    "a session value in Redis does not open");
	return (NULL);
}

static bool
over(const struct ctx *cx, const struct principal *who, bool *surely)
{
	int64_t since;

	*surely = true;
	if (who->expires_us <= cx->now_us)
		return (true);
	if (!revocation_of(who, &since))
		return (false);
	*surely = since < cx->now_us - MOMENT_US;
	return (true);
}

co_fn enum res
admit_session(struct ctx *cx, struct admission *ad, struct principal **out)
{
	struct principal *who;
	bool surely;

	*out = NULL;
	if (revocations_known(cx) != RES_OK ||
	    admit_ask(cx, ad, NULL, 0, false) != RES_OK)
		return (RES_ERR);
	/* A token goes back where it came from. */
	if ((who = open_value(cx, ad)) == NULL ||
	    who->cookie != ad->credential.cookie)
		return (RES_OK);
	if (!over(cx, who, &surely))
		*out = who;
	else if (surely)
		take_out(cx, who);
	return (RES_OK);
}
