/*
 * factor/: what else than a password shows who somebody is. Authenticator
 * apps, recovery codes and passkeys: how their users set them up and take them
 * away, and how a log-in or a step-up is completed with them.
 */
#ifndef FACTOR_H
#define FACTOR_H

#include "http/http.h"

/* passkey_options.c: in the parent, after the settings. RES_ERR with a
 * message: WEBAUTHN_RP_ID does not fit ORIGIN. */
enum res passkey_init(char *msg, size_t msglen);
/* Handlers (passkey_api.c) */
co_fn enum res passkeys_options(struct ctx *);
co_fn enum res passkeys_create(struct ctx *);
co_fn enum res passkeys_list(struct ctx *);
co_fn enum res passkeys_rename(struct ctx *);
co_fn enum res passkeys_delete(struct ctx *);
co_fn enum res passkeys_login_options(struct ctx *);
co_fn enum res passkeys_login(struct ctx *);
co_fn enum res passkeys_verify_options(struct ctx *);
co_fn enum res passkeys_verify(struct ctx *);
extern const struct schema schema_passkeys, schema_passkey_new,
    schema_passkey_patch, schema_passkey_login, schema_passkey_verify,
    schema_passkey_creation, schema_passkey_request;

/* Handlers (factor_api.c, second_factor_api.c, factor_reset_api.c) */
co_fn enum res auth_totp_begin(struct ctx *);
co_fn enum res auth_totp_confirm(struct ctx *);
co_fn enum res auth_totp_remove(struct ctx *);
co_fn enum res auth_recovery_codes(struct ctx *);
co_fn enum res auth_factors(struct ctx *);
co_fn enum res auth_second_factor(struct ctx *);
co_fn enum res auth_factors_reset(struct ctx *);
extern const struct schema schema_totp_new, schema_totp_secret,
    schema_totp_confirm, schema_second_factor, schema_recovery_codes,
    schema_factors;

#endif
