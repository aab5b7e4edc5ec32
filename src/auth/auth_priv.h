/*
 * Shared by the files of auth/ only.
 */
#ifndef AUTH_PRIV_H
#define AUTH_PRIV_H

#include "auth/auth.h"
#include "crypto/crypto.h"
#include "guard/guard.h"

#define SESSION_COOKIE_NAME "__Host-eleusis"

/* session_value.c: a principal as the bytes that Redis holds, sealed under
 * the token's hash. At most so many bytes, with the seal. */
#define SESSION_VALUE_MAX 4096
#define DEVICE_LABEL_MAX  64  /* bytes of principal.device */
#define PROVIDER_MAX      32  /* of principal.provider */
#define PROVIDER_SID_MAX  255 /* of principal.provider_sid */
size_t
session_value_make(struct arena *, const struct principal *, uint8_t *out);
enum res session_value_open(struct arena *, const uint8_t hash[32],
    const void *, size_t, struct principal *);
/* What stands in front of it for the scripts, behind the user's bucket. */
#define SESSION_FINISHED   'f'
#define SESSION_UNFINISHED 'u'
/* Redis keys: "s:<hash>" of a session, "u:<user>" the set of a user's. */
const char *session_key(struct arena *, const uint8_t hash[32]);
const char *session_user_key(struct arena *, const struct uuid *);

/*
 * admit_credential.c: what a request shows of who it is, from one place only.
 */
enum credential_kind {
	CREDENTIAL_UNSET = 0,
	CREDENTIAL_NONE, /* nothing, or nothing that has a known form */
	CREDENTIAL_SESSION,
	CREDENTIAL_KEY,      /* an API key as a bearer token */
	CREDENTIAL_SIGNATURE /* only the name of one: its proof comes later */
};
struct credential {
	enum credential_kind kind;
	bool cookie;
	const char *token; /* the API key */
	uint8_t hash[32];  /* of the token; for API keys a keyed one */
	char prefix[APIKEY_PREFIX_STRLEN + 1];
	const struct signature *signature; /* NULL: not signed */
};
enum res credential_read(struct ctx *, struct credential *);

/*
 * admit_script.c: the Redis scripts of admission and its undoing.
 */
struct verdict {
	const void *value; /* session or key as stored; NULL: not there, or
			    * the secret is another one */
	size_t len;
	bool missing; /* an API key that Redis cannot tell of */
	bool replayed;
	bool refused; /* an API key that is over, or not good from there: whose
		       * it is was not charged */
	struct rate_state states[RATE_BUCKETS_MAX];
	unsigned nstates;
};
/* What auth_admit() found and charged. */
struct admission {
	struct credential credential;
	struct verdict verdict;
	unsigned cost;
	bool alone; /* without Redis */
};
/* fresh: a key's record that PostgreSQL just told, or NULL; it is stored
 * unless there is one, or (stale) in the place of an old one, and never over
 * a tombstone. What the first run charged is given back. */
co_fn enum res admit_ask(struct ctx *, struct admission *, const void *fresh,
    size_t len, bool stale);
/* Forgets the nonce if this very signature used it. What a key was charged
 * that was only named goes to strangers, and to the account of its false
 * signatures from that network: while that is overdrawn, naming it is refused
 * there. */
co_fn enum res
admit_undo(struct ctx *, const struct admission *, const struct principal *);
/* What the request is charged to, named as in Redis; nobody: who NULL. */
unsigned
admit_buckets(struct ctx *, const struct principal *, struct rate_bucket *);

/*
 * admit_key.c: an API key's record in Redis and from PostgreSQL. In front of
 * the sealed value stands what the script must know of it (see there).
 */
