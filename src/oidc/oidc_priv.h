/*
 * Shared by the files of oidc/ only.
 */
#ifndef OIDC_PRIV_H
#define OIDC_PRIV_H

#include "auth/auth.h"
#include "crypto/crypto.h"
#include "io/io.h"
#include "oidc/oidc.h"

#define OIDC_LEEWAY_S                                        \
	60 /* clocks of provider and server may differ by so \
	    * much */

enum oidc_reason {
	OIDC_OK = 0, /* no refusal */
#define REASON(id, slug, text) OIDC_##id,
#include "oidc/tbl/reasons.def"
#undef REASON
	OIDC_REASON_MAX
};
/* oidc_page.c */
const char *oidc_reason_slug(enum oidc_reason);
const char *oidc_reason_text(enum oidc_reason);

/*
 * provider.c, provider_file.c: the providers, as OIDC_FILE has them. They
 * are read once and never change; what a provider publishes does.
 */
#define PROVIDERS_MAX 32
#define PROVIDER_ALGS 16
enum client_auth {
	CLIENT_AUTH_UNSET = 0,
	CLIENT_AUTH_BASIC, /* client_secret_basic */
	CLIENT_AUTH_POST,  /* client_secret_post */
	CLIENT_AUTH_NONE   /* a public client: PKCE alone */
};
struct role_rule {
	const char *value;
	enum role role;
};
struct provider {
	const char *id, *name, *issuer, *client_id, *client_secret;
	const char *scopes;       /* with blanks between; has openid */
	const char *redirect_uri; /* where it sends the browser back to */
	struct uuid callback_id;  /* of a redirect URI of its own; or nil */
	enum client_auth auth;
	const char *algs[PROVIDER_ALGS]; /* allow-list, to a NULL */
	bool link_email;        /* an account is found by verified e-mail */
	bool trust_email;       /* its e-mails are verified without saying so */
	bool provision;         /* accounts are made at the first log-in */
	const char *role_claim; /* a member, or a JSON pointer; NULL: none */
	const struct role_rule *roles; /* first match wins */
	unsigned nroles;
	enum role default_role;              /* ROLE_UNSET: none */
	const char *const *acr, *const *amr; /* two factors; to a NULL */
	int64_t max_age_s;                   /* of the log-in there; 0: any */
	struct published *published;         /* discovery.c, of this worker */
};
struct provider *provider_at(unsigned); /* NULL: past the last */
struct provider *provider_find(const char *id);
unsigned provider_count(void);
/* Two that share a redirect URI: only what the provider says in its answer
 * tells them apart (RFC 9207). */
bool provider_shares_redirect(const struct provider *);
/* https, or in dev http to this machine; no fragment. */
bool provider_url_ok(const char *);
enum res provider_read(struct arena *, const char *file, const struct jval *,
    struct provider *, char *msg, size_t msglen);
extern const char *const provider_algs[]; /* all that can be allowed */

/*
 * discovery.c: what a provider publishes, kept by each worker.
 */
struct metadata {
	const char *authorization_endpoint, *token_endpoint, *jwks_uri;
	const char *end_session_endpoint; /* NULL: none */
	bool says_iss;                    /* RFC 9207 */
};
/* A copy in the arena. OIDC_DISCOVERY: it is not to be had. */
co_fn enum oidc_reason
discovery_get(struct ctx *, struct provider *, struct metadata *);
/* The public key, as JSON, that the token says it is signed with, or NULL.
 * A key that is not known is looked for at the provider, now and then. */
struct jwt;
co_fn const char *
discovery_key(struct ctx *, struct provider *, const struct jwt *);
void discovery_init(void);

/* provider_fetch.c: one request to a provider; RES_ERR on any status but
 * 200, after at most FETCH_MS. why: for the log. No error is left in env. */
struct provider_request {
	const char *url;
	const char *form;          /* NULL: GET */
	const char *authorization; /* NULL: none */
	size_t max;                /* bytes of the reply */
};
co_fn enum res provider_fetch(struct env *, const struct provider_request *,
    struct jval **out, const char **why);

/*
 * jwt.c: a signed token (RFC 7515, compact form). Pure.
 */
#define JWT_MAX 16384
struct jwt {
	const char *text;
	size_t len;
	const char *alg, *kid, *typ; /* kid, typ: NULL when not there */
	const struct jval *claims;   /* after jwt_verify() only */
};
/* Takes it apart; OIDC_BAD_TOKEN, OIDC_BAD_ALG. Proves nothing. algs: what is
 * allowed, to a NULL. */
enum oidc_reason jwt_read(
    struct arena *, const char *text, const char *const *algs, struct jwt *);
/* Could the key (a JWK) have made it? By type, curve, size, use and, when the
 * token names one, key id. */
bool jwt_key_fits(const struct jwt *, const struct jval *key);
struct jwt_job {
	const char *token, *key; /* JSON of a JWK */
	size_t token_len;
	uint8_t *claims; /* malloc()ed: free it; NULL: it does not hold */
	size_t claims_len;
};
/* Checks the signature: some hundred microseconds, so on the thread pool. */
void jwt_verify_job(void *); /* struct jwt_job * */
/* Whom it says it is from, unproved; NULL: it does not say. */
const char *jwt_issuer(struct arena *, const struct jwt *);
/* jwt_check.c: with the provider's key; fills in claims. */
co_fn enum oidc_reason
jwt_verify(struct ctx *, struct provider *, struct jwt *);

/*
 * claims.c: what a token must say (OpenID Connect Core 3.1.3.7, Back-Channel
 * Logout 2.6). Pure.
 */
