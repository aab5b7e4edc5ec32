/*
 * Where a log-in comes from, and the notice to the user when that is new. A
 * browser that logs in with a password is known by its cookie; everything else
 * by network and kind of client, of which PostgreSQL keeps a keyed digest. The
 * first log-in of an account tells nobody anything.
 *
 * The row of the log-in, the place and the mail are one transaction, and
 * without them there is no log-in: a notice that a thief could suppress by
 * keeping it from being queued would warn of nobody. The queue is in the
 * database that the row needs anyway, so this makes log-ins fail no oftener.
 * What it takes is one statement more, and a transaction for what is new or was
 * not seen today.
 */
#include <string.h>

#include "audit/audit.h"
#include "auth/auth_priv.h"
#include "mail/mail.h"
#include "obs/obs.h"

static void
place_digest(struct ctx *cx, const struct principal *who, struct place *p)
{
	char user[UUID_STRLEN + 1];
	const char *text;

	uuid_format(&who->user_id, user);
	text = arena_printf(
	    cx->env.arena, "%s|%s|%s", user, who->network, who->device);
	account_hash("place", text, strlen(text), p->digest);
}

/* A cookie says more than a network: the neighbour's browser has none. */
static bool
known(struct ctx *cx, const struct login *l, const struct place *p)
{
	struct device device;

	if (!l->cookie || l->attempt == NULL)
		return (p->known);
	return (device_cookie_of(
	    cx, account_name(cx->env.arena, l->user.email), &device));
}

static co_fn enum res
tell(struct ctx *cx, const struct principal *who)
{
	char when[TIME_STRLEN + 1];
	const char *const values[] = { "name", who->name, "when", when,
		"device", who->device, "network", who->network, NULL };

	time_format(cx->now_us, when);
	return (mail_send(&cx->env, MAIL_NEW_DEVICE, who->email, values));
}

static co_fn enum res
note(struct ctx *cx, const struct principal *who, const struct audit_event *ev,
    const struct place *p)
{
	struct db_tx *tx;
	enum res res;

	if (db_begin(&cx->env, &tx) != RES_OK)
		return (RES_ERR);
	cx->env.tx = tx;
	res = place_db_note(cx, ev, &who->user_id, p);
	if (res == RES_OK && p->notify)
		res = tell(cx, who);
	cx->env.tx = NULL;
	if (res == RES_OK)
		res = db_commit(&cx->env, tx);
	if (res != RES_OK)
		db_rollback(&cx->env, tx);
	return (res);
}

co_fn enum res
login_record(struct ctx *cx, const struct login *l, const struct principal *who,
    struct audit_event *ev)
{
	struct place p;

	place_digest(cx, who, &p);
	if (place_db_read(cx, &who->user_id, &p) != RES_OK)
		return (RES_ERR);
	p.notify = !p.first && !known(cx, l, &p);
	if (p.notify) {
		metric_add(METRIC_LOGINS_NEW_DEVICE, 1);
		ev->detail = arena_printf(
		    cx->env.arena, "{\"new_device\":true,%s", ev->detail + 1);
	}
	if (p.noted && !p.notify)
		return (audit_append(cx, ev));
	return (note(cx, who, ev, &p));
}
