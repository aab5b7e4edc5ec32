/*
 * One connection to PostgreSQL, driven by Kore's events in libpq's pipeline
 * mode: connect without blocking, prepare every statement of its kind, hand
 * results to the operations in order, and come back by itself when lost.
 *
 * libpq may see the end of file inside PQflush or PQsend*, and close the
 * socket: epoll then never reports it, so the status is looked at after every
 * send. A connection whose PREPARE failed (the schema is not there yet) is
 * dropped and tried again, never used.
 */
#include <sys/epoll.h>

#include <stdio.h>
#include <string.h>

#include "io/io_priv.h"
#include "obs/obs.h"

#define CONNECT_TIMEOUT_MS 5000

static void conn_start(void *);
static void conn_event(void *, int);

void
db_conn_init(struct db_conn *c, enum db_kind kind)
{
	memset(c, 0, sizeof(*c));
	TAILQ_INIT(&c->ops);
	c->evt.handle = conn_event;
	c->kind = kind;
	c->state = DB_DOWN;
	c->backoff_ms = RECONNECT_MIN_MS;
	conn_start(c);
}

static void
conn_register(struct db_conn *c, int events)
{
	if (c->events == events)
		return;
	c->events = events;
	kore_platform_event_schedule(PQsocket(c->pg), events, 0, c);
}

static void
conn_fail_ops(struct db_conn *c)
{
	struct db_op *op;

	while ((op = TAILQ_FIRST(&c->ops)) != NULL) {
		op->lost = true;
		db_op_unqueue(c, op);
	}
}

void
db_conn_lost(struct db_conn *c, const char *why)
{
	if (c->state == DB_READY) {
		db_counters.losses++;
		log_event(LOG_LEVEL_WARN, "db.lost",
		    "a connection to PostgreSQL was lost: %s", why);
	}
	c->gen++;
	c->state = DB_DOWN;
	c->events = 0;
	c->unsynced = 0;
	PQfinish(c->pg); /* closes the socket: epoll forgets it */
	c->pg = NULL;
	timer_cancel(&c->watch);
	conn_fail_ops(c);
	timer_set(&c->retry, time_mono_ms() + c->backoff_ms, conn_start, c);
	c->backoff_ms *= 2;
	if (c->backoff_ms > RECONNECT_MAX_MS)
		c->backoff_ms = RECONNECT_MAX_MS;
}

static void
conn_slow(void *arg)
{
	db_conn_lost(arg, "connecting took too long");
}

static void
conn_open(struct db_conn *c, const char *address)
{
	char port[8], options[96];
	/* A NULL value (no address: a socket directory) is left out. */
	const char *keys[] = { "host", "hostaddr", "port", "dbname", "user",
		"password", "sslmode", "gssencmode", "passfile",
		"application_name", "options", "tcp_user_timeout",
		"keepalives_idle", NULL };
	const char *values[] = { db_cfg.host, address, port, db_cfg.name,
		db_cfg.user, db_cfg.password, db_cfg.sslmode, "disable",
		"/nonexistent", "eleusis", options, "10000", "10", NULL };

	(void)snprintf(port, sizeof(port), "%d", db_cfg.port);
	/* Sooner than the one who waits gives up, so that what he is told was
	 * not done is not done a moment later. */
	(void)snprintf(options, sizeof(options), "-c statement_timeout=%d%s",
	    db_cfg.timeout_ms - db_cfg.timeout_ms / 4,
	    c->kind == DB_READ ? " -c default_transaction_read_only=on" : "");
	c->pg = PQconnectStartParams(keys, values, 0);
	c->state = DB_CONNECTING;
	timer_set(&c->watch, time_mono_ms() + CONNECT_TIMEOUT_MS, conn_slow, c);
	if (c->pg == NULL || PQstatus(c->pg) == CONNECTION_BAD) {
		db_conn_lost(c, "cannot connect");
		return;
	}
	conn_register(c, EPOLLOUT);
}

/* A host name is resolved on the thread pool: the loop must not wait. */
static void
conn_resolve(void *arg)
{
	struct db_conn *c = arg;
	struct env env;
	char address[64];
	enum res rc;

	env_init(&env, time_mono_ms() + CONNECT_TIMEOUT_MS);
	rc = resolve_host(&env, db_cfg.host, address);
	if (c->state == DB_RESOLVING) {
		if (rc == RES_OK)
			conn_open(c, address);
		else
			db_conn_lost(c, "the host name does not resolve");
	}
	env_done(&env);
}

static void
conn_start(void *arg)
{
	struct db_conn *c = arg;

	if (db_cfg.host[0] == '/') {
		conn_open(c, NULL);
		return;
	}
	c->state = DB_RESOLVING;
	if (co_spawn("db-resolve", conn_resolve, c) != RES_OK)
		db_conn_lost(c, "no coroutine to resolve the host name");
}

bool
db_conn_flush(struct db_conn *c)
{
	int r = PQflush(c->pg);

	if (PQstatus(c->pg) == CONNECTION_BAD) {
		db_conn_lost(c, "the server closed the connection");
		return (false);
	}
	/* On a failed write the socket stays open and reading reports it. */
	if (r >= 0)
		conn_register(
		    c, EPOLLIN | EPOLLRDHUP | (r > 0 ? (int)EPOLLOUT : 0));
	return (true);
}

