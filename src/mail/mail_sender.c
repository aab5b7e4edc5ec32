/*
 * Sends what is in the outbox. Each worker has a coroutine that leases mails
 * that are due and starts one coroutine for each; it looks every few seconds,
 * and at once when its own worker queued one.
 *
 * While a worker lives, nobody else sends what it leased: a lease lasts longer
 * than a delivery may. When a worker dies between delivery and note, the mail
 * goes out twice, under the same Message-ID: rather twice than never.
 */
#include <stdlib.h>
#include <string.h>

#include <kore/kore.h>
#include <sodium.h>

#include "mail/mail_priv.h"
#include "obs/obs.h"

#define SENDING_MAX  8
#define DB_LIMIT_MS  10000
#define SLACK_S      12 /* for noting the end of a delivery */
#define SWEEP_MS     (60 * 60 * 1000)
#define SWEEP_ROWS   500
#define HASTE_MS     25 /* after mail_send(), whose COMMIT may be to come */
#define HASTE_MAX_MS 2000

/* One mail on its way; owns its env, which holds what the lease told. */
struct delivery {
	struct env env;
	struct uuid lease;
	struct mail_leased row;
};

static struct wait *idle; /* the poller waits */
static bool woken;        /* there is a reason to look */
static bool queued;       /* by mail_send(), since the poller last looked */
static unsigned sending;

static void
wake(void)
{
	woken = true;
	if (idle != NULL)
		wait_signal(idle);
}

void
mail_wake(void)
{
	queued = true;
	wake();
}

static int32_t
lease_s(void)
{
	return ((int32_t)setting_int(SETTING_MAIL_TIMEOUT_S) + SLACK_S);
}

static co_fn void
note_sent(struct delivery *d, bool *held)
{
	metric_add(METRIC_MAILS_SENT, 1);
	metric_observe(METRIC_MAIL_SECONDS, (int64_t)(d->row.age_s * 1e6));
	/* Should it not be noted, the mail goes out again: tried hard. */
	for (int i = 0; i < 5; i++) {
		if (mail_db_sent(&d->env, &d->row.id, &d->lease, held) ==
		    RES_OK)
			return;
		err_clear(&d->env.err);
		co_sleep(200 << i);
	}
	log_event(LOG_LEVEL_ERROR, "mail.not_noted",
	    "a %s mail was sent, which could not be noted: it may be sent "
	    "twice",
	    d->row.kind);
}

static co_fn void
note_retry(struct delivery *d, const char *why, bool *held)
{
	double wait = mail_backoff(d->row.attempts,
	    (double)setting_int(SETTING_MAIL_RETRY_S),
	    (double)randombytes_uniform(1000) / 1000);

	metric_add(METRIC_MAILS_RETRIED, 1);
	log_event(LOG_LEVEL_WARN, "mail.retry",
	    "a %s mail was not delivered (%s), attempt %d: again in %.0f s",
	    d->row.kind, why, (int)d->row.attempts, wait);
	/* Should it not be noted, the lease runs out. */
	(void)mail_db_retry(&d->env, &d->row.id, &d->lease, why, wait, held);
}

static co_fn void
note_failed(struct delivery *d, const char *why, bool *held)
{
	metric_add(METRIC_MAILS_FAILED, 1);
	log_event(LOG_LEVEL_ERROR, "mail.failed",
	    "a %s mail is given up (%s) after %d attempt(s)", d->row.kind, why,
	    (int)d->row.attempts);
	(void)mail_db_give_up(&d->env, &d->row.id, &d->lease, why, held);
}

static bool
too_old(const struct delivery *d)
{
	return (d->row.age_s >
		(double)setting_int(SETTING_MAIL_GIVE_UP_HOURS) * 3600);
}

