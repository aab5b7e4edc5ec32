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
enum role role_parse(const char *);             /* ROLE_UNSET: unknown */
uint64_t role_scopes(enum role);                /* bit set */
uint64_t scope_bit(const char *);               /* 0: unknown */
void scopes_write(struct json_out *, uint64_t); /* an array */

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
	unsigned nnetworks;                 /* 0: from anywhere */
	uint32_t limits[RATE_CLASS_MAX];    /* a minute; 0: as settings have it */
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
 * The one Redis round trip of a request: session look-up, idle extension
 * and rate limit in one script. Sets cx->who for AUTH_SESSION rows, and the
 * rate fields. UNAUTHENTICATED, CSRF, RATE_LIMITED, UNAVAILABLE.
 */
co_fn enum res auth_admit(struct ctx *);
/*
 * signature.c: RFC 9421 HTTP message signatures, RFC 9530 Content-Digest.
 * signature_read() comes before admission and parses what the client sent
 * (*out NULL: not signed); it proves nothing. auth_signature() comes after it
 * and before the body is parsed: a signature must be of cx->who's key and
 * hold; one must be there when the key or SIGNED_OPERATIONS wants it.
 * MALFORMED_REQUEST, SIGNATURE_REQUIRED, BAD_SIGNATURE, DIGEST_MISMATCH. A
 * failure gives back what admission charged and forgets the nonce.
 */
struct signature {
	const char *label, *keyid, *nonce; /* nonce: unique for keyid */
	enum signature_alg alg;            /* UNSET: not said */
	int64_t created_s, expires_s;      /* Unix time; 0: not said */
	const char *const *components;     /* identifiers as sent */
	unsigned ncomponents;
	const char *params; /* the @signature-params value, as sent */
	const uint8_t *bytes;
	size_t len;
};
enum res signature_read(struct ctx *, const struct signature **out);
co_fn enum res auth_signature(struct ctx *);
/* admit.c: undoes auth_admit()'s charge to key and user, charges the network
 * for a failed authentication, and forgets the nonce. */
co_fn void auth_undo(struct ctx *);

/*
 * apikey.c. A key's record travels as one sealed value (associated data: its
 * prefix), from PostgreSQL to Redis ("k:<prefix>", for at most
 * APIKEY_FRESH_S) and back. Revocation replaces that value by a tombstone.
 */
#define APIKEY_FRESH_S 60
/* True when the text has the form of a key; prefix is filled in. */
bool apikey_form(const char *token, char prefix[APIKEY_PREFIX_STRLEN + 1]);
/* The user and the key of a prefix from PostgreSQL, whatever their state;
 * *out NULL: no such key. */
co_fn enum res apikey_load(struct ctx *, const char *prefix,
    struct principal **out);
/* The sealed value of such a principal, and the reverse. */
const void *apikey_value_make(struct arena *, const struct principal *,
    size_t *len);
enum res apikey_value_open(struct arena *, const char *prefix, const void *,
    size_t, struct principal **out);
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
void apikey_used(const struct principal *, const struct netaddr *,
    int64_t now_us);
void apikey_init(void); /* in a worker: starts the writer */

/* FORBIDDEN unless cx->who has the row's scope (and no one-time password). */
enum res auth_allow(struct ctx *);

/* Handlers (auth_api.c) */
co_fn enum res auth_login(struct ctx *);
co_fn enum res auth_logout(struct ctx *);
co_fn enum res auth_password(struct ctx *);
co_fn enum res auth_me(struct ctx *);
extern const struct schema schema_login, schema_login_reply, schema_password,
    schema_me;

#endif
