/*
 * io/ talks to PostgreSQL, Redis and HTTP servers without blocking the loop.
 * Calls look synchronous and suspend their coroutine; each keeps the env's
 * deadline. Every failure fills env->err with a client-safe problem.
 */
#ifndef IO_H
#define IO_H

#include "loop/loop.h"

/* ---- db*.c: PostgreSQL over libpq's pipeline mode ---------------------- */

/*
 * A prepared statement, made with DB_STATEMENT at file scope of a *_db.c and
 * prepared on every connection of its kind when that connects. DB_READ
 * statements go over the shared pipelined connections and must not write;
 * DB_WRITE ones over a dedicated connection (alone: their own transaction).
 */
enum db_kind {
	DB_KIND_UNSET = 0,
	DB_READ,
	DB_WRITE
};
struct db_stmt {
	const char *name;
	const char *sql;
	enum db_kind kind;
	struct db_stmt *next;
};
void db_register(struct db_stmt *);
#define DB_STATEMENT(var, kind_, sql_)                                \
	static struct db_stmt var = { #var, sql_, kind_, NULL };      \
	__attribute__((constructor)) static void var##_register(void) \
	{                                                             \
		db_register(&var);                                    \
	}

/* Bound parameters, binary format. Values are copied into the arena. */
#define DB_ARGS_MAX 32
struct db_args {
	struct arena *arena;
	int n;
	const char *v[DB_ARGS_MAX];
	int len[DB_ARGS_MAX];
	int fmt[DB_ARGS_MAX];
};
void db_args(struct db_args *, struct env *);
void db_null(struct db_args *);
void db_bool(struct db_args *, bool);
void db_int4(struct db_args *, int32_t);
void db_int8(struct db_args *, int64_t);
void db_float8(struct db_args *, double);
void db_text(struct db_args *, const char *);          /* NULL: null */
void db_bytes(struct db_args *, const void *, size_t); /* bytea */
void db_uuid(struct db_args *, const struct uuid *);   /* NULL: null */
void db_time(struct db_args *, int64_t us);            /* timestamptz */
/* One-dimensional arrays in binary form, for INSERT ... SELECT unnest(). */
enum db_oid {
	DB_OID_UNSET = 0,
	DB_OID_INT4 = 23,
	DB_OID_TEXT = 25,
	DB_OID_BYTEA = 17,
	DB_OID_UUID = 2950,
	DB_OID_TIMESTAMPTZ = 1184,
	DB_OID_INET = 869
};
struct db_array {
	struct buf b;
	int32_t n;
	bool nulls;
};
void db_array(struct db_array *, struct arena *, enum db_oid);
void db_array_add(struct db_array *, const void *, size_t); /* NULL: null */
void db_array_add_time(struct db_array *, int64_t us);
void db_array_add_int4(struct db_array *, int32_t);
void db_array_bind(struct db_args *, struct db_array *);

/* A result in binary format; belongs to the env's arena. */
struct db_rows;
int db_count(const struct db_rows *);
bool db_is_null(const struct db_rows *, int row, int col);
bool db_col_bool(const struct db_rows *, int row, int col);
int32_t db_col_int4(const struct db_rows *, int row, int col);
int64_t db_col_int8(const struct db_rows *, int row, int col);
double db_col_float8(const struct db_rows *, int row, int col);
int64_t db_col_time(const struct db_rows *, int row, int col); /* us */
const char *db_col_text(const struct db_rows *, int row, int col);
const void *db_col_bytes(const struct db_rows *, int row, int col, size_t *);
void db_col_uuid(const struct db_rows *, int row, int col, struct uuid *);

/* The SQLSTATE of the last failed call on this env ("" when none). A failed
 * statement sets PROBLEM_INTERNAL; callers map those they expect (23505)
 * with err_clear() and err_fail(). No connection or timeout: UNAVAILABLE. */
const char *db_sqlstate(const struct env *);

/* With env->tx set a DB_WRITE statement runs in that transaction. */
co_fn enum res
db_exec(struct env *, struct db_stmt *, struct db_args *, struct db_rows **);

/* The same in two halves, so that two things can be waited for at once. */
struct db_op;
enum res db_start(struct env *, struct db_stmt *, struct db_args *,
    struct db_op **); /* DB_READ only */
co_fn enum res db_wait(struct env *, struct db_op *, struct db_rows **);

/* A transaction holds one dedicated connection. db_rollback() is harmless
 * after db_commit(), and runs by itself when the arena is destroyed. */
struct db_tx;
co_fn enum res db_begin(struct env *, struct db_tx **);
co_fn enum res db_tx_exec(struct env *, struct db_tx *, struct db_stmt *,
    struct db_args *, struct db_rows **);
co_fn enum res db_commit(struct env *, struct db_tx *);
co_fn void db_rollback(struct env *, struct db_tx *);

struct db_config {
	const char *host, *name, *user, *password, *sslmode;
	int port, nread, nwrite;
	int timeout_ms;
};
void db_init(const struct db_config *);
bool db_ready(void);
struct db_stats {
	uint64_t connects, losses, statements, failures, timeouts;
	unsigned reads_ready, writes_ready, in_flight, waiting;
};
void db_stats(struct db_stats *);

/* ---- redis.c: hiredis on Kore's events, one pipelined connection ------- */

/* A Lua script: EVALSHA, loaded at connect, EVAL on NOSCRIPT. */
struct redis_script {
	const char *name;
	const char *lua;
	char sha[41];
	struct redis_script *next;
};
void redis_register(struct redis_script *);
struct redis_config {
	const char *host;     /* address, name, or /socket/path */
	const char *password; /* NULL: none */
	int port;
	int timeout_ms;
};
void redis_init(const struct redis_config *);
bool redis_ready(void);
struct redisReply;
/* The reply belongs to the arena. An error reply is RES_ERR, INTERNAL; no
 * connection, lost connection or deadline: UNAVAILABLE with Retry-After. */
co_fn enum res redis_command(struct env *, int argc, const char **argv,
    const size_t *len, struct redisReply **);
co_fn enum res redis_eval(struct env *, struct redis_script *, int nkeys,
    int argc, const char **argv, const size_t *len, struct redisReply **);
struct redis_stats {
	uint64_t connects, losses, commands, failures, timeouts;
	unsigned in_flight;
};
void redis_stats(struct redis_stats *);

/* ---- fetch.c: outbound HTTP by Kore's curl ----------------------------- */
/* Of https:// certificate and host name are verified, against CA_FILE. */
struct fetch_request {
	const char *method;         /* GET, POST, PUT, DELETE, PATCH */
	const char *url;            /* https:// or http:// */
	const char *const *headers; /* name, value, ..., NULL */
	const void *body;
	size_t body_len;
	size_t reply_max; /* bytes; more is an error */
};
struct fetch_reply {
	int status;
	const char *body;
	size_t body_len;
};
co_fn enum res
fetch(struct env *, const struct fetch_request *, struct fetch_reply *);

/* ---- smtp.c: one message to a mail server, by Kore's curl --------------- */
enum smtp_tls {
	SMTP_TLS_UNSET = 0,
	SMTP_TLS,      /* from the first byte on (RFC 8314) */
	SMTP_STARTTLS, /* required (RFC 3207) */
	SMTP_PLAIN
};
struct smtp_server {
	const char *host; /* name or address */
	int port;
	enum smtp_tls tls; /* its certificate and name are verified */
	const char *user;  /* "": none; its password: MAIL_PASSWORD_FILE */
	const char *hello; /* the name to greet with */
};
struct smtp_mail {
	const char *from, *to; /* addresses that were checked */
	const void *text;      /* RFC 5322, lines ending with CRLF */
	size_t len;
};
enum smtp_result {
	SMTP_RESULT_UNSET = 0,
	SMTP_SENT,   /* the server has taken it over */
	SMTP_LATER,  /* not now: another attempt may succeed */
	SMTP_REFUSED /* this mail never will */
};
/* why: a word for logs ("no-connection", "deferred", ...); static. */
co_fn enum smtp_result smtp_send(struct env *, const struct smtp_server *,
    const struct smtp_mail *, const char **why);

/* ---- connect.c: both clients from the settings --------------------------- */
/* Reads the password files, in the parent. */
enum res io_load_secrets(char *msg, size_t msglen);
/* Starts the clients, in a worker; they connect by themselves. */
void io_connect(void);

/* ---- trust.c: the authorities that other servers' certificates must be of --
 */
/* Reads CA_FILE and MAIL_CA_FILE, in the parent; later than log_open(). */
enum res io_load_trust(char *msg, size_t msglen);

/* ---- resolve.c: a name to a numeric address, on the thread pool -------- */
co_fn enum res resolve_host(struct env *, const char *name, char out[64]);
/* All of them, the best first, with commas between and IPv6 in brackets. */
#define RESOLVE_ALL_SIZE 512
co_fn enum res
resolve_all(struct env *, const char *name, char out[RESOLVE_ALL_SIZE]);

#endif
