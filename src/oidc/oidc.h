/*
 * oidc/: log-in by OpenID Connect providers (OpenID Connect Core 1.0, code
 * flow with PKCE), as their client. A provider says who somebody is there;
 * which account that is here, and what it may do, is decided here. Tokens of
 * providers are looked at once and kept nowhere.
 */
#ifndef OIDC_H
#define OIDC_H

#include "http/http.h"

/* In the parent: reads OIDC_FILE and the secrets it names. RES_ERR with a
 * message that names file, provider and member. */
enum res oidc_load(char *msg, size_t msglen);
/* In a worker: starts what keeps the providers' metadata and keys fresh. */
void oidc_init(void);

/* Handlers (oidc_api.c, identity_api.c, oidc_logout.c) */
co_fn enum res oidc_providers(struct ctx *);
co_fn enum res oidc_start(struct ctx *);
co_fn enum res oidc_callback(struct ctx *);
co_fn enum res oidc_logout(struct ctx *);
co_fn enum res oidc_backchannel(struct ctx *);
co_fn enum res identities_list(struct ctx *);
co_fn enum res identities_link(struct ctx *);
co_fn enum res identities_unlink(struct ctx *);
extern const struct schema schema_oidc_providers, schema_oidc_start,
    schema_oidc_callback, schema_oidc_url, schema_oidc_logout_token,
    schema_identities, schema_identity_link;

#endif