static co_fn void
attempt(struct delivery *d)
{
	struct mail mail = { .id = d->row.id };
	enum mail_result result = MAIL_REFUSED;
	const char *why = "sealed";
	bool held = true;

	d->env.deadline =
	    time_mono_ms() + setting_int(SETTING_MAIL_TIMEOUT_S) * 1000;
	if (mail_open(d->env.arena, d->row.sealed, d->row.len, &mail) == RES_OK)
		result = mail_deliver(&d->env, &mail, &why);
	err_clear(&d->env.err);
	d->env.deadline = time_mono_ms() + DB_LIMIT_MS;
	if (result == MAIL_SENT)
		note_sent(d, &held);
	else if (result == MAIL_REFUSED || too_old(d))
		note_failed(d, why, &held);
	else
		note_retry(d, why, &held);
	if (!held && d->env.err.problem == PROBLEM_UNSET)
		log_event(LOG_LEVEL_ERROR, "mail.lease_lost",
		    "the delivery of a %s mail took longer than its lease",
		    d->row.kind);
}

static co_fn void
deliver(void *arg)
{
	struct delivery *d = arg;

	attempt(d);
	env_done(&d->env);
	free(d);
	sending--;
	wake(); /* there is room for one more */
}

/* The row's bytes are the poller's: the delivery gets its own. */
static enum res
start(const struct mail_leased *row, const struct uuid *lease)
{
	struct delivery *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return (RES_ERR);
	env_init(&d->env, DEADLINE_NONE);
	d->lease = *lease;
	d->row = *row;
	d->row.kind = arena_strdup(d->env.arena, row->kind);
	d->row.sealed = arena_memdup(d->env.arena, row->sealed, row->len);
	if (co_spawn("mail", deliver, d) == RES_OK) {
		sending++;
		return (RES_OK);
	}
	env_done(&d->env);
	free(d);
	return (RES_ERR);
}

/* How many were leased; what cannot be started waits for its lease's end. */
static co_fn int
lease(void)
{
	struct mail_leased *rows;
	struct uuid id;
	struct env env;
	int n = 0;

	uuid_v7(&id);
	env_init(&env, time_mono_ms() + DB_LIMIT_MS);
	if (mail_db_lease(&env, &id, (int32_t)(SENDING_MAX - sending),
		lease_s(), &rows, &n) != RES_OK) {
		log_event(LOG_LEVEL_WARN, "mail.lease",
		    "the outbox cannot be read: %s", env.err.private);
		n = 0;
	}
	for (int i = 0; i < n; i++)
		if (start(&rows[i], &id) != RES_OK)
			log_event(LOG_LEVEL_WARN, "mail.busy",
			    "a mail waits: too much is under way");
	env_done(&env);
	return (n);
}

static co_fn void
sweep(void)
{
	int32_t gone = SWEEP_ROWS;
	struct env env;

	env_init(&env, DEADLINE_NONE); /* the statements have their own */
	while (gone == SWEEP_ROWS &&
	       mail_db_sweep(&env, SWEEP_ROWS, &gone) == RES_OK)
		;
	if (env.err.problem != PROBLEM_UNSET)
		log_event(LOG_LEVEL_WARN, "mail.sweep",
		    "old mails were not deleted: %s", env.err.private);
	env_done(&env);
}

static co_fn void
wait_turn(int64_t ms)
{
	struct wait w;

	wait_init(&w);
	idle = &w;
	if (!woken)
		(void)wait_for(&w, time_mono_ms() + ms);
	idle = NULL;
}

/* A mail of this worker is there once its transaction is: looked for soon,
 * then less often, for as long as that may take. */
static co_fn void
hasten(void)
{
	for (int64_t ms = HASTE_MS; ms <= HASTE_MAX_MS; ms *= 2) {
		if (queued)
			ms = HASTE_MS;
		queued = false;
		if (sending >= SENDING_MAX || lease() > 0)
			return;
		co_sleep(ms);
	}
}

static co_fn void
poller(void *arg UNUSED)
{
	int64_t swept = time_mono_ms();

	for (;;) {
		wait_turn(setting_int(SETTING_MAIL_POLL_MS));
		woken = false;
		if (loop_draining())
			continue;
		if (queued)
			hasten();
		else if (sending < SENDING_MAX)
			(void)lease();
		if (time_mono_ms() - swept > SWEEP_MS) {
			swept = time_mono_ms();
			sweep();
		}
	}
}

static unsigned
pending(void)
{
	return (sending);
}

void
mail_init(void)
{
	if (!mail_configured())
		return;
	if (co_spawn("mails", poller, NULL) != RES_OK)
		fatal("mail: cannot start the sender");
	drain_probe("mails", pending);
}
