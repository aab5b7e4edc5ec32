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

struct principal {
	struct uuid user_id;
	enum role role;
	uint64_t scopes;
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
