/*
 * audit/: the record of who did what. Fail-closed: no durable row, no reply.
 *
 * Writes put their row into their own statement or transaction: bind the
 * event's columns with audit_bind() as parameters of that SQL. Reads and
 * denials go through the group commit: rows of concurrent requests become
 * one multi-row INSERT, and each waits until its row is durable.
 */
#ifndef AUDIT_H
#define AUDIT_H

#include "crypto/crypto.h"
#include "http/http.h"
#include "io/io.h"

enum audit_outcome {
	AUDIT_UNSET = 0,
	AUDIT_ALLOWED,
	AUDIT_DENIED,
	AUDIT_FAILED
};
struct audit_event {
	struct uuid id; /* UUIDv7, made by audit_event() */
	int64_t at_us;
	const char *action; /* "patient.read" */
	enum audit_outcome outcome;
	const char *actor_kind;  /* "user", "anonymous", "system" */
	struct uuid actor_id;    /* nil: none */
	struct uuid key_id;      /* the API key in use; nil: none */
	struct uuid session_id;  /* or the session; nil: none */
	const char *object_type; /* "patient"; NULL: none */
	struct uuid object_id;   /* nil: none */
	struct uuid request_id;
	const char *client_ip;
	/* JSON object text of allow-listed members: ids, versions, digests,
	 * problem slugs; never PHI. What is stored has "key" or "session" in
	 * front when there is one: see audit_stored_detail(). */
	const char *detail;
};

/* Fills an event from the request: action from its row, actor, ids, time, and
 * the patient it is about as detail. */
void audit_event(struct ctx *, struct audit_event *, enum audit_outcome);
/* The detail of an event: the patient it is about, and why it failed (or
 * PROBLEM_UNSET); NULL when there is neither. audit_event() sets it. */
const char *audit_detail(struct ctx *, enum problem why);
void
audit_object(struct audit_event *, const char *type, const struct uuid *id);
/* The detail as it is stored: with the key or the session, whoever set the
 * rest of it. */
const char *audit_stored_detail(struct arena *, const struct audit_event *);
/* Eleven parameters, in the order of eleusis.audit_event: id,
 * occurred_at, action, outcome, actor_kind, actor_id, object_type,
 * object_id, request_id, client_ip(text), detail(text). */
#define AUDIT_PARAMS 11
void audit_bind(struct db_args *, const struct audit_event *);
/* The row as the beginning of a write's statement, whose own parameters are
 * $12 and on. */
#define AUDIT_WITH                                                     \
	"WITH a AS (INSERT INTO eleusis.audit_event (id, occurred_at," \
	" action, outcome, actor_kind, actor_id, object_type,"         \
	" object_id, request_id, client_ip, detail, patient_id,"       \
	" key_id)"                                                     \
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,"                 \
	" $10::text::inet, $11::text::jsonb,"                          \
	" CASE WHEN $7::text = 'patient' THEN $8::uuid"                \
	" ELSE ($11::text::jsonb ->> 'patient')::uuid END,"            \
	" ($11::text::jsonb ->> 'key')::uuid)) "

/* Hands a row to the group commit; the event is copied into the batch. */
struct audit_ticket;
enum res
audit_start(struct ctx *, const struct audit_event *, struct audit_ticket **);
/* Waits until it is durable; RES_ERR: UNAVAILABLE, send no data. */
co_fn enum res audit_wait(struct ctx *, struct audit_ticket *);
/* Both in one. */
co_fn enum res audit_append(struct ctx *, const struct audit_event *);
/* Rows that no request makes: waits for all n and says which are durable. One
 * that may be tried again keeps its id: it will not be there twice. */
co_fn void audit_append_system(
    struct env *, const struct audit_event *, unsigned n, bool *durable);

/*
 * audit_outcome.c: the ways an access to a record ends badly. Each makes a
 * row durable first, of the request's action, and returns RES_ERR: with
 * NOT_FOUND, with the problem that is set already, with INTERNAL. id NULL or
 * nil: no object.
 */
co_fn enum res
audit_denied(struct ctx *, const char *type, const struct uuid *id);
co_fn enum res
audit_failed(struct ctx *, const char *type, const struct uuid *id);
co_fn enum res
audit_broken(struct ctx *, const char *type, const struct uuid *id);
/* A statement that failed: EL404 is denied, UNAVAILABLE stays, else failed. */
co_fn enum res
audit_db_failed(struct ctx *, const char *type, const struct uuid *id);
/* The last statement was refused with this SQLSTATE. */
bool audit_refused(const struct ctx *, const char *sqlstate);
/* A patient's data key, from the cache or unwrapped; NULL: it does not open,
 * with INTERNAL and a "failed" row. */
co_fn const struct data_key *audit_open_key(
    struct ctx *, const struct uuid *patient, const struct wrapped_key *);

void audit_init(void);        /* in a worker: starts the flusher */
unsigned audit_pending(void); /* rows not yet durable: for drain */

/* Handlers and schemas (audit_api.c). */
co_fn enum res audit_list(struct ctx *);
co_fn enum res audit_get(struct ctx *);
extern const struct schema schema_audit_event, schema_audit_page,
    schema_audit_query;

#endif
