/*
 * auth/: who is asking, and what they may do. Sessions are opaque tokens;
 * Redis holds their sealed values under the token's hash.
 */
#ifndef AUTH_H
#define AUTH_H

#include "guard/guard.h"
#include "http/http.h"
#include "httpsig/httpsig.h"
#include "io/io.h"

/* rbac.c: tbl/scopes.def and tbl/roles.def */
enum role {
	ROLE_UNSET = 0,
#define ROLE(id, name, scopes) ROLE_##id,
#include "auth/tbl/roles.def"
#undef ROLE
	ROLE_MAX
};
const char *role_name(enum role);
enum role role_parse(const char *); /* ROLE_UNSET: unknown */
uint64_t role_scopes(enum role);    /* bit set */
uint64_t scope_bit(const char *);   /* 0: unknown */
const char *scope_name(unsigned);   /* of bit i; NULL: there is none */
void scopes_write(struct json_out *, uint64_t); /* an array */
/* The set as names with a space between them, and back; unknown names are
 * left out. As text it outlives a change of the table. */
const char *scopes_text(struct arena *, uint64_t);
uint64_t scopes_parse(const char *);

/* apikey.c: what one API key may do; see docs/api-access.md. */
#define APIKEY_PREFIX_STRLEN 20 /* "elk_" and 16 characters; not secret */
#define APIKEY_STRLEN        64 /* prefix, "_", 43 characters of base64url */
#define APIKEY_NETWORKS_MAX  32
struct apikey {
	struct uuid id, user_id;
	char prefix[APIKEY_PREFIX_STRLEN + 1]; /* also the keyid of RFC 9421 */
	uint8_t secret_hash[32];               /* keyed; see crypto.h */
	uint8_t previous_hash[32];             /* of before a rotation */
	int64_t previous_until_us;             /* 0: there is none */
	int64_t expires_us;                    /* 0: never */
	int64_t loaded_us;                     /* when PostgreSQL said so */
	uint64_t scopes;                       /* within the role's */
	struct netblock networks[APIKEY_NETWORKS_MAX];
	unsigned nnetworks;              /* 0: from anywhere */
	uint32_t limits[RATE_CLASS_MAX]; /* a minute; 0: as settings have it */
	bool must_sign;
	enum signature_alg alg;
	uint8_t sign_key[32];          /* HMAC secret or Ed25519 public key */
	uint8_t previous_sign_key[32]; /* of before a rotation, as above */
};

/* How somebody proved who she is; the names of RFC 8176 where it has one. */
#define AMR_PWD      0x01 /* pwd */
#define AMR_OTP      0x02 /* otp: an authenticator app (RFC 6238) */
#define AMR_RECOVERY 0x04 /* a recovery code */
#define AMR_PASSKEY  0x08 /* with user verification: two factors in one */
#define AMR_OIDC     0x10 /* a log-in by an OpenID Connect provider */
#define AMR_MFA      0x20 /* mfa: two factors, whoever checked them */
void amr_write(struct json_out *, unsigned); /* an array of names */

/* Second factors of an account. */
#define FACTOR_TOTP     0x01
#define FACTOR_RECOVERY 0x02
#define FACTOR_PASSKEY  0x04

/* How far a log-in has come. Unfinished sessions are good for little else
 * than finishing them (EP_UNPROVEN, EP_ENROL), and not for long. */
enum session_stage {
	STAGE_UNSET = 0,
	STAGE_FULL,
	STAGE_SECOND_FACTOR, /* the account has one: show it */
	STAGE_ENROL,         /* the role needs one: set it up */
	STAGE_MAX
};

struct principal {
	struct uuid user_id;
	enum role role;
	uint64_t scopes;
	const struct apikey *key; /* NULL: a session */
	const char *email, *name;
	bool cookie;  /* browser session: CSRF applies */
	bool onetime; /* must change password first */
	int64_t created_us, expires_us;
	uint8_t token_hash[32];
	/* Of sessions only: */
	int64_t sessions_from_us; /* of the account when it began: when that
				   * has moved on, it is over */
	struct uuid session_id;   /* its public name */
	enum session_stage stage; /* FULL with an API key */
	unsigned amr;
	unsigned has;             /* second factors that she can be asked for */
	int64_t proved_us;        /* when the strongest factor she has was last
				   * shown; 0: never */
	const char *device;       /* "Firefox on Linux" */
	const char *network;      /* where it began: "192.0.2.0/24" */
	const char *provider;     /* of an OIDC log-in; "": none */
	const char *provider_sid; /* its name for the session; "": none */
};

