/*
 * Refusals of nobody known, gathered by kind and network. Noting one costs a
 * counter and a hash look-up. A background coroutine makes audit rows of them
 * once a minute, by the clock, so that the rows of all workers are of the
 * same minute.
 *
 * While PostgreSQL is away the rows that are on their way are tried again and
 * the table goes on counting: its rows then cover more than a minute, and say
 * so, but nothing is lost and nothing grows. Each row has its id from the
 * first try on, so one that got through unnoticed is not there twice.
 */
#include <inttypes.h>
#include <string.h>

#include <kore/kore.h>

#include "audit/audit.h"
#include "guard/guard_priv.h"
#include "obs/obs.h"

#define RETRY_MS     500
#define RETRY_MAX_MS 30000

static const struct {
	const char *name;
	enum metric metric;
} kinds[DENIAL_MAX] = {
	[DENIAL_MALFORMED] = { "malformed", METRIC_DENIALS_MALFORMED },
	[DENIAL_NETWORK] = { "network", METRIC_DENIALS_NETWORK },
	[DENIAL_RATE] = { "rate", METRIC_DENIALS_RATE },
	[DENIAL_UNAUTHENTICATED] = { "unauthenticated",
	    METRIC_DENIALS_UNAUTHENTICATED },
	[DENIAL_SIGNATURE] = { "signature", METRIC_DENIALS_SIGNATURE },
	[DENIAL_THROTTLED] = { "throttled", METRIC_DENIALS_THROTTLED },
};

static struct denial_table table;
static struct denial_row sending[DENIAL_TAKE];
static unsigned nsending;
static struct wait *idle; /* the flusher waits for its time */
static bool ready;

void
denial_note(enum denial kind, const struct netaddr *who)
{
	metric_add(kinds[kind].metric, 1);
	if (ready)
		denial_table_add(&table, kind, who, time_now_us());
}

/* {"kind", "network", "count", "from", "to"} */
static const char *
detail(struct env *env, const struct denial_row *row, const char *network)
{
	struct json_out *o = json_out_new(env->arena);
	const char *text;
	size_t len;

	json_obj(o);
	json_kstr(o, "kind", kinds[row->kind].name);
	json_kstr(o, "network", network);
	json_kint(o, "count", (int64_t)row->count);
	json_ktime(o, "from", row->from_us);
	json_ktime(o, "to", row->to_us);
	json_obj_end(o);
	json_finish(o, &text, &len);

	return (text);
}

static void
event_of(struct env *env, const struct denial_row *row, struct audit_event *ev)
{
	static const struct netaddr unknown;
	char text[NETBLOCK_STRLEN + 1], address[NETADDR_STRLEN + 1];
	const char *network = "others";

	memset(ev, 0, sizeof(*ev));
	ev->id = row->id;
	ev->at_us = row->to_us;
	ev->action = "access.denied";
	ev->outcome = AUDIT_DENIED;
	ev->actor_kind = "anonymous";
	if (!row->others &&
	    memcmp(&row->network.addr, &unknown, sizeof(unknown)) == 0) {
		network = "unknown";
	} else if (!row->others) {
		netblock_format(&row->network, text);
		netaddr_format(&row->network.addr, address);
		ev->client_ip = arena_strdup(env->arena, address);
		network = text;
	}
	ev->detail = detail(env, row, network);
}

/* What is not durable stays in sending. */
static co_fn void
send_rows(void)
{
	struct audit_event *events;
	struct env env;
	bool *durable;
	unsigned left = 0;

	env_init(&env, DEADLINE_NONE); /* the statements have their own */
	events = arena_alloc(env.arena, nsending * sizeof(*events));
	durable = arena_alloc(env.arena, nsending * sizeof(*durable));
	for (unsigned i = 0; i < nsending; i++)
		event_of(&env, &sending[i], &events[i]);
	audit_append_system(&env, events, nsending, durable);
	for (unsigned i = 0; i < nsending; i++) {
		if (!durable[i])
			sending[left++] = sending[i];
	}
	nsending = left;
	env_done(&env);
}

/* Milliseconds until the next whole period of the wall clock. */
static int64_t
until_tick(void)
{
	int64_t period = setting_int(SETTING_DENIALS_FLUSH_S) * 1000;

	return (period - time_now_us() / 1000 % period);
}

static co_fn void
pause_for(int64_t ms)
{
	struct wait w;

	wait_init(&w);
	idle = &w;
	(void)wait_for(&w, time_mono_ms() + ms);
	idle = NULL;
}

static co_fn void
flusher(void *arg UNUSED)
{
	int64_t retry = RETRY_MS;

	for (;;) {
		pause_for(nsending > 0 ? retry : until_tick());
		if (nsending == 0)
			nsending = denial_table_take(&table, sending);
		if (nsending == 0)
			continue;
		send_rows();
		retry = nsending == 0 || loop_draining() ? RETRY_MS : retry * 2;
		if (retry > RETRY_MAX_MS)
			retry = RETRY_MAX_MS;
	}
}

/* For drain: waits neither for the minute to end nor for a late retry. */
static unsigned
pending(void)
{
	unsigned n = nsending + denial_table_count(&table);
	static bool hurried;

	if (n > 0 && idle != NULL && (nsending == 0 || !hurried)) {
		hurried = true;
		wait_signal(idle);
	}

	return (n);
}

void
denials_init(void)
{
	denial_table_init(&table);
	ready = true;
	if (co_spawn("denials", flusher, NULL) != RES_OK)
		fatal("denials: cannot start the flusher");
	drain_probe("denial rows", pending);
}
