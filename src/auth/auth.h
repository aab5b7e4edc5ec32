/*
 * auth/: who is asking, and what they may do. Sessions are opaque tokens;
 * Redis holds their sealed values under the token's hash.
 */
#ifndef AUTH_H
#define AUTH_H

#include "http/http.h"
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
enum signature_alg {
	SIGNATURE_UNSET = 0, /* the key cannot sign */
	SIGNATURE_HMAC_SHA256,
	SIGNATURE_ED25519
};
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
/* Fills in the principal's token hash and times. */
co_fn enum res
session_create(struct ctx *, struct principal *, struct session_new *);
co_fn enum res session_destroy(struct ctx *, const struct principal *);
/* Ends every other session of the user (after a password change), and stores
 * this one anew unless it has ended. */
co_fn enum res session_renew(struct ctx *, const struct principal *);
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
 * make keys, change network rules or unlock accounts. */
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

/* FORBIDDEN unless cx->who has the row's scope, no one-time password, and no
 * API key where the row takes sessions only. Notes the use of a key. */
enum res auth_allow(struct ctx *);

/* Handlers (auth_api.c, password_api.c, unlock_api.c) */
co_fn enum res auth_login(struct ctx *);
co_fn enum res auth_logout(struct ctx *);
co_fn enum res auth_password(struct ctx *);
co_fn enum res auth_me(struct ctx *);
co_fn enum res auth_unlock(struct ctx *);
extern const struct schema schema_login, schema_login_reply, schema_password,
    schema_me;

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

#endif