#define KEY_HEAD_SECRET (1 + BUCKET_STRLEN)
#define KEY_HEAD_LIMITS (KEY_HEAD_SECRET + 2 * 32)
#define KEY_HEAD_TIMES  (KEY_HEAD_LIMITS + 4 * RATE_CLASS_MAX)
#define KEY_HEAD_FIXED  (KEY_HEAD_TIMES + 2 * 8 + 1)
#define KEY_HEAD_MAX    (KEY_HEAD_FIXED + 17 * APIKEY_NETWORKS_MAX)
#define KEY_HEAD_MARK   'K'
/* Asks Redis, and PostgreSQL when Redis cannot tell. *out NULL: nobody, or
 * the secret does not fit. */
co_fn enum res
admit_key(struct ctx *, struct admission *, struct principal **out);
/* Without Redis. */
co_fn enum res
admit_key_alone(struct ctx *, struct admission *, struct principal **out);

/* apikey_value.c: what follows from key and role, once both are filled in. */
void apikey_complete(struct principal *, struct apikey *);

/* apikey.c */
enum res
apikey_networks_parse(struct arena *, const char *text, struct apikey *);

/* apikey_used.c, apikey_db.c */
struct apikey_use {
	struct uuid id;
	int64_t at_us; /* 0: none */
	struct netblock network;
};
/* Those of n that are one; one statement. */
co_fn enum res
apikey_db_used(struct env *, const struct apikey_use *, unsigned n);

/*
 * API keys as their users and administrators see and change them. A row's key
 * has what is shown: no hashes, and of the signing keys a public one only.
 */
#define APIKEYS_PER_USER     100
#define APIKEYS_PAGE         20
#define APIKEYS_PAGE_MAX     100
#define APIKEY_OVERLAP_MAX_S 604800
struct apikey_row {
	struct apikey key;
	struct uuid created_by;
	const char *name;
	const char *used_network; /* NULL: not known */
	int32_t generation, version;
	int64_t created_us, updated_us;
	int64_t rotated_us, revoked_us, used_us; /* 0: never */
};
/* What is told once. */
struct apikey_secrets {
	struct api_token token;
	uint8_t hmac[API_SIGN_KEY_BYTES]; /* of hmac-sha256 only */
};

/* apikey_fields.c: bodies to rows; VALIDATION with every mistake. allowed: the
 * scopes that a key of its user may have. Of limits only those with keys:admin
 * may go beyond the settings. */
enum res apikey_from_body(struct ctx *, uint64_t allowed, struct apikey_row *);
/* changed: the patch says something that is not so already. */
enum res apikey_merge(struct ctx *, struct apikey_row *, bool *changed);
/* Names and classes of the limits a key can have, to a NULL. */
struct apikey_limit {
	const char *name;
	enum rate_class class;
};
extern const struct apikey_limit apikey_limits[];

/* apikey_manage.c: each with its audit row. */
co_fn enum res
apikey_create(struct ctx *, struct apikey_row *, struct apikey_secrets *);
co_fn enum res
apikey_read(struct ctx *, const struct uuid *, struct apikey_row *);
/* user NULL: all that the actor manages. One row more than the page's limit,
 * if there is one. */
co_fn enum res apikey_list(struct ctx *, const struct page *,
    const struct uuid *user, struct apikey_row **, int *n);
co_fn enum res apikey_update(struct ctx *, const struct uuid *,
    const char *condition, struct apikey_row *);
co_fn enum res
apikey_rotate(struct ctx *, const struct uuid *, int32_t overlap_s,
    const char *public_key, struct apikey_row *, struct apikey_secrets *);
co_fn enum res apikey_revoke(struct ctx *, const struct uuid *);

/* apikey_forget.c */
co_fn enum res apikey_forget(struct ctx *, const char *prefix);
void apikey_forget_later(const char *prefix);

/* apikey_manage_db.c */
struct audit_event;
struct db_rows;
co_fn enum res
apikey_db_get(struct ctx *, const struct uuid *, struct db_rows **);
enum res
apikey_db_get_start(struct ctx *, const struct uuid *, struct db_op **);
co_fn enum res apikey_db_list(struct ctx *, const struct page *,
    const struct uuid *user, struct db_rows **);
