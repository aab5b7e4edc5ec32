/*
 * Statements: sent over the least loaded shared connection (reads) or over a
 * dedicated one (writes), each followed by its own Sync, so that each is its
 * own transaction and an error touches no other.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "io/io_priv.h"
#include "obs/obs.h"

struct db_config db_cfg;
struct db_stmt *db_stmts;
struct db_stats db_counters;

static struct db_conn readers[16];
static unsigned in_flight;
static struct db_waiters waiting = TAILQ_HEAD_INITIALIZER(waiting);

void
db_register(struct db_stmt *s)
{
	s->next = db_stmts;
	db_stmts = s;
}

void
db_init(const struct db_config *cfg)
{
	db_cfg = *cfg;
	for (int i = 0; i < cfg->nread; i++)
		db_conn_init(&readers[i], DB_READ);
	db_write_init();
}

struct db_op *
db_op_new(const char *name)
{
	struct db_op *op = calloc(1, sizeof(*op));

	if (op == NULL)
		fatal("db: no memory");
	op->name = name;
	op->held = true;
	op->started_us = time_mono_us();
	return (op);
}

static void
op_free(struct db_op *op)
{
	if (op->queued || op->held)
		return;
	if (op->res != NULL)
		PQclear(op->res);
	free(op);
}

static void
op_release(void *arg)
{
	struct db_op *op = arg;

	op->held = false;
	op->wait = NULL;
	op_free(op);
}

static void
op_queue(struct db_conn *c, struct db_op *op)
{
	TAILQ_INSERT_TAIL(&c->ops, op, entry);
	op->queued = true;
	op->conn = c;
	c->nops++;
	in_flight++;
}

/* The end of a loop's turn: one Sync, one write, for all reads of it. */
static void
reads_flush(void *arg)
{
	struct db_conn *c = arg;
	struct db_op *op;

	if (c->state != DB_READY || c->unsynced == 0)
		return;
	c->unsynced = 0;
	op = db_op_new("sync");
	op->held = false;
	op->marker = true;
	op_queue(c, op);
	(void)PQpipelineSync(c->pg);
	(void)db_conn_flush(c);
}

void
db_op_push(struct db_conn *c, struct db_op *op)
{
	op_queue(c, op);
	if (c->kind == DB_READ && !op->prepares) {
		c->unsynced++;
		c->flush.fn = reads_flush;
		c->flush.arg = c;
		loop_defer(&c->flush);
		return;
	}
	(void)PQpipelineSync(c->pg);
	(void)db_conn_flush(c);
}

void
db_op_again(struct db_conn *c, struct db_op *op)
{
	const struct db_args *a = op->args;

	if (!op->held || a == NULL ||
	    !PQsendQueryPrepared(
		c->pg, op->name, a->n, a->v, a->len, a->fmt, 1)) {
		op->lost = true;
		db_op_unqueue(c, op);
		return;
	}
	TAILQ_REMOVE(&c->ops, op, entry);
	c->nops--;
	in_flight--;
	db_op_push(c, op);
}

void
db_op_unqueue(struct db_conn *c, struct db_op *op)
{
	TAILQ_REMOVE(&c->ops, op, entry);
	c->nops--;
	in_flight--;
	op->queued = false;
	op->done = true;
	if (op->wait != NULL)
		wait_signal(op->wait);
	op_free(op);
	if (c->kind == DB_WRITE)
		db_write_ready(c); /* free again, if nobody holds it */
}

enum res
db_unavailable(struct env *env, const char *why)
{
	err_private(&env->err, "PostgreSQL: %s", why);
	env->err.retry_after = 1;
	return (err_fail(&env->err, PROBLEM_UNAVAILABLE,
	    "The database cannot be reached; nothing was changed unless a "
	    "write was under way."));
}

/* Sends a prepared statement (or sql) on c. */
enum res
db_send(struct env *env, struct db_conn *c, const char *stmt, const char *sql,
    struct db_args *a, struct db_op **out)
{
	struct db_op *op;
	int ok;

	if (a == NULL) {
		a = arena_alloc(env->arena, sizeof(*a));
		db_args(a, env);
	} else {
		/* Kept for db_op_again(); the values are in the arena. */
		a = arena_memdup(env->arena, a, sizeof(*a));
	}
	ok =
	    sql != NULL ?
		PQsendQueryParams(c->pg, sql, 0, NULL, NULL, NULL, NULL, 1) :
		PQsendQueryPrepared(c->pg, stmt, a->n, a->v, a->len, a->fmt, 1);
	if (!ok) {
		db_conn_lost(c, "sending failed");
		return (db_unavailable(env, "sending failed"));
	}
	db_counters.statements++;
	op = db_op_new(stmt != NULL ? stmt : sql);
	op->args = a;
	arena_defer(env->arena, op_release, op);
	db_op_push(c, op); /* a loss is seen by the waiter */
	*out = op;
	return (RES_OK);
}

