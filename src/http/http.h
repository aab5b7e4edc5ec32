/*
 * http/ is floor 3: one request's context, the router over the endpoint
 * table, body and query schemas, replies and problems. It knows Kore; it
 * knows nothing of sessions, patients or models.
 */
#ifndef HTTP_H
#define HTTP_H

#include "loop/loop.h"

struct http_request;
struct connection;  /* Kore's */
struct principal;   /* auth/auth.h */
struct data_key;    /* crypto/crypto.h */
struct admission;   /* auth/auth_priv.h */
struct signature;   /* auth/auth.h */
struct audit_event; /* audit/audit.h */

/* ---- the endpoint table's row types (the rows: app/tbl/endpoints.def) --- */

enum http_method {
	METHOD_UNSET = 0,
	METHOD_GET,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OPTIONS, /* answered by the router; never in a row */
	METHOD_MAX
};
const char *method_name(enum http_method); /* "GET"; "" when unset */

/* Who may call. PUBLIC must be said; UNSET stops start-up. */
enum auth_kind {
	AUTH_UNSET = 0,
	AUTH_PUBLIC,
	AUTH_SESSION, /* bearer token or cookie; API keys do not pass */
	AUTH_ANY      /* a session or an API key */
};
enum rate_class {
	RATE_UNSET = 0,
	RATE_NONE, /* public and cheap: health, metrics, docs */
	RATE_AUTH,
	RATE_READ,
	RATE_WRITE,
	RATE_PREDICT,
	RATE_EXPORT, /* many records at a time */
	RATE_CLASS_MAX
};

/* A schema is a closed object: unknown members are mistakes. */
enum field_type {
	FIELD_UNSET = 0,
	FIELD_STRING,
	FIELD_INTEGER,
	FIELD_NUMBER,
	FIELD_BOOLEAN,
	FIELD_UUID,
	FIELD_DATE,       /* RFC 3339 full-date */
	FIELD_TIME,       /* RFC 3339 date-time */
	FIELD_ENUM,       /* one of a list, "a|b|c" */
	FIELD_OBJECT,     /* of schema sub, or free when sub is NULL */
	FIELD_NUMBER_MAP, /* {"name": number or null, ...} */
	FIELD_VALUE_MAP,  /* the same, or true, false, or a string; the
			   * handler checks which of them fits */
	FIELD_ARRAY       /* of schema sub's objects; of strings
			   * when sub is NULL */
};
#define F_REQUIRED   0x01
#define F_NULLABLE   0x02
#define F_REPLY_ONLY 0x04 /* documented, never accepted */
struct schema;
struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	double min, max;     /* value; length in characters
			      * (code points); elements of
			      * an array. Both 0: no limit;
			      * +-INFINITY: one side only */
	const char *choices; /* FIELD_ENUM */
	const struct schema *sub;
	const char *text; /* for OpenAPI */
};
#define SCHEMA_FIELDS_MAX 64
struct schema {
	const char *name; /* OpenAPI component name */
	const char *text;
	const struct field *fields;
	unsigned nfields;
};

struct ctx;
#define EP_CACHEABLE   0x01  /* else Cache-Control: no-store */
#define EP_ONETIME     0x02  /* allowed with a one-time password */
#define EP_MERGE_PATCH 0x04  /* fields optional; null removes */
#define EP_IDEMPOTENT  0x08  /* POST that takes an Idempotency-Key */
#define EP_ETAG        0x10  /* replies have one; changes take If-Match */
#define EP_UNPROVEN    0x20  /* allowed before the second factor */
#define EP_ENROL       0x40  /* allowed while one must be enrolled */
#define EP_STEP_UP     0x80  /* needs a fresh proof of who it is */
#define EP_FORM        0x100 /* the body is a form, not JSON */
#define EP_PAGE        0x200 /* replies are pages: headers of their kind */

struct endpoint {
	enum http_method method;
	const char *path;     /* "/v1/patients/{patient_id}" */
	const char *resource; /* kore.conf handler: route_X */
	const char *name;     /* operationId */
	co_fn enum res (*handler)(struct ctx *);
	enum auth_kind auth;
	const char *scope; /* "patients:read"; "-" public */
	enum rate_class rate;
	unsigned cost;
	const char *audit;          /* action; "-" not audited */
	const struct schema *body;  /* NULL: none allowed */
	size_t body_max;            /* bytes */
	const struct schema *query; /* NULL: none allowed */
	int status;                 /* of success */
	const struct schema *reply; /* NULL: none or not JSON */
	unsigned flags;
	const char *text; /* summary */
};

/* ---- router.c ----------------------------------------------------------- */
#define PATH_PARAMS_MAX 4
struct path_param {
	const char *name;
	struct uuid id; /* every {..._id} is a UUID */
};
/*
 * Compiles the rows; on a mistake (unset auth, scope, rate, audit or
 * handler, two rows that match the same path, ...) fills msg with the row and
 * what is wrong with it. At start-up.
 */