static void
conn_prepare(struct db_conn *c)
{
	struct db_op *op;

	c->state = DB_PREPARING;
	op = db_op_new("prepare");
	op->prepares = true;
	op->held = false;
	for (struct db_stmt *s = db_stmts; s != NULL; s = s->next) {
		/* A transaction may read as well. */
		if (c->kind == DB_READ && s->kind != DB_READ)
			continue;
		(void)PQsendPrepare(c->pg, s->name, s->sql, 0, NULL);
	}
	db_op_push(c, op);
}

static void
conn_poll(struct db_conn *c)
{
	int fd = PQsocket(c->pg);
	PostgresPollingStatusType st = PQconnectPoll(c->pg);

	if (PQsocket(c->pg) != fd) {
		/* Another address was tried: a new socket. */
		c->events = 0;
	}
	switch (st) {
	case PGRES_POLLING_READING:
		conn_register(c, EPOLLIN);
		break;
	case PGRES_POLLING_WRITING:
		conn_register(c, EPOLLOUT);
		break;
	case PGRES_POLLING_OK:
		PQsetnonblocking(c->pg, 1);
		PQenterPipelineMode(c->pg);
		conn_prepare(c);
		break;
	default:
		db_conn_lost(c, "connecting failed");
		break;
	}
}

/* A server that has not answered for more than twice its statement_timeout
 * will not: stopped, or cut off where TCP does not notice. */
static void
conn_watch(void *arg)
{
	struct db_conn *c = arg;
	const struct db_op *first = TAILQ_FIRST(&c->ops);
	int64_t now = time_mono_ms();

	if (first != NULL &&
	    now >= first->started_us / 1000 + 2 * db_cfg.timeout_ms)
		db_conn_lost(c, "a statement is overdue");
	else
		timer_set(&c->watch, now + 1000, conn_watch, c);
}

/* The preparing Sync came back. */
static void
conn_prepared(struct db_conn *c, bool failed)
{
	if (failed) {
		log_event(LOG_LEVEL_WARN, "db.prepare",
		    "PostgreSQL refused a prepared statement; is the schema "
		    "migrated?");
		db_conn_lost(c, "PREPARE failed");
		return;
	}
	timer_set(&c->watch, time_mono_ms() + 1000, conn_watch, c);
	c->state = DB_READY;
	c->backoff_ms = RECONNECT_MIN_MS;
	db_counters.connects++;
	db_conn_ready(c);
}

/* A Sync came back: of a write, of a turn's reads, or of the preparing. */
static void
conn_synced(struct db_conn *c, struct db_op *op)
{
	bool prepares = op->prepares, failed = op->res != NULL;

	db_op_unqueue(c, op);
	if (prepares)
		conn_prepared(c, failed);
}

static void
conn_result(struct db_conn *c, struct db_op *op, PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);

	if (status == PGRES_PIPELINE_SYNC) {
		PQclear(r);
		conn_synced(c, op);
	} else if (op->prepares && status == PGRES_COMMAND_OK) {
		PQclear(r);
	} else if (status == PGRES_PIPELINE_ABORTED && c->kind == DB_READ &&
		   !op->prepares) {
		PQclear(r);
		db_op_again(c, op);
	} else if (op->marker) {
		PQclear(r); /* of a Sync that failed: it still comes back */
	} else if (op->res != NULL) {
		/* A write commits at its Sync: an error there comes after
		 * the statement's result and takes its place. */
		if (PQresultStatus(op->res) != PGRES_FATAL_ERROR) {
			PQclear(op->res);
			op->res = r;
		} else {
			PQclear(r);
		}
	} else {
		if (op->prepares)
			log_event(LOG_LEVEL_ERROR, "db.prepare", "%s",
			    PQresultErrorMessage(r));
		op->res = r;
		if (c->kind == DB_READ && !op->prepares)
			db_op_unqueue(c, op);
	}
}

static void
conn_read(struct db_conn *c)
{
	struct db_op *op;
	PGresult *r;
	unsigned gen = c->gen;
	int nulls = 0;

	while ((op = TAILQ_FIRST(&c->ops)) != NULL && !PQisBusy(c->pg)) {
		if ((r = PQgetResult(c->pg)) == NULL) {
			/* One ends each command's results; more: no data. */
			if (++nulls > 2)
				break;
			continue;
		}
		nulls = 0;
		conn_result(c, op, r);
		if (c->gen != gen)
			return;
	}
	if (PQstatus(c->pg) == CONNECTION_BAD)
		db_conn_lost(c, "the server closed the connection");
	else if (c->events & EPOLLOUT)
		(void)db_conn_flush(c);
}

static void
conn_event(void *arg, int error UNUSED)
{
	struct db_conn *c = arg;

	c->evt.flags = 0;
	switch (c->state) {
	case DB_CONNECTING:
		conn_poll(c);
		break;
	case DB_PREPARING:
	case DB_READY:
		if (!PQconsumeInput(c->pg))
			db_conn_lost(c, "reading failed");
		else
			conn_read(c);
		break;
	default:
		break;
	}
}