/* sealed: the signing key as it is stored; NULL: it cannot sign. */
co_fn enum res
apikey_db_create(struct ctx *, const struct audit_event *, enum role owner,
    const uint8_t *hash, const void *sealed, size_t len, struct apikey_row *);
co_fn enum res
apikey_db_update(struct ctx *, const struct audit_event *, struct apikey_row *);
/* sealed NULL: the signing key stays. */
co_fn enum res
apikey_db_rotate(struct ctx *, const struct audit_event *, int32_t overlap_s,
    const uint8_t *hash, const void *sealed, size_t len, struct apikey_row *);
co_fn enum res
apikey_db_revoke(struct ctx *, const struct audit_event *, const struct uuid *);
enum res apikey_row_map(
    struct ctx *, const struct db_rows *, int row, struct apikey_row *);

/* auth_db.c */
co_fn enum res auth_db_by_email(struct ctx *, const char *, struct auth_user *);

/* attempt.c: BAD_CREDENTIALS, after its audit row and those of the back-off
 * (NULL: it was not for the password). */
co_fn enum res
attempt_refused(struct ctx *, const struct auth_user *, const struct lockout *);

/* login.c: decides the stage, makes the audit row durable, makes the session,
 * and looks at the account again: one that has changed meanwhile has not logged
 * in. */
co_fn enum res login_session(struct ctx *, const struct login *,
    struct principal *, struct session_new *);
/* login_reply.c: the session's cookie. */
void session_cookie_set(struct ctx *, const struct session_new *);
/* Members of objects that say who and how. */
void login_write_user(struct json_out *, const struct principal *);
void
login_write_proof(struct ctx *, struct json_out *, const struct principal *);
extern const struct schema schema_user;

/* device_cookie.c: the browser that has logged in before. */
#define DEVICE_COOKIE_NAME "__Host-eleusis-device"
/* True when the request has a token of ours, young enough. */
bool device_cookie_read(struct ctx *, struct device *);

/* signature.c: signature_read() without a note of the denial. */
enum res signature_parse(struct ctx *, const struct signature **out);
/* content-digest as a whole, in either form */
bool signature_covers_digest(const struct signature *);
/* signature_policy.c */
bool signature_needed(const struct apikey *, const struct endpoint *);
/* SIGNATURE_REQUIRED, with Accept-Signature. */
enum res signature_missing(struct ctx *, const struct apikey *);

/*
 * session_list.c, session_end.c, session_limit.c, session_db.c: the sessions of
 * a user, seen and ended. An end is in PostgreSQL before it is in Redis, and
 * holds whether Redis takes it or not (revocation.c).
 */
#define SESSIONS_CAP   1000 /* of a user, when SESSIONS_MAX says none */
#define UNFINISHED_MAX 10   /* of a user, that lack a second factor */
struct redisReply;
struct session_seen {
	struct principal who;
	int64_t used_us; /* when it was last used */
};
/* Its life in silence, by how its token travels. */
int64_t session_idle_s(bool cookie);
int64_t sessions_max(void);
/* In order of their last use, the latest first. */
co_fn enum res session_list(
    struct ctx *, const struct uuid *user, struct session_seen **, int *n);
/* The session of a stored name ("s:<hash>") and value. */
enum res session_open_stored(struct ctx *, const struct redisReply *name,
    const struct redisReply *value, struct principal *);
/* Rows and ends of the sessions in names and values that a script displaced. */
co_fn enum res
session_displaced(struct ctx *, struct redisReply *const *, size_t n);
/* One session, in the statement of that row; NULL: there is one already. */
struct audit_event;
co_fn enum res
session_end(struct ctx *, const struct audit_event *, const struct principal *);
/* NOT_FOUND, with its row, unless it is one of the user's. */
co_fn enum res session_end_named(
    struct ctx *, const struct uuid *user, const struct uuid *session);
