/*
 * Dedicated connections: for single writing statements and for transactions,
 * handed out first come, first served. Writes never share a pipeline with
 * reads: one commit's flush to disk would hold up every read behind it.
 *
 * A transaction remembers the connection's generation: after a reconnect in
 * its middle the rest would run, and commit, outside it.
 */
#include <assert.h>
#include <string.h>

#include "io/io_priv.h"

struct db_tx {
	struct env *env;
	struct db_conn *conn;
	unsigned gen;
	bool open, failed;
};

static struct db_conn writers[32];
static struct db_waiters waiting = TAILQ_HEAD_INITIALIZER(waiting);

void
db_write_init(void)
{
	for (int i = 0; i < db_cfg.nwrite; i++)
		db_conn_init(&writers[i], DB_WRITE);
}

void
db_write_ready(struct db_conn *c)
{
	struct db_waiter *w;

	if (c->busy || c->nops > 0 || c->state != DB_READY ||
	    (w = TAILQ_FIRST(&waiting)) == NULL)
		return;
	TAILQ_REMOVE(&waiting, w, entry);
	c->busy = true;
	w->conn = c;
	w->gen = c->gen;
	wait_signal(&w->wait);
}

static struct db_conn *
writer_idle(void)
{
	for (int i = 0; i < db_cfg.nwrite; i++) {
		/* One whose last statement was given up still runs it. */
		if (!writers[i].busy && writers[i].nops == 0 &&
		    writers[i].state == DB_READY)
			return (&writers[i]);
	}
	return (NULL);
}

static bool
writer_any_up(void)
{
	for (int i = 0; i < db_cfg.nwrite; i++) {
		if (writers[i].state == DB_READY)
			return (true);
	}
	return (false);
}

co_fn struct db_conn *
db_write_get(struct env *env, unsigned *gen)
{
	struct db_conn *c = writer_idle();
	struct db_waiter w = { .conn = NULL };
	int64_t limit;

	if (c != NULL && TAILQ_EMPTY(&waiting)) {
		c->busy = true;
		*gen = c->gen;
		return (c);
	}
	/* Behind others wait for one's turn; with PostgreSQL away, briefly. */
	limit = time_mono_ms() +
		(writer_any_up() ? db_cfg.timeout_ms : WAIT_FOR_CONN_MS);
	if (limit > env->deadline)
		limit = env->deadline;
	wait_init(&w.wait);
	TAILQ_INSERT_TAIL(&waiting, &w, entry);
	if (wait_for(&w.wait, limit) != RES_OK) {
		TAILQ_REMOVE(&waiting, &w, entry);
		(void)db_unavailable(env, "no connection for a write");
		return (NULL);
	}
	if (w.conn->gen != w.gen || w.conn->state != DB_READY) {
		db_write_put(w.conn, w.gen);
		(void)db_unavailable(env, "connection lost");
		return (NULL);
	}
	*gen = w.gen;
	return (w.conn);
}

void
db_write_put(struct db_conn *c, unsigned gen UNUSED)
{
	c->busy = false;
	if (c->state == DB_READY)
		db_write_ready(c);
}

void
db_write_stats(struct db_stats *out)
{
	struct db_waiter *w;

	out->writes_ready = 0;
	for (int i = 0; i < db_cfg.nwrite; i++)
		out->writes_ready += writers[i].state == DB_READY;
	TAILQ_FOREACH (w, &waiting, entry)
		out->waiting++;
}

static bool
tx_live(const struct db_tx *tx)
{
	return (tx->conn->gen == tx->gen && tx->conn->state == DB_READY);
}

/* An abandoned transaction cannot wait for ROLLBACK: the connection goes. */
static void
tx_abandon(void *arg)
{
	struct db_tx *tx = arg;

	if (!tx->open)
		return;
	tx->open = false;
	if (tx_live(tx))
		db_conn_lost(tx->conn, "a transaction was abandoned");
	db_write_put(tx->conn, tx->gen);
}

static co_fn enum res
tx_run(struct env *env, struct db_tx *tx, const char *stmt, const char *sql,
    struct db_args *a, struct db_rows **rows)
{
	struct db_op *op;
	enum res rc;

	*rows = NULL;
	if (!tx->open || tx->failed || !tx_live(tx)) {
		tx->failed = true;
		return (db_unavailable(env, "transaction lost"));
	}
	rc = db_send(env, tx->conn, stmt, sql, a, &op);
	if (rc == RES_OK)
		rc = db_op_wait(env, op, rows);
	if (rc != RES_OK)
		tx->failed = true;
	return (rc);
}

co_fn enum res
db_begin(struct env *env, struct db_tx **out)
{
	struct db_tx *tx = arena_alloc(env->arena, sizeof(*tx));
	struct db_rows *rows;

	*out = NULL;
	if ((tx->conn = db_write_get(env, &tx->gen)) == NULL)
		return (RES_ERR);
	tx->env = env;
	tx->open = true;
	arena_defer(env->arena, tx_abandon, tx);
	if (tx_run(env, tx, NULL, "BEGIN", NULL, &rows) != RES_OK)
		return (RES_ERR);
	*out = tx;
	return (RES_OK);
}

co_fn enum res
db_tx_exec(struct env *env, struct db_tx *tx, struct db_stmt *s,
    struct db_args *a, struct db_rows **rows)
{
	return (tx_run(env, tx, s->name, NULL, a, rows));
}

co_fn enum res
db_commit(struct env *env, struct db_tx *tx)
{
	struct db_rows *rows;
	enum res rc;

	rc = tx_run(env, tx, NULL, "COMMIT", NULL, &rows);
	if (rc != RES_OK)
		return (rc);
	tx->open = false;
	db_write_put(tx->conn, tx->gen);
	return (RES_OK);
}

co_fn void
db_rollback(struct env *env, struct db_tx *tx)
{
	struct err kept = env->err;
	char sqlstate[sizeof(env->sqlstate)];
	struct db_rows *rows;

	if (tx == NULL || !tx->open)
		return;
	memcpy(sqlstate, env->sqlstate, sizeof(sqlstate));
	tx->failed = false;
	if (tx_live(tx) &&
	    tx_run(env, tx, NULL, "ROLLBACK", NULL, &rows) != RES_OK &&
	    tx_live(tx))
		db_conn_lost(tx->conn, "ROLLBACK failed");
	tx->open = false;
	db_write_put(tx->conn, tx->gen);
	env->err = kept; /* the cause matters, not the rollback */
	memcpy(env->sqlstate, sqlstate, sizeof(sqlstate));
}