enum res
router_init(const struct endpoint *, unsigned n, char *msg, size_t msglen);
unsigned router_count(void);
const struct endpoint *router_at(unsigned);
/*
 * Finds the row for a resource's path into cx->ep and cx->params; resource
 * NULL looks at every row. HEAD matches GET. RES_ERR: the reply is decided,
 * and reply_problem() then reply_send() give it. cx->env.err is then
 * NOT_FOUND (also for a {..._id} that is not a UUID, and for a path with "//";
 * the gate has decoded it), or
 * METHOD_NOT_ALLOWED with the Allow header added, or NOT_ACCEPTABLE (the row
 * is found, but the client takes no JSON); OPTIONS of a known path sets no
 * error but the reply: 204 with Allow, which reply_problem() keeps.
 */
enum res router_match(struct ctx *, const char *resource);
/* Bytes of a body that the row of this method ("POST") and path takes; a few
 * where it takes none, -1 when there is no such row. */
int64_t router_body_limit(const char *method, const char *path);
/* Metrics are labelled by path template: rows of one path share a label.
 * Labels count from 0 to router_labels() - 1, in the order of the rows. */
unsigned router_label(const struct endpoint *);
unsigned router_labels(void);
const char *router_label_path(unsigned);

/* ---- context.c ----------------------------------------------------------- */
struct reply_header {
	struct reply_header *next;
	const char *name, *value;
};
struct ctx {
	struct env env; /* first */
	struct http_request *req;
	const struct endpoint *ep; /* NULL until routed */
	enum http_method method;
	bool head;        /* HEAD: GET without a body */
	const char *path; /* copies: they outlive req */
	const char *query_string;
	struct netaddr client;   /* whom it is from, behind trusted proxies;
				  * all zero: not known */
	char client_ip[46];      /* the same as text, or "" */
	struct netaddr peer;     /* the connection's other end */
	bool by_proxy;           /* that is a trusted proxy */
	bool forwarded_wrong;    /* its word on the client is malformed */
	const char *client_cert; /* SHA-256 in hex; NULL: showed none */
	struct uuid request_id;
	char trace_id[33];  /* W3C traceparent, or "" */
	int64_t started_us; /* time_mono_us() */
	int64_t now_us;     /* wall clock, once a request */
	struct path_param params[PATH_PARAMS_MAX];
	unsigned nparams;
	const struct jval *body;           /* validated; NULL: none */
	const struct jval *query;          /* object of typed values; s is
					    * the decoded text of each */
	const struct principal *who;       /* NULL: public */
	const struct signature *signature; /* sent along; proves nothing */
	const char *actor_kind;            /* for the audit log */
	struct uuid actor_id;
	struct uuid key_id;                 /* the API key in use; nil: none */
	struct uuid session_id;             /* the session; nil: none */
	struct uuid patient_id;             /* whom this is about; nil:
					     * nobody, or several */
	const struct data_key *patient_key; /* seals a kept reply; NULL: the
					     * reply is about no patient */
	bool audited;                       /* an audit row was made */
	struct admission *admission;        /* auth/admit.c's; NULL: none */
	const char *rate_policy;          /* RateLimit-Policy; NULL: no limit */
	const char *rate_left;            /* RateLimit */
	const char *const *rate_violated; /* policies' names, to a NULL */
	/* the reply */
	int status;
	const char *content_type;
	const char *reply;
	size_t reply_len;
	struct reply_header *headers;
	size_t body_bytes; /* received */
	bool broken;       /* a header was refused */
	bool sent;
};
struct ctx *ctx_new(struct http_request *); /* in its own arena */
/* Also wipes the request's body in Kore's buffer: call it once, at the end
 * of the coroutine. */
void ctx_free(struct ctx **);
/* A request header's value or NULL; copied into the arena. */
const char *ctx_header(struct ctx *, const char *name);
/* A header that may come on several lines, as one list (RFC 9110, 5.3), each
 * without the blanks around it; NULL: on none. */
const char *ctx_header_list(struct ctx *, const char *name);
/* Every header line in the order received, Host at the end; values without
 * the blanks around them. */
struct ctx_field {
	const char *name, *value;
};
unsigned ctx_fields(struct ctx *, const struct ctx_field **out);
/* One cookie's value (case-sensitive name) or NULL, also when there are two
 * of that name: nobody can tell which one is the server's. */
const char *ctx_cookie(struct ctx *, const char *name);
const struct uuid *ctx_param(const struct ctx *, const char *name);
/* Body bytes as received; NULL and 0 when there is none. */
const void *ctx_body(struct ctx *, size_t *len);

/* ---- client_address.c ---------------------------------------------------- */
/* TRUSTED_PROXIES and PROXY_HEADER, in the parent. */
enum res proxies_load(char *msg, size_t msglen);
/* From this host itself, and not on behalf of somebody else. */
bool ctx_direct_loopback(const struct ctx *);

/* ---- schema.c -------------------------------------------------------------
 */