/* session.c */
enum session_mode {
	SESSION_UNSET = 0,
	SESSION_BEARER,
	SESSION_COOKIE
};
struct session_new {
	char token[44];
	char csrf[44];
	int64_t expires_us;
};
#define SESSION_UNFINISHED_S 600 /* the longest life before STAGE_FULL */
/* Fills in the principal's token hash and times. */
co_fn enum res
session_create(struct ctx *, struct principal *, struct session_new *);
co_fn enum res session_destroy(struct ctx *, const struct principal *);
/* Under the same token, for what is only shown; nothing when it has ended. */
co_fn enum res session_update(struct ctx *, const struct principal *);
/* What the principal may do has changed: its session goes on under a new
 * token, and the old one is dead; with alone so is every other session of the
 * user, in PostgreSQL too unless sessions_from_us says that the change has done
 * that. UNAUTHENTICATED when the session has ended meanwhile. */
co_fn enum res session_replace(
    struct ctx *, struct principal *, bool alone, struct session_new *);
/*
 * admit.c: the one Redis round trip of a request finds the session or the API
 * key and charges every limit (see admit_script.c for when it takes more).
 * Sets cx->who and cx->key_id unless the row is public, the rate fields, and
 * cx->admission. cx->who may be set on failure too: then the refusal is of
 * somebody known. MALFORMED_REQUEST, UNAUTHENTICATED, BAD_SIGNATURE
 * (replayed), FORBIDDEN, CSRF, RATE_LIMITED, UNAVAILABLE. Needs cx->query.
 */
co_fn enum res auth_admit(struct ctx *);
/*
 * signature.c: RFC 9421 HTTP message signatures, RFC 9530 Content-Digest.
 * signature_read() comes before admission, parses what the client sent (*out
 * NULL: not signed, or by nobody of ours) and checks all that needs no key;
 * it proves nothing. It sets cx->signature too, and notes its denials itself.
 *
 * auth_signature() (signature_check.c) comes after admission, before scopes
 * and body: a signature must be of cx->who's key and hold; one must be there
 * when the key or SIGNED_OPERATIONS wants it; a Content-Digest must match.
 * MALFORMED_REQUEST, SIGNATURE_REQUIRED, BAD_SIGNATURE, DIGEST_MISMATCH. A
 * failed signature forgets the nonce and, if nothing else proved who it is,
 * gives back what admission charged and forgets cx->who.
 */
struct sig_component;
struct signature {
	const char *label, *keyid, *nonce; /* nonce: unique for keyid */
	enum signature_alg alg;            /* UNSET: not said */
	int64_t created_s;                 /* Unix time */
	int64_t expires_s;                 /* 0: not said */
	int64_t refused_s; /* from then on for its age: how long the nonce
			    * must be known */
	const struct sig_component *components;
	unsigned ncomponents;
	const char *params; /* the @signature-params value (RFC 9421, 2.3) */
	const uint8_t *bytes;
	size_t len;
};
enum res signature_read(struct ctx *, const struct signature **out);
co_fn enum res auth_signature(struct ctx *);
/* signature_policy.c: SIGNED_OPERATIONS against the endpoint table; RES_ERR
 * with a message. At start-up, after router_init(). */
enum res signed_operations_check(char *msg, size_t msglen);
/* admit.c: undoes auth_admit() when the signature was false. The nonce is
 * forgotten. Unless a secret or a session proved who it is all the same, key,
 * user and network get back what they were charged, and strangers pay. */
co_fn void auth_undo(struct ctx *);

/*
 * apikey.c. A key's record travels as one sealed value (associated data: its
 * prefix), from PostgreSQL to Redis ("k:<prefix>", for at most
 * APIKEY_FRESH_S) and back. Revocation replaces that value by a tombstone.
 */
#define APIKEY_FRESH_S 60
/* What stands under "k:<prefix>" while the key changes: ask PostgreSQL, and
 * put nothing in its place (SET NX does not). No sealed value is so short. */
#define APIKEY_TOMBSTONE "-"
/* So long, in seconds: twice what is believed, and no request goes on for a
 * minute. */
#define APIKEY_TOMBSTONE_S "120"
/* True when the text has the form of a key; prefix is filled in. */
bool apikey_form(const char *token, char prefix[APIKEY_PREFIX_STRLEN + 1]);
/* The user and the key of a prefix from PostgreSQL, whatever their state;
 * *out NULL: no such key. */
co_fn enum res
apikey_load(struct ctx *, const char *prefix, struct principal **out);
/* The sealed value of such a principal, and the reverse. */
const void *
apikey_value_make(struct arena *, const struct principal *, size_t *len);
enum res apikey_value_open(struct arena *, const char *prefix, const void *,
    size_t, struct principal **out);