/* All of a user, of everybody. */
co_fn enum res session_end_user(struct ctx *, const struct uuid *user);
co_fn enum res session_end_everybody(struct ctx *);
/* session.c: takes all sessions of a user out of Redis. */
co_fn enum res session_drop_all(struct ctx *, const struct uuid *user);
co_fn enum res session_drop_everybody(struct ctx *);
const char *session_stage_name(enum session_stage);
/* The browser is to forget the session's cookie. */
void session_cookie_clear(struct ctx *);

co_fn enum res session_db_end(
    struct ctx *, const struct audit_event *, const struct principal *);
co_fn enum res session_db_end_user(
    struct ctx *, const struct audit_event *, const struct uuid *user);
/* All but the one that goes on, and says *from_us from now on. EL409: others
 * have ended them meanwhile. */
co_fn enum res session_db_end_others(struct ctx *, const struct audit_event *,
    const struct principal *, int64_t *from_us);
co_fn enum res
session_db_end_everybody(struct ctx *, const struct audit_event *);

/*
 * revocation_table.c: what has ended of late. from_us: sessions of the user,
 * or the session, of that id that say less are over; until_us: the end is of
 * no matter any more. The latest counts.
 */
struct revocation_table;
struct revocation_table *revocation_table_new(void);
void revocation_table_destroy(struct revocation_table **);
void revocation_table_put(struct revocation_table *, const struct uuid *,
    int64_t from_us, int64_t until_us, int64_t now_us);
/* 0: nothing has ended. */
int64_t
revocation_table_from(const struct revocation_table *, const struct uuid *);
size_t revocation_table_count(const struct revocation_table *);

/* revocation.c: UNAVAILABLE until the ends were read, and when they could not
 * be read for a minute. */
co_fn enum res revocations_known(struct ctx *);
/* Has it ended? *since_us: by when that was surely so; 0: not known. */
bool revocation_of(const struct principal *, int64_t *since_us);
/* Waits until every worker knows what was committed before. */
co_fn void revocations_settle(struct ctx *);
/* revocation_db.c: a page of ends after xact and id. */
#define REVOCATION_ROWS 5000
struct revocation_feed {
	int64_t xact, horizon;
	struct uuid id;
};
co_fn enum res revocation_db_read(struct env *, const struct revocation_feed *,
    int32_t seconds, struct db_rows **);
/* False: the row has the horizon only. */
bool revocation_db_map(const struct db_rows *, int row,
    struct revocation_feed *, int64_t *from_us);

/* admit_session.c: *out NULL: it is not there, or over. */
co_fn enum res
admit_session(struct ctx *, struct admission *, struct principal **out);

/* user_agent.c: a label of at most DEVICE_LABEL_MAX bytes, none of them the
 * client's; header may be NULL. */
const char *user_agent_label(struct arena *, const char *header);

/* login_place.c, login_place_db.c: where a log-in comes from. The row of the
 * log-in, and with it the place and a mail to the user when it is new: all of
 * them or none. */
struct place {
	uint8_t digest[DIGEST_BYTES];
	bool first;  /* there was none before */
	bool known;  /* seen of late */
	bool noted;  /* and that is written */
	bool notify; /* the user is to be told */
};
co_fn enum res login_record(struct ctx *, const struct login *,
    const struct principal *, struct audit_event *);
co_fn enum res
place_db_read(struct ctx *, const struct uuid *user, struct place *);
co_fn enum res place_db_note(struct ctx *, const struct audit_event *,
    const struct uuid *user, const struct place *);

/* password_rehash.c: after a log-in whose hash is outdated, in the background.
 * Nobody waits for it and nothing depends on it. */
void password_rehash_later(
    struct ctx *, const struct attempt *, const char *password);
/* password_rehash_db.c: *held false when the hash is another one by now. */
co_fn enum res password_db_rehash(struct env *, const struct audit_event *,
    const struct uuid *user, const char *old, const char *hash, bool *held);

#endif