/*
 * Checks v against the schema and gathers every mistake (up to 50) as
 * err fields with JSON pointers; sets PROBLEM_VALIDATION (or what is given)
 * when there is one. merge_patch: required members may be absent. null is
 * allowed for F_NULLABLE members only. Codes: required, unknown, type, null,
 * min, max, min_length, max_length, enum, format. No detail repeats a value.
 */
enum res schema_check(const struct schema *, const struct jval *v,
    bool merge_patch, enum problem, struct arena *, struct err *);
/* Parses and checks the body against cx->ep (415, 413, 400, 422) into
 * cx->body, and the query string (400) into cx->query. */
enum res ctx_read_body(struct ctx *);
enum res ctx_read_query(struct ctx *);

/* ---- query.c ------------------------------------------------------------ */
/* Percent-encodes all but unreserved characters (RFC 3986). */
void query_encode(struct buf *, const char *, size_t);

/* ---- reply.c ----------------------------------------------------------------
 */
/* Handlers fill the reply; reply_send() (the pipeline) sends it once. Text
 * given to reply_text() is not copied: it is static or of the arena. */
void reply_json(struct ctx *, int status, struct json_out *);
void
reply_text(struct ctx *, int status, const char *type, const char *, size_t);
void reply_empty(struct ctx *, int status); /* 204 */
/* A name that is no token or a value with control characters turns the whole
 * reply into INTERNAL. Same name again: appended ("a, b"; Set-Cookie gets a
 * line of its own). What reply_send() would add by itself is replaced. */
void reply_header(struct ctx *, const char *name, const char *value);
/* Turns cx->env.err into an application/problem+json reply. Its type is the
 * relative reference "/problems/<slug>": see docs/problems.md. */
void reply_problem(struct ctx *);
/* reply_keep.c: the finished reply as bytes, and back into an unfinished
 * one. RES_ERR: they are no such bytes. */
void reply_pack(const struct ctx *, struct buf *);
enum res reply_unpack(struct ctx *, const void *, size_t);
/* Adds Date, X-Request-Id, Cache-Control, security and rate headers and hands
 * the reply to Kore; does nothing when the client has gone. */
void reply_send(struct ctx *);

/*
 * security.c: the lines of tbl/security_headers.def for a kind of reply, as
 * one block that ends in CRLF and a NUL, made by security_init() at start-up.
 * kinds: SECURITY_PAGE for pages and their parts, SECURITY_API for all else;
 * SECURITY_NO_STORE for what no cache may keep.
 */
#define SECURITY_ALWAYS   0x00
#define SECURITY_API      0x01
#define SECURITY_NO_STORE 0x02
#define SECURITY_PAGE     0x04
#define SECURITY_KINDS    0x08 /* one past all of them */
void security_init(void);
const char *security_headers(unsigned kinds, size_t *len);

/* cors.c: reads the allow-list; at start-up, after the settings. */
void cors_init(void);

/* ---- refusal.c ------------------------------------------------------------
 */
/* The reply to what never became a request; good until the next one. */
struct refusal {
	const char *lines; /* header lines, each with its CRLF */
	const char *body;
	size_t body_len;
};
void refusal_make(
    enum problem, const char *detail, const struct uuid *id, struct refusal *);
/* The problem that Kore's own error replies mean; INTERNAL: none of them. */
enum problem problem_of_status(int status);
/* A client's address as text, "" when there is none. */
#define CLIENT_IP_SIZE 46
void client_address(const struct connection *, char out[CLIENT_IP_SIZE]);

/* accept.c: may this reply be compressed with gzip? */
bool accept_gzip(struct ctx *);

/* if_match.c: pure. Does If-None-Match, or NULL, name this entity tag (in its
 * quotes)? The comparison is weak (RFC 9110, 13.1.2). */
bool if_none_match(const char *header, const char *tag);
/* if_match.c: pure. The If-Match header, or NULL, and a version that is its
 * own entity tag (RFC 9110, 13.1.1); weak tags match nothing. */
enum if_match {
	IF_MATCH_UNSET = 0,
	IF_MATCH_YES,
	IF_MATCH_NO,
	IF_MATCH_MALFORMED
};
enum if_match if_match(const char *header, int32_t version);

/* ---- page.c: keyset pagination
 * ----------------------------------------------- */
/* limit (query, default and maximum given) and cursor: an opaque text for
 * the UUID of the last row seen, good for this path only; the row's query
 * schema has both (integer and string). INVALID_QUERY on a bad one. Needs
 * the keyring. */
struct page {
	int32_t limit;
	bool has_after;
	struct uuid after;
};
enum res page_read(struct ctx *, int32_t def, int32_t max, struct page *);
/* Writes "next_cursor" and adds the Link header (RFC 8288) with the path and
 * the other query parameters. more: fetched limit+1 rows and there was one
 * more; last: id of the last row shown. */
void
page_write(struct ctx *, struct json_out *, bool more, const struct uuid *last);

/* ---- openapi.c
 * ---------------------------------------------------------------- */
/* The whole OpenAPI 3.1 document, made once at start-up after router_init().
 * It stays valid until the next openapi_init(). */
void openapi_init(const char *origin);
const char *openapi_document(size_t *len);

#endif
