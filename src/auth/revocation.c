/*
 * Which sessions have ended, in a worker's memory. Redis forgets a session as
 * soon as it is ended; but Redis may be away just then, or be set back to what
 * it held before. So PostgreSQL has the last word: the account's sessions_from,
 * which every session copies at log-in and which grows with each change that
 * ends them, and a list of single sessions. One background coroutine reads what
 * is new; a session that says less than its account is refused. No clock
 * decides: a session that goes on says what the change has returned.
 *
 * A worker that has never read the ends takes no sessions. One that cannot read
 * them goes on for a minute with those it knows, and then takes none either.
 */
#include <string.h>

#include <kore/kore.h>

#include "auth/auth_priv.h"
#include "obs/obs.h"

#define START_WAIT_MS 1000  /* a request for the first reading */
#define RETRY_MS      100   /* until the first reading */
#define SYNC_MS       10000 /* one reading, at most */
#define TURN_MS       5
#define STALE_MS      60000 /* sessions are refused from then on */
#define SLACK_S       600   /* a log-in's time, and clocks that differ */

static struct revocation_table *table;
static int64_t horizon; /* what has been read, as PostgreSQL counts */
static int64_t read_ms; /* when; 0: never */
static bool failing;

bool
revocations_ready(void)
{
	return (read_ms != 0);
}

/* Of a user or one session: no older session is left after so long. */
static int64_t
kept_s(void)
{
	return (setting_int(SETTING_SESSION_MAX_S) + SLACK_S);
}

static void
gather(const struct db_rows *rows, struct revocation_feed *feed)
{
	int64_t now = time_now_us(), from;
	int64_t until = now + kept_s() * 1000000;

	for (int i = 0; i < db_count(rows); i++)
		if (revocation_db_map(rows, i, feed, &from))
			revocation_table_put(
			    table, &feed->id, from, until, now);
}

/* What changes while the pages are turned comes on a later one, or next time:
 * the horizon is that of the first page. */
static co_fn enum res
read_pages(struct env *parent, struct revocation_feed *feed, int64_t *first)
{
	struct db_rows *rows;
	struct env env; /* a page's rows are gone before the next one comes */
	enum res rc;
	int n;

	*first = 0;
	do {
		env_init(&env, parent->deadline);
		rc = revocation_db_read(&env, feed, (int32_t)kept_s(), &rows);
		n = rc == RES_OK ? db_count(rows) : 0;
		if (rc == RES_OK)
			gather(rows, feed);
		else
			err_private(&parent->err, "%s", env.err.private);
		if (*first == 0)
			*first = feed->horizon;
		env_done(&env);
	} while (n == REVOCATION_ROWS);

	return (rc);
}

static co_fn enum res
follow(struct env *env)
{
	struct revocation_feed feed = { .xact = horizon };
	int64_t first;

	if (read_pages(env, &feed, &first) != RES_OK)
		return (RES_ERR);
	/* A database that counts from less is another one: read it anew. */
	if (first < horizon) {
		feed = (struct revocation_feed){ .xact = 0 };
		if (read_pages(env, &feed, &first) != RES_OK)
			return (RES_ERR);
	}
	horizon = first;
	read_ms = time_mono_ms();
	metric_set(
	    METRIC_SESSION_REVOCATIONS, (int64_t)revocation_table_count(table));

	return (RES_OK);
}

static void
tell(const struct env *env, bool ok)
{
	if (ok != failing)
		return;
	failing = !ok;
	if (ok)
		log_event(LOG_LEVEL_INFO, "session.revocations",
		    "the ends of sessions are read again");
	else
		log_event(LOG_LEVEL_ERROR, "session.revocations",
		    "the ends of sessions cannot be read: %s",
		    env->err.private);
}

static co_fn void
follower(void *arg UNUSED)
{
	struct env env;
	bool ok;

	for (;;) {
		env_init(&env, time_mono_ms() + SYNC_MS);
		ok = follow(&env) == RES_OK;
		if (!ok)
			metric_add(METRIC_SESSION_REVOCATIONS_FAILURES, 1);
		tell(&env, ok);
		env_done(&env);
		co_sleep(revocations_ready() ?
			     setting_int(SETTING_SESSION_REVOCATION_POLL_MS) :
			     RETRY_MS);
	}
}

void
revocations_init(void)
{
	table = revocation_table_new();
	if (co_spawn("revocations", follower, NULL) != RES_OK)
		fatal("ends of sessions: cannot start to follow them");
}

/* ---- requests --------------------------------------------------------- */

co_fn enum res
revocations_known(struct ctx *cx)
{
	int64_t until = time_mono_ms() + START_WAIT_MS;

	while (read_ms == 0 && time_mono_ms() < until &&
	       time_mono_ms() < cx->env.deadline)
		co_sleep(TURN_MS);
	if (read_ms != 0 && time_mono_ms() - read_ms < STALE_MS)
		return (RES_OK);
	err_private(&cx->env.err, "the ends of sessions have not been read");
	cx->env.err.retry_after = 1;

	return (err_fail(&cx->env.err, PROBLEM_UNAVAILABLE,
	    "The server does not know just now which sessions have ended."));
}

bool
revocation_of(const struct principal *who, int64_t *since_us)
{
	int64_t from = revocation_table_from(table, &who->user_id);

	*since_us = 0;
	if (revocation_table_from(table, &who->session_id) != 0)
		return (true);
	if (who->sessions_from_us >= from)
		return (false);
	*since_us = from;

	return (true);
}

co_fn void
revocations_settle(struct ctx *cx)
{
	int64_t ms = 2 * setting_int(SETTING_SESSION_REVOCATION_POLL_MS);
	int64_t left = cx->env.deadline - time_mono_ms();

	if (left > 0)
		co_sleep(ms < left ? ms : left);
}
