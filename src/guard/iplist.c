/*
 * The network rules in a worker's memory, and whether a request may pass. One
 * background coroutine asks PostgreSQL for the list's revision now and then;
 * when it has moved on, only what has changed since is read, and the new list
 * is built on the thread pool while requests go by the old one.
 *
 * A worker that has never read the rules takes no requests. One that has and
 * loses PostgreSQL goes on with the rules it knows.
 */
#include <stdlib.h>
#include <string.h>

#include <kore/kore.h>

#include "guard/guard_priv.h"
#include "obs/obs.h"

#define START_WAIT_MS 1000  /* a request for the first reading */
#define RETRY_MS      100   /* until the first reading */
#define SYNC_MS       10000 /* one reading, at most */
#define TURN_MS       5
#define SWEEP_MS      10000 /* between builds for expired rules only */

static struct ruleset *current;
static bool reading, failing;
static int64_t built_ms;

struct build {
	const struct ruleset *old;
	struct network_rule *changes;
	uint32_t n, cap;
	int32_t revision;
	int64_t now_us;
	struct ruleset *made;
};

const struct ruleset *
rules_now(void)
{
	return (current);
}

bool
guard_network_ready(void)
{
	return (current != NULL);
}

static void
build_run(void *arg)
{
	struct build *b = arg;

	b->made = ruleset_new(b->old, b->changes, b->n, b->revision, b->now_us);
}

static void
destroy_run(void *arg)
{
	ruleset_destroy(arg);
}

/* Nobody keeps a pointer into the old list across an await. */
static co_fn enum res
replace(struct env *env, struct build *b)
{
	struct ruleset *old = current;

	b->now_us = time_now_us();
	if (pool_run(env, build_run, b) != RES_OK)
		return (RES_ERR);
	current = b->made;
	built_ms = time_mono_ms();
	metric_set(METRIC_NETWORK_RULES, current->n);
	metric_set(METRIC_NETWORK_RULES_REVISION, current->revision);
	if (old == NULL || old->revision != current->revision)
		log_event(LOG_LEVEL_INFO, "network.rules",
		    "network rules: revision %d with %u rules",
		    current->revision, current->n);
	/* Giving megabytes back takes its time as well. */
	if (old != NULL && pool_run(env, destroy_run, &old) != RES_OK) {
		err_clear(&env->err);
		ruleset_destroy(&old);
	}

	return (RES_OK);
}

static void
gather(struct build *b, const struct db_rows *rows, struct network_feed *feed)
{
	int n = db_count(rows);

	if (b->n + (uint32_t)n > b->cap) {
		b->cap = 2 * b->cap + (uint32_t)n;
		b->changes = realloc(b->changes, b->cap * sizeof(*b->changes));
		if (b->changes == NULL)
			fatal("network rules: no memory");
	}
	for (int i = 0; i < n; i++) {
		struct network_rule *r = &b->changes[b->n++];

		network_db_map_change(rows, i, r, &feed->revision);
		feed->id = r->id;
	}
	if (feed->revision > b->revision)
		b->revision = feed->revision;
}

/*
 * All pages of what changed after the revision known. A rule that is changed
 * meanwhile comes again on a later page, so the end of the last page is the
 * list as it was at that moment.
 */
static co_fn enum res
read_changes(int64_t deadline, struct build *b, struct network_feed *feed)
{
	struct db_rows *rows;
	struct env env; /* a page's rows are gone before the next one comes */
	enum res rc;
	int n;

	memset(feed->id.b, 0xff, sizeof(feed->id.b));
	do {
		env_init(&env, deadline);
		rc = network_db_changes(&env, feed, &rows);
		n = rc == RES_OK ? db_count(rows) : 0;
		if (rc == RES_OK)
			gather(b, rows, feed);
		env_done(&env);
	} while (n == NETWORK_FEED_ROWS);

	return (rc);
}