/* PostgreSQL said so less than APIKEY_FRESH_S ago; else load it again. */
bool apikey_fresh(const struct principal *, int64_t now_us);
/* What a key may be given at most: the role's scopes without those that could
 * make keys, change network rules, accounts or sessions, or break the glass. */
uint64_t apikey_scopes(enum role);
/*
 * Is it good now, from here? Expiry, network and, unless token is NULL (the
 * request is signed), the secret: compared in constant time, with the former
 * one while it overlaps. A disabled user or a revoked key never loads.
 * *former: the former secret, and so the former sign_key, is in use.
 */
bool apikey_valid(const struct principal *, const char *token,
    const struct netaddr *, int64_t now_us, bool *former);
/* Notes that the key was used from there; written to PostgreSQL by a
 * background coroutine, at most once a minute a key. */
void
apikey_used(const struct principal *, const struct netaddr *, int64_t now_us);
void apikey_init(void); /* in a worker: starts the writer */

/* FORBIDDEN unless cx->who has the row's scope, no one-time password, no
 * unfinished session (SECOND_FACTOR_REQUIRED, ENROLMENT_REQUIRED), no API key
 * where the row takes sessions only, and a fresh proof where the row wants one
 * (STEP_UP_REQUIRED). Notes the use of a key. */
enum res auth_allow(struct ctx *);

/* Handlers (auth_api.c) */
co_fn enum res auth_login(struct ctx *);
co_fn enum res auth_logout(struct ctx *);
co_fn enum res auth_me(struct ctx *);
extern const struct schema schema_login, schema_me;

/* Handlers (apikey_api.c) */
co_fn enum res api_keys_create(struct ctx *);
co_fn enum res api_keys_list(struct ctx *);
co_fn enum res api_keys_get(struct ctx *);
co_fn enum res api_keys_update(struct ctx *); /* EP_MERGE_PATCH */
co_fn enum res api_keys_rotate(struct ctx *);
co_fn enum res api_keys_revoke(struct ctx *);
extern const struct schema schema_api_key_new, schema_api_key_patch,
    schema_api_key_rotate, schema_api_key, schema_api_key_secret,
    schema_api_key_page, schema_api_key_query;

/*
 * revocation.c: whatever ends sessions before their time says so in PostgreSQL,
 * in the statement of the change; each worker follows that (within
 * SESSION_REVOCATION_POLL_MS) and refuses them, also when Redis was away then,
 * or gives back what it held before. Their end in Redis, which other floors
 * ask for with sessions_forget() once a change is made, works at once; when
 * Redis does not answer it waits until all workers know.
 */
void revocations_init(void);  /* in a worker: starts to follow them */
bool revocations_ready(void); /* they have been read */
co_fn void sessions_forget(struct ctx *, const struct uuid *user);

/* Handlers and schemas (session_api.c) */
co_fn enum res sessions_mine(struct ctx *);
co_fn enum res sessions_end_others(struct ctx *);
co_fn enum res sessions_end_mine(struct ctx *);
co_fn enum res sessions_of_user(struct ctx *);
co_fn enum res sessions_end_user(struct ctx *);
co_fn enum res sessions_end_all(struct ctx *);
extern const struct schema schema_session_list, schema_sessions_end_all;

/*
 * federated.c: for the areas above, when somebody else has checked who it is.
 */
struct account {
	struct uuid id;
	const char *email, *name;
	enum role role;
	bool found;
	bool usable; /* found, neither disabled nor deleted */
};
co_fn enum res
account_by_id(struct ctx *, const struct uuid *, struct account *);
co_fn enum res account_by_email(struct ctx *, const char *, struct account *);
/* A browser's session for a user: the stage is decided, the audit row made and
 * the cookie set. BAD_CREDENTIALS, with its audit row, when the account is not
 * usable or has changed meanwhile. */
struct federated {
	struct uuid user_id;
	unsigned amr;
	const char *provider, *sid; /* sid NULL: none */
	int64_t proved_us;          /* to the provider; never 0 */
};
co_fn enum res
login_federated(struct ctx *, const struct federated *, struct principal *);
/* The user's session of this name is still there, and whole. */
co_fn enum res session_lives(
    struct ctx *, const struct uuid *user, const struct uuid *session, bool *);
/* Ends a user's sessions that began at a provider: those with its sid, or
 * (sid NULL) all of them; never the one that asks. The audit row is the
 * caller's. */
co_fn enum res sessions_end_federated(struct ctx *, const struct uuid *user,
    const char *provider, const char *sid, unsigned *ended);