struct claims_want {
	const char *issuer, *client_id;
	const char *nonce;        /* NULL: of a log-out, which has none */
	const char *access_token; /* NULL: none came along */
	const char *alg;
	int64_t max_age_s, now_s;
};
struct claims {
	const char *sub, *sid; /* NULL: not said */
	const char *jti;       /* of a log-out */
	const char *email, *name;
	bool email_verified;
	int64_t auth_time_us; /* 0: not said */
};
enum oidc_reason
claims_check(const struct jval *, const struct claims_want *, struct claims *);
enum oidc_reason claims_check_logout(
    const struct jval *, const struct claims_want *, struct claims *);
/* Two factors, as the provider's acr and amr values are understood. */
bool claims_mfa(const struct jval *, const struct provider *);
/* The role of the first rule that the claim fits, else the default. */
enum role claims_role(const struct jval *, const struct provider *);

/*
 * flow.c: a log-in under way, sealed in Redis under the hash of its state
 * and bound to the browser by a cookie; good once, for FLOW_S.
 */
#define FLOW_S	   600
#define FLOW_LINK  0x01 /* for cx->who, not a log-in */
#define FLOW_FRESH 0x02 /* the provider is to ask who it is once more */
struct flow {
	const char *provider; /* its id */
	const char *nonce, *verifier, *return_to;
	struct uuid link_user;    /* nil: a log-in */
	struct uuid link_session; /* begun in it */
	uint8_t browser[TOKEN_HASH_BYTES];
};
/* Makes and stores one, sets the cookie; *url: where the browser goes.
 * how: FLOW_ flags. */
co_fn enum res
flow_begin(struct ctx *, const struct provider *, const struct metadata *,
    const char *return_to, unsigned how, const char **url);
/* Takes it: OIDC_BAD_STATE, OIDC_OTHER_BROWSER. RES_ERR: Redis is away. */
co_fn enum res
flow_take(struct ctx *, const char *state, struct flow *, enum oidc_reason *);
/* A path of OIDC_RETURN_PATHS. */
bool flow_return_ok(const char *path);
/* Where a log-in ends that was not told where to. */
const char *flow_return_default(struct arena *);

/* form.c: application/x-www-form-urlencoded, for URLs and bodies. Pure. */
void form_escape(struct buf *, const char *);
/* "&name=value", with '?' instead where the URL has no query yet. */
void form_add(struct buf *, char first, const char *name, const char *value);

/* token.c of a code: asks the token endpoint, checks the ID token. */
struct code_reply {
	struct jwt id_token;
	struct claims claims;
};
co_fn enum oidc_reason
code_exchange(struct ctx *, struct provider *, const struct metadata *,
    const struct flow *, const char *code, struct code_reply *);

/*
 * identity.c, identity_db.c: which account somebody of a provider is. A
 * subject is kept as a keyed hash over issuer and sub.
 */
struct identity {
	struct uuid id, user_id;
	const char *provider;       /* its id; it may be configured no more */
	int64_t linked_us, used_us; /* used_us 0: never */
};
void identity_subject(
    const struct provider *, const char *sub, uint8_t out[DIGEST_BYTES]);
/* The account for a log-in, linked, made and given its role as the provider's
 * configuration has it. RES_ERR: the error is set. Else a reason. */
co_fn enum res identity_resolve(struct ctx *, const struct provider *,
    const struct code_reply *, struct account *, struct uuid *identity,
    enum oidc_reason *);
/* Links it to the user who began so. */
co_fn enum res identity_link(struct ctx *, const struct provider *,
    const struct claims *, const struct uuid *user, enum oidc_reason *);
/* Sessions of cx->who that began with that provider end, but for the one that
 * asks; she is told by mail. */
co_fn enum res identity_unlinked(struct ctx *, const char *provider);
/* identity_db.c */
struct audit_event;
co_fn enum res identity_db_find(struct ctx *, const struct provider *,
    const uint8_t subject[DIGEST_BYTES], struct identity *, bool *found);
co_fn enum res identity_db_add(struct ctx *, const struct audit_event *,
    const struct identity *, const uint8_t subject[DIGEST_BYTES]);
co_fn enum res identity_db_provision(struct ctx *, const struct audit_event *,
    const struct identity *, const uint8_t subject[DIGEST_BYTES],
    const struct claims *, enum role);
co_fn enum res identity_db_role(struct ctx *, const struct audit_event *,
    const struct account *, enum role);
/* False: it is linked no more. */
co_fn enum res identity_db_used(struct ctx *, const struct uuid *, bool *);
co_fn enum res identity_db_list(struct ctx *, struct identity **, int *n);
/* *provider: whose it was. */
co_fn enum res identity_db_remove(struct ctx *, const struct audit_event *,
    const struct uuid *, const char **provider);

/* oidc_session.c: whose session a provider's session is. */
co_fn enum res provider_session_note(struct ctx *, const struct provider *,
    const char *sid, const struct uuid *user);
co_fn enum res provider_session_user(struct ctx *, const struct provider *,
    const char *sid, struct uuid *user, bool *found);
/* False: the token's jti was seen before. */
co_fn enum res provider_token_once(
    struct ctx *, const struct provider *, const char *jti, bool *fresh);

/* oidc_page.c: pages; reason OIDC_OK: goes on to path. */
void oidc_page_refused(struct ctx *, enum oidc_reason);
void oidc_page_go_on(struct ctx *, const char *path);
/* The audit row of a refusal, durable. provider NULL: not known. */
co_fn enum res oidc_refused(struct ctx *, const struct provider *,
    enum oidc_reason, const struct uuid *user);

#endif
