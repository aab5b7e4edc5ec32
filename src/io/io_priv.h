/*
 * What the files of io/ share with each other and with nobody else: most of it
 * is the database's.
 */
#ifndef IO_PRIV_H
#define IO_PRIV_H

#include <curl/curl.h>
#include <libpq-fe.h>

#include <kore/kore.h>

#include "io/io.h"

#define RECONNECT_MIN_MS 100
#define RECONNECT_MAX_MS 1000 /* PostgreSQL back: ready within 2 s */
#define WAIT_FOR_CONN_MS 1500 /* how long a request waits for one */

enum db_state {
	DB_DOWN = 1,
	DB_RESOLVING,
	DB_CONNECTING,
	DB_PREPARING,
	DB_READY
};

/*
 * One statement on the wire. The connection holds it until its answer is
 * complete (queued), the waiting side until it lets go (held); whoever is last
 * frees it. So a waiter may give up without breaking the pipeline.
 *
 * A write has a Sync of its own and is complete, that is durable, when that
 * comes back. Reads share a Sync (marker) with all that were sent in the same
 * turn of the loop, and each is complete with its result.
 */
struct db_op {
	TAILQ_ENTRY(db_op) entry;
	PGresult *res;        /* first result */
	struct wait *wait;    /* NULL: nobody waits (any more) */
	struct db_conn *conn; /* valid while queued */
	const char *name;
	struct db_args *args; /* in the env's arena: valid while held */
	int64_t started_us;
	bool queued, held, done, lost, prepares, marker;
};
TAILQ_HEAD(db_ops, db_op);

struct db_conn {
	struct kore_event evt; /* must be first */
	PGconn *pg;
	enum db_state state;
	enum db_kind kind;
	int events;   /* as registered with epoll */
	unsigned gen; /* grows with every loss */
	unsigned backoff_ms;
	unsigned nops;
	bool busy;         /* DB_WRITE: handed out */
	unsigned unsynced; /* DB_READ: sent since the last Sync */
	struct deferred flush;
	struct timer retry;
	struct timer watch; /* connecting takes too long */
	struct db_ops ops;
};

/* A coroutine waiting for a connection. */
struct db_waiter {
	TAILQ_ENTRY(db_waiter) entry;
	struct db_conn *conn; /* handed over */
	unsigned gen;
	struct wait wait;
};
TAILQ_HEAD(db_waiters, db_waiter);

extern struct db_config db_cfg;
extern struct db_stmt *db_stmts;
extern struct db_stats db_counters;

/* db_conn.c */
void db_conn_init(struct db_conn *, enum db_kind);
void db_conn_lost(struct db_conn *, const char *why);
/* Sends what libpq has buffered; false: the connection is lost. */
bool db_conn_flush(struct db_conn *);

/* db.c */
struct db_op *db_op_new(const char *name);
/* Queues what was sent. Writes get their Sync at once. */
void db_op_push(struct db_conn *, struct db_op *);
/* Sends a read again that an error before it in the same turn has aborted. */
void db_op_again(struct db_conn *, struct db_op *);
void db_op_unqueue(struct db_conn *, struct db_op *);
co_fn enum res db_op_wait(struct env *, struct db_op *, struct db_rows **);
enum res db_send(struct env *, struct db_conn *, const char *stmt,
    const char *sql, struct db_args *, struct db_op **);
enum res db_unavailable(struct env *, const char *why);
void db_conn_ready(struct db_conn *); /* a connection came up */

/* db_tx.c */
void db_write_ready(struct db_conn *); /* hand it to a waiter */
co_fn struct db_conn *db_write_get(struct env *, unsigned *gen);
void db_write_put(struct db_conn *, unsigned gen);
void db_write_init(void);
void db_write_stats(struct db_stats *);

/* db_rows.c */
struct db_rows *db_rows_new(struct env *, PGresult *);
enum res db_rows_error(struct env *, PGresult *, const char *stmt);

/* trust.c: sets which authorities a transfer's peer may have its certificate
 * from; it and its name are verified, whatever else is set. */
void trust_web(CURL *);
void trust_mail(CURL *);

/* connect.c: what MAIL_PASSWORD_FILE held; "": none. */
const char *io_mail_password(void);

/* outbound.c: an entry for CURLOPT_RESOLVE, to be freed by the caller after
 * the transfer; of a URL it may be NULL, where none is needed. */
co_fn enum res outbound_pin(
    struct env *, const char *host, const char *port, struct curl_slist **);
co_fn enum res
outbound_pin_url(struct env *, const char *url, struct curl_slist **);

#endif