/*
 * For the areas above in which users set up and show what proves them.
 */

/* auth_db.c */
struct auth_user {
	struct uuid id;
	const char *email, *name;
	const char *password_hash; /* "": none, and no password fits */
	enum role role;
	bool found, onetime, disabled, deleted;
	uint64_t scopes; /* the role's, or of those what the user is given */
	bool totp;       /* a confirmed authenticator app */
	int32_t passkeys;
	int64_t sessions_from_us; /* sessions that began before are over; 0:
				   * all count */
};
bool auth_has_factor(const struct auth_user *);
co_fn enum res
auth_db_by_id(struct ctx *, const struct uuid *, struct auth_user *);
struct audit_event;
/* Replaces the hash that was read; EL409 when it is another one by now. */
/* And all sessions end: those that go on say the new sessions_from_us. */
co_fn enum res auth_db_set_password(struct ctx *, const struct audit_event *,
    struct auth_user *, const char *hash);

/*
 * attempt.c: one try of a password, for a log-in or for its change. The caller
 * names the account, and has loaded its user or not.
 */
#define PASSWORD_MAX 1024
struct attempt {
	const char *account; /* as account_name() made it */
	bool loaded;         /* user is filled in, found or not */
	struct auth_user user;
	bool outdated;        /* the hash has other parameters than today's */
	bool known;           /* from a known device */
	struct device device; /* whose id this is */
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

/*
 * login.c: the one way to a session, whatever was shown for it.
 */
struct login {
	struct auth_user user; /* found, not disabled: the caller's check */
	unsigned amr;
	bool cookie;                /* a browser's */
	const char *provider;       /* OIDC; NULL: none */
	const char *provider_sid;   /* NULL: none */
	int64_t proved_us;          /* when it was shown; 0: just now */
	const struct uuid *passkey; /* that was shown; NULL: none */
	struct attempt *attempt;    /* of a password; NULL: none */
};
/* The LoginReply, with the cookie in cookie mode. Wipes the tokens. */
void login_reply(struct ctx *, const struct principal *, struct session_new *);
/* The same inside an object that has more members. */
void login_write(struct ctx *, struct json_out *, const struct principal *,
    struct session_new *);
/* Both. */
co_fn enum res login_complete(struct ctx *, const struct login *);
/* cx->who has shown something more (a second factor, or any factor once more),
 * or has set up the factor that she needs: the session goes on under a new
 * token. from_us: what the account's sessions say from now on; when that has
 * changed, the others are over. The audit row is the caller's, and comes
 * first. */
co_fn enum res login_raise(struct ctx *, unsigned amr, int64_t from_us,
    struct principal *, struct session_new *);
/* session_db.c, in a transaction: cx->who's session is not over, and nothing
 * ends it before the transaction does. EL401: it is over. And what it must say
 * when the transaction is done. */
co_fn enum res session_db_holds(struct ctx *);
co_fn enum res session_db_from(struct ctx *, int64_t *from_us);
/* The same, with its LoginReply. */
co_fn enum res login_proved(struct ctx *, unsigned amr);
bool login_role_needs_factor(enum role);
/* Where the request comes from, as users are told: "192.0.2.0/24", "Firefox on
 * Linux". */
const char *login_network(struct ctx *);
const char *login_device(struct ctx *);
/* login_reply.c. The reply to who sets up a factor shows her new passkey or
 * recovery codes too. */
#define RECOVERY_CODES         10
#define PASSKEY_TRANSPORTS_MAX 8
extern const struct schema schema_login_reply, schema_passkey;

/* device_cookie.c: the browser that has logged in before.
 * True when the request has a token of ours, young enough, of that account. */
bool device_cookie_of(struct ctx *, const char *account, struct device *);
/* Sends a token for the account with that password's hash. */
void device_cookie_set(struct ctx *, struct attempt *, const char *hash);

/*
 * user_end.c: making every worker forget a user: her sessions are over, and
 * her API keys (their prefixes with blanks between) are read from PostgreSQL
 * again. user_end() when the change is made: UNAVAILABLE, which says that it
 * is, and goes on trying in the background.
 */
co_fn enum res user_keys_forget(struct ctx *, const char *prefixes);
co_fn enum res
user_end(struct ctx *, const struct uuid *, const char *prefixes);

/* user_tx.c: a transaction, unless the request has one already (*own NULL). */
co_fn enum res user_tx_begin(struct ctx *, struct db_tx **own);
/* Commits or, unless res is RES_OK, rolls back; what of both came out. */
co_fn enum res user_tx_end(struct ctx *, struct db_tx *own, enum res res);

#endif
