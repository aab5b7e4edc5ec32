/*
 * Breaking the glass: a clinician who is not in a patient's care opens the
 * record all the same, with a reason and for a time. The grant, the care that
 * it gives, its audit row and the mails to those who watch over it are one
 * transaction: nobody gets in unnoticed. The access ends by itself, for every
 * statement compares its end with the time.
 *
 * What she may do then is what her role may do in care, for an emergency is
 * treated as well as read about; but she brings nobody else into the care
 * (care_grant_check), and all she does can be told by its basis.
 */
#include <string.h>

#include "mail/mail.h"
#include "obs/obs.h"
#include "records/records_priv.h"

#define OBJECT "break_glass"

/* ---- what stands in the way --------------------------------------------- */

/* Denied, and not as if it were not there: she is told why. */
static co_fn enum res
too_many(struct ctx *cx, const struct glass_target *t)
{
	int64_t wait_s = (t->retry_us - cx->now_us + 999999) / 1000000;
	struct audit_event event;

	err_clear(&cx->env.err);
	audit_event(cx, &event, AUDIT_DENIED);
	event.detail = audit_detail(cx, PROBLEM_BREAK_GLASS_LIMIT);
	if (audit_append(cx, &event) != RES_OK)
		return (RES_ERR);
	cx->env.err.retry_after = wait_s > 1 ? (unsigned)wait_s : 1;

	return (err_fail(&cx->env.err, PROBLEM_BREAK_GLASS_LIMIT,
	    "You opened %lld records in an emergency within an hour. Ask a "
	    "colleague who is in care to refer the patient to you.",
	    (long long)setting_int(SETTING_BREAK_GLASS_HOURLY)));
}

static co_fn enum res
in_the_way(struct ctx *cx, const struct glass_target *t)
{
	switch (t->state) {
	case GLASS_IN_CARE:
		return (access_conflict(cx, "patient", &t->patient,
		    "This patient is in your care already: read the record "
		    "as always."));
	case GLASS_UNKNOWN:
		return (audit_denied(cx, "patient", &cx->patient_id));
	case GLASS_TOO_MANY:
		return (too_many(cx, t));
	default:
		return (access_forbidden(cx, "user", &cx->who->user_id,
		    "Only clinicians open records in an emergency."));
	}
}

/* Overtaken by another request of hers, or by a change of her account. */
static co_fn enum res
open_refused(struct ctx *cx, struct glass_target *t)
{
	if (audit_refused(cx, "EL403"))
		t->state = GLASS_FORBIDDEN;
	else if (audit_refused(cx, "EL404"))
		t->state = GLASS_UNKNOWN;
	else if (audit_refused(cx, "EL409"))
		t->state = GLASS_IN_CARE;
	else if (audit_refused(cx, "EL429"))
		t->state = GLASS_TOO_MANY;
	else
		return (audit_db_failed(cx, "patient", &t->patient));
	err_clear(&cx->env.err);

	return (in_the_way(cx, t));
}

/* ---- opening ------------------------------------------------------------- */

/* To each address of BREAK_GLASS_MAIL; nothing about the patient. Her address
 * stands beside her name, which she may change herself. */
static co_fn enum res
alert_by_mail(struct ctx *cx, const struct glass *g)
{
	char when[TIME_STRLEN + 1], until[TIME_STRLEN + 1];
	char id[UUID_STRLEN + 1], *list, *save;
	const char *who = arena_printf(
	    cx->env.arena, "%s (%s)", cx->who->name, cx->who->email);
	const char *values[] = { "who", who, "when", when, "until", until,
		"link", NULL, NULL };

	time_format(g->opened_us, when);
	time_format(g->until_us, until);
	uuid_format(&g->id, id);
	values[7] = arena_printf(cx->env.arena, "%s/v1/break-glass/%s",
	    setting_str(SETTING_ORIGIN), id);
	list =
	    arena_strdup(cx->env.arena, setting_str(SETTING_BREAK_GLASS_MAIL));
	for (char *to = strtok_r(list, " ", &save); to != NULL;
	     to = strtok_r(NULL, " ", &save))
		if (mail_send(&cx->env, MAIL_BREAK_GLASS, to, values) != RES_OK)
			return (RES_ERR);

	return (RES_OK);
}

