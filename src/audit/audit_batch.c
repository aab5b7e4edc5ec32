/*
 * The group commit. A flush to disk costs about 350 us, and pipelined
 * statements commit one after the other, so a durable row per read would cap
 * a connection near 2,000 reads a second. Instead a worker's rows gather
 * while the previous batch is on its way, go out as one INSERT, and every
 * reply waits for the batch that holds its row.
 *
 * One background coroutine flushes. A batch the database refuses is tried
 * again row by row, so that one bad row fails one request.
 */
#include <stdlib.h>
#include <string.h>

#include <kore/kore.h>

#include "audit/audit_priv.h"
#include "obs/obs.h"

static struct audit_tickets queue = TAILQ_HEAD_INITIALIZER(queue);
static unsigned queued, flying;
static struct wait *idle; /* the flusher has no work */

static void
ticket_free(struct audit_ticket *t)
{
	if (t->queued || t->held)
		return;
	free(t->detail);
	free(t);
}

static void
ticket_release(void *arg)
{
	struct audit_ticket *t = arg;

	t->held = false;
	t->wait = NULL;
	ticket_free(t);
}

static struct audit_ticket *
ticket_new(const struct audit_event *ev)
{
	struct audit_ticket *t = calloc(1, sizeof(*t));

	if (t == NULL)
		fatal("audit: no memory");
	t->ev = *ev;
	(void)snprintf(t->action, sizeof(t->action), "%s", ev->action);
	t->ev.action = t->action;
	if (ev->object_type != NULL) {
		(void)snprintf(t->object_type, sizeof(t->object_type), "%s",
		    ev->object_type);
		t->ev.object_type = t->object_type;
	}
	if (ev->detail != NULL) {
		if ((t->detail = strdup(ev->detail)) == NULL)
			fatal("audit: no memory");
		t->ev.detail = t->detail;
	}
	if (ev->client_ip != NULL) {
		(void)snprintf(
		    t->client_ip, sizeof(t->client_ip), "%s", ev->client_ip);
		t->ev.client_ip = t->client_ip;
	}
	t->held = t->queued = true;
	return (t);
}

static struct audit_ticket *
enqueue(struct env *env, const struct audit_event *ev)
{
	struct audit_ticket *t = ticket_new(ev);

	arena_defer(env->arena, ticket_release, t);
	TAILQ_INSERT_TAIL(&queue, t, entry);
	queued++;
	if (idle != NULL)
		wait_signal(idle);
	return (t);
}

enum res
audit_start(
    struct ctx *cx, const struct audit_event *ev, struct audit_ticket **out)
{
	*out = enqueue(&cx->env, ev);
	return (RES_OK);
}

static co_fn bool
settled(struct audit_ticket *t, int64_t deadline)
{
	struct wait w;

	wait_init(&w);
	t->wait = &w;
	if (!t->done)
		(void)wait_for(&w, deadline);
	t->wait = NULL;
	return (t->done && t->durable);
}

co_fn enum res
audit_wait(struct ctx *cx, struct audit_ticket *t)
{
	if (settled(t, cx->env.deadline))
		return (RES_OK);
	metric_add(METRIC_AUDIT_FAILURES, 1);
	err_private(&cx->env.err, "no durable audit row");
	cx->env.err.retry_after = 1;
	return (err_fail(&cx->env.err, PROBLEM_UNAVAILABLE,
	    "The access cannot be recorded just now, so it is refused."));
}

co_fn enum res
audit_append(struct ctx *cx, const struct audit_event *ev)
{
	struct audit_ticket *t;

	if (audit_start(cx, ev, &t) != RES_OK)
		return (RES_ERR);
	return (audit_wait(cx, t));
}

co_fn void
audit_append_system(struct env *env, const struct audit_event *events,
    unsigned n, bool *durable)
{
	struct audit_ticket **tickets;

	tickets = arena_alloc(env->arena, n * sizeof(*tickets));
	for (unsigned i = 0; i < n; i++)
		tickets[i] = enqueue(env, &events[i]);
	for (unsigned i = 0; i < n; i++)
		durable[i] = settled(tickets[i], env->deadline);
}

static void
ticket_done(struct audit_ticket *t, bool durable)
{
	flying--;
	t->queued = false;
	t->done = true;
	t->durable = durable;
	if (t->wait != NULL)
		wait_signal(t->wait);
	ticket_free(t);
}

static unsigned
batch_take(struct audit_ticket **batch)
{
	struct audit_ticket *t;
	unsigned n = 0;

	while (n < AUDIT_BATCH_MAX && (t = TAILQ_FIRST(&queue)) != NULL) {
		TAILQ_REMOVE(&queue, t, entry);
		batch[n++] = t;
	}
	queued -= n;
	flying += n;
	return (n);
}

/* A row alone whose id is there already is an earlier try that got through. */
static co_fn bool
insert(struct audit_ticket *const *batch, unsigned n, bool *refused)
{
	struct env env;
	enum res rc;

	env_init(&env, DEADLINE_NONE); /* the statement has its own */
	rc = audit_db_insert(&env, batch, n);
	if (rc != RES_OK && n == 1 && strcmp(db_sqlstate(&env), "23505") == 0)
		rc = RES_OK;
	*refused = rc != RES_OK && env.err.problem == PROBLEM_INTERNAL;
	if (rc != RES_OK)
		log_event(LOG_LEVEL_ERROR, "audit.flush",
		    "%u audit rows were not written: %s", n, env.err.private);
	env_done(&env);
	return (rc == RES_OK);
}

static co_fn void
batch_flush(struct audit_ticket **batch, unsigned n)
{
	int64_t start = time_mono_us();
	bool refused, ok = insert(batch, n, &refused);

	metric_observe(METRIC_AUDIT_FLUSH_SECONDS, time_mono_us() - start);
	metric_observe(METRIC_AUDIT_BATCH_ROWS, n);
	if (ok)
		metric_add(METRIC_AUDIT_ROWS, n);
	for (unsigned i = 0; i < n; i++) {
		bool one = ok, ignored;

		if (!ok && refused && n > 1)
			one = insert(&batch[i], 1, &ignored);
		if (one && !ok)
			metric_add(METRIC_AUDIT_ROWS, 1);
		ticket_done(batch[i], one);
	}
}

static co_fn void
flusher(void *arg UNUSED)
{
	struct audit_ticket *batch[AUDIT_BATCH_MAX];
	struct wait w;
	unsigned n;

	for (;;) {
		wait_init(&w);
		idle = &w;
		if (TAILQ_EMPTY(&queue))
			(void)wait_for(&w, DEADLINE_NONE);
		idle = NULL;
		if ((n = batch_take(batch)) > 0)
			batch_flush(batch, n);
	}
}

unsigned
audit_pending(void)
{
	return (queued + flying);
}

void
audit_init(void)
{
	if (co_spawn("audit-flush", flusher, NULL) != RES_OK)
		fatal("audit: cannot start the flusher");
	drain_probe("audit rows", audit_pending);
}