static co_fn enum res
follow(struct env *env)
{
	struct build b = { .old = current };
	struct network_feed feed = { .revision = 0 };
	enum res rc;

	if (network_db_revision(env, &b.revision) != RES_OK)
		return (RES_ERR);
	if (current != NULL && current->revision == b.revision) {
		if (current->next_expiry_us > time_now_us() ||
		    time_mono_ms() - built_ms < SWEEP_MS)
			return (RES_OK);
		return (replace(env, &b));
	}
	/* A database that was set back to an earlier state: read it anew. */
	if (current != NULL && current->revision < b.revision)
		feed.revision = feed.known = current->revision;
	else
		b.old = NULL;
	if (b.old == NULL)
		feed.known = b.revision;
	rc = read_changes(env->deadline, &b, &feed);
	if (rc == RES_OK)
		rc = replace(env, &b);
	else
		rc = err_fail(&env->err, PROBLEM_UNAVAILABLE,
		    "The network rules cannot be read just now.");
	free(b.changes);

	return (rc);
}

co_fn enum res
rules_sync(struct env *env)
{
	enum res rc;

	/* One at a time; who waits still asks anew: its change may be later. */
	while (reading && time_mono_ms() < env->deadline)
		co_sleep(TURN_MS);
	if (reading)
		return (err_fail(&env->err, PROBLEM_UNAVAILABLE,
		    "The network rules cannot be read just now."));
	reading = true;
	rc = follow(env);
	reading = false;

	return (rc);
}

static void
tell(const struct env *env, bool ok)
{
	if (ok != failing)
		return;
	failing = !ok;
	if (ok)
		log_event(LOG_LEVEL_INFO, "network.rules",
		    "the network rules are read again");
	else
		log_event(LOG_LEVEL_ERROR, "network.rules",
		    "the network rules cannot be read: %s", env->err.private);
}

static co_fn void
follower(void *arg UNUSED)
{
	struct env env;
	bool ok;

	for (;;) {
		env_init(&env, time_mono_ms() + SYNC_MS);
		ok = rules_sync(&env) == RES_OK;
		if (!ok)
			metric_add(METRIC_NETWORK_RULES_FAILURES, 1);
		tell(&env, ok);
		env_done(&env);
		co_sleep(current != NULL ?
			     setting_int(SETTING_NETWORK_RULES_POLL_MS) :
			     RETRY_MS);
	}
}

void
iplist_init(void)
{
	if (co_spawn("network-rules", follower, NULL) != RES_OK)
		fatal("network rules: cannot start to follow them");
}

/* ---- requests --------------------------------------------------------- */

static bool
is_health(const struct ctx *cx)
{
	return (strncmp(cx->path, "/health/", 8) == 0);
}

static co_fn enum res
wait_for_rules(struct ctx *cx)
{
	int64_t until = time_mono_ms() + START_WAIT_MS;

	while (current == NULL && time_mono_ms() < until &&
	       time_mono_ms() < cx->env.deadline)
		co_sleep(TURN_MS);
	if (current != NULL)
		return (RES_OK);
	err_private(&cx->env.err, "the network rules have not been read");
	cx->env.err.retry_after = 1;

	return (err_fail(&cx->env.err, PROBLEM_UNAVAILABLE,
	    "The server does not know yet whom to let in."));
}

static bool
admitted(const struct ctx *cx)
{
	static const struct netaddr unknown;
	const struct network_rule *rule;

	/* Nobody's address is in no rule: not even in "allow". */
	if (memcmp(&cx->client, &unknown, sizeof(unknown)) == 0)
		return (current->n == 0);
	rule = ruleset_decide(current, &cx->client, time_now_us());

	return (rule == NULL || rule->allow);
}

co_fn enum res
guard_network(struct ctx *cx)
{
	if (ctx_direct_loopback(cx) &&
	    (is_health(cx) || strcmp(cx->path, "/metrics") == 0))
		return (RES_OK);
	if (cx->forwarded_wrong) {
		denial_note(DENIAL_MALFORMED, &cx->client);
		return (err_fail(&cx->env.err, PROBLEM_MALFORMED_REQUEST,
		    "The proxy's header that names the client cannot be "
		    "read."));
	}
	if (current == NULL && is_health(cx))
		return (RES_OK);
	if (current == NULL && wait_for_rules(cx) != RES_OK)
		return (RES_ERR);
	if (admitted(cx))
		return (RES_OK);
	denial_note(DENIAL_NETWORK, &cx->client);

	return (err_fail(&cx->env.err, PROBLEM_NETWORK_DENIED,
	    "A network rule keeps your address out."));
}
