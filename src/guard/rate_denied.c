/*
 * Refusals by a rate limit, of somebody who is known. The first of a
 * principal and class within a minute has a durable audit row before its
 * reply, like any denial. A client that goes on asking must not become a
 * flood of rows: the others of that minute are counted here, and one row
 * tells how many they were when it is over.
 *
 * A worker that is killed loses the counts of its last minute, not the first
 * rows.
 */
#include <string.h>

#include <kore/kore.h>

#include "audit/audit.h"
#include "guard/guard.h"

#define ROWS      512 /* principals at a time; past it every refusal has a row */
#define WINDOW_US INT64_C(60000000)
#define TURN_MS   1000

struct row {
	struct uuid id; /* of the audit row to come; nil: free */
	struct uuid actor, key;
	enum rate_class class;
	uint64_t count; /* beyond the first */
	int64_t from_us, to_us;
};

static struct row rows[ROWS];
static unsigned used;
static struct wait *idle; /* the writer waits for its turn */

static struct row *
find(const struct ctx *cx)
{
	for (unsigned i = 0; i < ROWS; i++) {
		struct row *r = &rows[i];

		if (!uuid_is_nil(&r->id) && r->class == cx->ep->rate &&
		    uuid_equal(&r->actor, &cx->actor_id) &&
		    uuid_equal(&r->key, &cx->key_id))
			return (r);
	}
	return (NULL);
}

static void
begin(const struct ctx *cx)
{
	for (unsigned i = 0; used < ROWS && i < ROWS; i++) {
		struct row *r = &rows[i];

		if (!uuid_is_nil(&r->id))
			continue;
		uuid_v7(&r->id);
		r->actor = cx->actor_id;
		r->key = cx->key_id;
		r->class = cx->ep->rate;
		r->count = 0;
		r->from_us = r->to_us = cx->now_us;
		used++;
		return;
	}
}

bool
rate_denied(struct ctx *cx)
{
	struct row *r = find(cx);

	if (r == NULL || cx->now_us - r->from_us >= WINDOW_US) {
		if (r == NULL)
			begin(cx);
		return (true);
	}
	r->count++;
	r->to_us = cx->now_us;
	return (false);
}

/* {"kind", "class", "key", "count", "from", "to"} */
static const char *
detail(struct env *env, const struct row *r)
{
	struct json_out *o = json_out_new(env->arena);
	const char *text;
	size_t len;

	json_obj(o);
	json_kstr(o, "kind", "rate");
	json_kstr(o, "class", rate_class_name(r->class));
	if (!uuid_is_nil(&r->key))
		json_kuuid(o, "key", &r->key);
	json_kint(o, "count", (int64_t)r->count);
	json_ktime(o, "from", r->from_us);
	json_ktime(o, "to", r->to_us);
	json_obj_end(o);
	json_finish(o, &text, &len);
	return (text);
}

static co_fn bool
write_row(const struct row *r)
{
	struct audit_event ev = { .id = r->id,
		.at_us = r->to_us,
		.action = "access.denied",
		.outcome = AUDIT_DENIED,
		.actor_kind = "user",
		.actor_id = r->actor };
	struct env env;
	bool durable;

	env_init(&env, DEADLINE_NONE); /* the statement has its own */
	ev.detail = detail(&env, r);
	audit_append_system(&env, &ev, 1, &durable);
	env_done(&env);
	return (durable);
}

/* Rows whose minute is over, or all of them when the worker is to end. One
 * that did not become durable stays for the next turn; what is counted while
 * it is on its way is kept for another row. */
static co_fn void
sweep(void)
{
	for (unsigned i = 0; i < ROWS && used > 0; i++) {
		struct row *r = &rows[i], sent = *r;

		if (uuid_is_nil(&r->id) ||
		    (time_now_us() - r->from_us < WINDOW_US &&
			!loop_draining()))
			continue;
		if (sent.count > 0 && !write_row(&sent))
			continue;
		if (r->count > sent.count) {
			uuid_v7(&r->id);
			r->count -= sent.count;
			r->from_us = sent.to_us;
			continue;
		}
		memset(r, 0, sizeof(*r));
		used--;
	}
}

static co_fn void
writer(void *arg UNUSED)
{
	struct wait w;

	for (;;) {
		wait_init(&w);
		idle = &w;
		(void)wait_for(&w, time_mono_ms() + TURN_MS);
		idle = NULL;
		sweep();
	}
}

/* For drain: the minutes under way end now. */
static unsigned
pending(void)
{
	static bool hurried;

	if (used > 0 && idle != NULL && !hurried) {
		hurried = true;
		wait_signal(idle);
	}
	return (used);
}

void
rate_denied_init(void)
{
	if (co_spawn("rate-denied", writer, NULL) != RES_OK)
		fatal("rate: cannot start the writer of refusals");
	drain_probe("rate denials", pending);
}
