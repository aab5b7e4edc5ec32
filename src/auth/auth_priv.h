/*
 * Shared by the files of auth/ only.
 */
#ifndef AUTH_PRIV_H
#define AUTH_PRIV_H

#include "auth/auth.h"

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

#endif