static co_fn enum res
open_in_tx(struct ctx *cx, const struct audit_event *event,
    const struct sealed *reason, struct glass *g)
{
	struct db_tx *tx;
	enum res rc;

	if (db_begin(&cx->env, &tx) != RES_OK)
		return (RES_ERR);
	cx->env.tx = tx;
	rc = break_glass_db_open(cx, event, reason, g);
	if (rc == RES_OK)
		rc = alert_by_mail(cx, g);
	if (rc == RES_OK)
		rc = db_commit(&cx->env, tx);
	cx->env.tx = NULL;
	db_rollback(&cx->env, tx);

	return (rc);
}

static void
alert(const struct glass *g)
{
	char id[UUID_STRLEN + 1];

	uuid_format(&g->id, id);
	metric_add(METRIC_BREAK_GLASS_OPENED, 1);
	log_event(LOG_LEVEL_WARN, "access.break_glass",
	    "a record was opened in an emergency: grant %s", id);
}

/* Two round trips before the transaction's four: the reason is sealed under
 * the key of a patient who must be found first. */
co_fn enum res
break_glass_open(struct ctx *cx, const struct uuid *patient, const char *mrn,
    const char *reason, struct glass *g)
{
	const struct data_key *key;
	struct audit_event event;
	struct glass_target t;
	struct sealed sealed;

	memset(g, 0, sizeof(*g));
	if (patient != NULL)
		cx->patient_id = *patient;
	if (break_glass_db_target(cx, patient,
		patient_mrn_index(cx->env.arena, mrn), &t) != RES_OK)
		return (audit_db_failed(cx, "patient", patient));
	if (!uuid_is_nil(&t.patient))
		cx->patient_id = t.patient;
	if (t.state != GLASS_CLOSED)
		return (in_the_way(cx, &t));
	if ((key = audit_open_key(cx, &t.patient, &t.key)) == NULL)
		return (RES_ERR);
	uuid_v7(&g->id);
	g->patient = t.patient;
	break_glass_seal(cx->env.arena, key, &g->id, "reason", reason, &sealed);
	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, OBJECT, &g->id);
	if (open_in_tx(cx, &event, &sealed, g) != RES_OK)
		return (open_refused(cx, &t));
	alert(g);

	return (RES_OK);
}

/* ---- ending -------------------------------------------------------------- */

/* The grant says whose record it was, and that belongs into the audit row;
 * its time is that of before the end, for it happens in care. */
static co_fn enum res
end_in_tx(struct ctx *cx, const struct uuid *id)
{
	struct audit_event event;
	struct db_tx *tx;
	enum res rc;

	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, OBJECT, id);
	if (db_begin(&cx->env, &tx) != RES_OK)
		return (RES_ERR);
	cx->env.tx = tx;
	rc = break_glass_db_end(cx, id, &cx->patient_id);
	if (rc == RES_OK) {
		event.detail = audit_detail(cx, PROBLEM_UNSET);
		rc = break_glass_db_note_end(cx, &event);
	}
	if (rc == RES_OK)
		rc = db_commit(&cx->env, tx);
	cx->env.tx = NULL;
	db_rollback(&cx->env, tx);

	return (rc);
}

co_fn enum res
break_glass_end(struct ctx *cx, const struct uuid *id)
{
	if (end_in_tx(cx, id) == RES_OK)
		return (RES_OK);
	if (audit_refused(cx, "EL409"))
		return (access_conflict(
		    cx, OBJECT, id, "This access is over already."));

	return (audit_db_failed(cx, OBJECT, id));
}
