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
#define SESSION_VALUE_MAX 2048
size_t session_value_make(const struct principal *, uint8_t *out);
enum res session_value_open(struct arena *, const uint8_t hash[32],
    const void *, size_t, struct principal *);
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
#define KEY_HEAD_LEN    (KEY_HEAD_LIMITS + 4 * RATE_CLASS_MAX)
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

/* apikey_fields.c: bodies to rows; VALIDATION with every mistake. owner: the
 * role of the key's user. Of limits only those with keys:admin may go beyond
 * the settings. */
enum res apikey_from_body(struct ctx *, enum role owner, struct apikey_row *);
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
/* Whose key it is to be, by the body's user_id: self, or another user for
 * those with keys:admin. */
co_fn enum res apikey_owner(struct ctx *, struct uuid *, enum role *);

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
struct auth_user {
	struct uuid id;
	const char *email, *name, *password_hash;
	enum role role;
	bool found, onetime, disabled;
};
co_fn enum res auth_db_by_email(struct ctx *, const char *, struct auth_user *);
co_fn enum res
auth_db_by_id(struct ctx *, const struct uuid *, struct auth_user *);
struct audit_event;
/* Replaces the hash that was read; EL409 when it is another one by now. */
co_fn enum res auth_db_set_password(struct ctx *, const struct audit_event *,
    const struct auth_user *, const char *hash);

/*
 * attempt.c: one try of a password, for a log-in or for its change. The caller
 * names the account, and has loaded its user or not.
 */
#define PASSWORD_MAX 1024
struct attempt {
	const char *account;   /* as account_name() made it */
	bool loaded;           /* user is filled in, found or not */
	struct auth_user user;
	bool known;            /* from a known device */
	struct device device;  /* whose id this is */
	struct lockout lockout;
};
/* An e-mail address as the counters of failures know it: in lower case. */
const char *account_name(struct arena *, const char *email);
/*
 * RES_OK: the password is right, and the user is found and not disabled.
 * BAD_CREDENTIALS, with its audit row, after the same work whether the account
 * is unknown, disabled or another's; LOGIN_THROTTLED; UNAVAILABLE, BUSY.
 */
co_fn enum res attempt_check(struct ctx *, struct attempt *, const char *);
/* BAD_CREDENTIALS, after its audit row and those of the back-off (NULL: it
 * was not for the password). */
co_fn enum res attempt_refused(
    struct ctx *, const struct auth_user *, const struct lockout *);

/* device_cookie.c: the browser that has logged in before. */
#define DEVICE_COOKIE_NAME "__Host-eleusis-device"
/* True when the request has a token of ours, young enough; of that account. */
bool device_cookie_read(struct ctx *, struct device *);
bool device_cookie_of(struct ctx *, const char *account, struct device *);
/* Sends a token for the account with that password's hash. */
void device_cookie_set(struct ctx *, struct attempt *, const char *hash);

/*
 * sfv.c, sfv_write.c: structured fields (RFC 9651). Text lives in the arena.
 */
enum sfv_type {
	SFV_UNSET = 0,
	SFV_INTEGER,
	SFV_DECIMAL, /* in thousandths */
	SFV_STRING,
	SFV_TOKEN,
	SFV_BYTES,
	SFV_BOOLEAN,
	SFV_LIST /* an inner list: members without keys */
};
struct sfv_member;
struct sfv_value {
	enum sfv_type type;
	int64_t i;     /* INTEGER, DECIMAL, BOOLEAN */
	const char *s; /* STRING, TOKEN, BYTES; NUL-terminated */
	size_t len;
	const struct sfv_member *items;  /* of a list */
	const struct sfv_member *params; /* keys are unique */
};
struct sfv_member {
	struct sfv_member *next;
	const char *key;
	struct sfv_value value;
};
/* RES_ERR unless the whole text is a dictionary; "" is an empty one. */
enum res
sfv_dictionary(struct arena *, const char *, const struct sfv_member **first);
/* The value of a key, or NULL. Not for the items of a list. */
const struct sfv_value *sfv_get(const struct sfv_member *, const char *key);
void sfv_write(struct buf *, const struct sfv_value *);
void sfv_write_bytes(struct buf *, const void *, size_t);

/*
 * signature_component.c, signature_base.c, query_param.c: what is signed
 * (RFC 9421, 2). why, in case of RES_ERR: words for the client that repeat
 * nothing of what it sent but component names.
 */
enum component_form {
	COMPONENT_UNSET = 0,
	COMPONENT_METHOD,
	COMPONENT_TARGET_URI,
	COMPONENT_AUTHORITY,
	COMPONENT_SCHEME,
	COMPONENT_REQUEST_TARGET,
	COMPONENT_PATH,
	COMPONENT_QUERY,
	COMPONENT_QUERY_PARAM, /* of arg, as encoded in the query */
	COMPONENT_FIELD,
	COMPONENT_FIELD_KEY,  /* member arg of a dictionary */
	COMPONENT_FIELD_BYTES /* each line as a byte sequence */
};
struct sig_component {
	enum component_form form;
	const char *name, *arg;
	const char *identifier; /* with parameters, canonical */
};
#define COMPONENTS_MAX 48
/* A covered component out of its item in Signature-Input. */
enum res component_read(struct arena *, const struct sfv_value *,
    struct sig_component *, const char **why);
/* A request as it is signed. The names of fields compare without case. */
struct message {
	const char *method, *scheme, *authority, *path;
	const char *query; /* behind the '?'; NULL: there is none */
	const struct ctx_field *fields;
	unsigned nfields;
};
enum res signature_base(struct arena *, const struct message *,
    const struct sig_component *, unsigned n, const char *params,
    struct buf *out, const char **why);
/* RES_ERR unless just one parameter is of that name (percent-encoded, as
 * RFC 9421, 2.2.8 has it); its value encoded in the same way. */
enum res query_param(
    struct arena *, const char *query, const char *name, const char **value);

/* "hmac-sha256"; UNSET: another one. */
enum signature_alg signature_alg_parse(const char *);
const char *signature_alg_name(enum signature_alg);
/* signature_verify.c. Constant time but for the key's length. A key of zeros
 * is one that is not there, and no signature holds under it. */
bool signature_holds(enum signature_alg, const uint8_t *key, size_t keylen,
    const struct buf *base, const uint8_t *signature, size_t len);

/* signature.c: signature_read() without a note of the denial. */
enum res signature_parse(struct ctx *, const struct signature **out);
/* content-digest as a whole, in either form */
bool signature_covers_digest(const struct signature *);
/* signature_policy.c */
bool signature_needed(const struct apikey *, const struct endpoint *);
/* SIGNATURE_REQUIRED, with Accept-Signature. */
enum res signature_missing(struct ctx *, const struct apikey *);

/* digest_header.c: Content-Digest (RFC 9530) */
enum digest_result {
	DIGEST_UNSET = 0,
	DIGEST_MATCHES,   /* every known one of them */
	DIGEST_UNKNOWN,   /* neither sha-256 nor sha-512 is there */
	DIGEST_MALFORMED, /* no dictionary of byte sequences */
	DIGEST_DIFFERS
};
enum digest_result digest_header_check(
    struct arena *, const char *field, const void *body, size_t len);

#endif