/*
 * Waits for the op. The server's statement_timeout is shorter: past the
 * deadline it is late, or answers nothing at all. The pipeline is left alone, a
 * result finds nobody, and the connection has a watch of its own.
 */
static co_fn enum res
op_await(struct env *env, struct db_op *op)
{
	int64_t limit = op->started_us / 1000 + db_cfg.timeout_ms;
	struct wait w;
	enum res rc;

	if (op->done)
		return (RES_OK);
	wait_init(&w);
	op->wait = &w;
	rc = wait_for(&w, limit < env->deadline ? limit : env->deadline);
	op->wait = NULL;
	if (rc == RES_OK)
		return (RES_OK);
	db_counters.timeouts++;
	return (db_unavailable(env, "deadline"));
}

co_fn enum res
db_op_wait(struct env *env, struct db_op *op, struct db_rows **out)
{
	PGresult *res;

	*out = NULL;
	if (op_await(env, op) != RES_OK)
		return (RES_ERR);
	if (op->lost || op->res == NULL)
		return (db_unavailable(env, "connection lost"));
	metric_observe(METRIC_DB_SECONDS, time_mono_us() - op->started_us);
	res = op->res;
	op->res = NULL;
	switch (PQresultStatus(res)) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		*out = db_rows_new(env, res);
		return (RES_OK);
	default:
		return (db_rows_error(env, res, op->name));
	}
}

static struct db_conn *
reader_pick(void)
{
	struct db_conn *best = NULL;

	for (int i = 0; i < db_cfg.nread; i++) {
		if (readers[i].state != DB_READY)
			continue;
		if (best == NULL || readers[i].nops < best->nops)
			best = &readers[i];
	}
	return (best);
}

/* Wakes everybody who waits for a reader; they pick anew. */
void
db_conn_ready(struct db_conn *c)
{
	struct db_waiter *w;

	if (c->kind == DB_WRITE) {
		db_write_ready(c);
		return;
	}
	while ((w = TAILQ_FIRST(&waiting)) != NULL) {
		TAILQ_REMOVE(&waiting, w, entry);
		w->conn = c;
		wait_signal(&w->wait);
	}
}

/* While PostgreSQL restarts, a bounded wait serves better than a 503. */
static co_fn struct db_conn *
reader_get(struct env *env)
{
	struct db_conn *c = reader_pick();
	struct db_waiter w = { .conn = NULL };
	int64_t limit = time_mono_ms() + WAIT_FOR_CONN_MS;

	if (c != NULL || co_self() == NULL)
		return (c);
	wait_init(&w.wait);
	TAILQ_INSERT_TAIL(&waiting, &w, entry);
	if (wait_for(&w.wait, limit < env->deadline ? limit : env->deadline) !=
	    RES_OK)
		TAILQ_REMOVE(&waiting, &w, entry);
	return (reader_pick());
}

co_fn enum res
db_start(
    struct env *env, struct db_stmt *s, struct db_args *a, struct db_op **op)
{
	struct db_conn *c;

	assert(s->kind == DB_READ);
	*op = NULL;
	if ((c = reader_get(env)) == NULL)
		return (db_unavailable(env, "no connection"));
	return (db_send(env, c, s->name, NULL, a, op));
}

co_fn enum res
db_wait(struct env *env, struct db_op *op, struct db_rows **rows)
{
	return (db_op_wait(env, op, rows));
}

co_fn enum res
db_exec(struct env *env, struct db_stmt *s, struct db_args *a,
    struct db_rows **rows)
{
	struct db_conn *c;
	struct db_op *op;
	unsigned gen;
	enum res rc;

	*rows = NULL;
	if (s->kind == DB_READ) {
		if (db_start(env, s, a, &op) != RES_OK)
			return (RES_ERR);
		return (db_wait(env, op, rows));
	}
	if (env->tx != NULL)
		return (db_tx_exec(env, env->tx, s, a, rows));
	if ((c = db_write_get(env, &gen)) == NULL)
		return (RES_ERR);
	rc = db_send(env, c, s->name, NULL, a, &op);
	if (rc == RES_OK)
		rc = db_op_wait(env, op, rows);
	db_write_put(c, gen);
	return (rc);
}

bool
db_ready(void)
{
	return (reader_pick() != NULL);
}

void
db_stats(struct db_stats *out)
{
	struct db_waiter *w;

	*out = db_counters;
	out->in_flight = in_flight;
	out->waiting = 0;
	out->reads_ready = 0;
	TAILQ_FOREACH (w, &waiting, entry)
		out->waiting++;
	for (int i = 0; i < db_cfg.nread; i++)
		out->reads_ready += readers[i].state == DB_READY;
	db_write_stats(out);
}
