/*
 * SQL of hashes made anew.
 */
#include "audit/audit.h"
#include "auth/auth_priv.h"

/* The row is written only if the hash was: compare and set. */
DB_STATEMENT(user_rehash, DB_WRITE,
    "WITH done AS (SELECT eleusis.user_rehash($12, $13, $14) AS held),"
    " noted AS (INSERT INTO eleusis.audit_event (id, occurred_at, action,"
    " outcome, actor_kind, actor_id, object_type, object_id, request_id,"
    " client_ip, detail)"
    " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::inet,"
    " $11::text::jsonb FROM done WHERE held)"
    " SELECT held FROM done")

co_fn enum res
password_db_rehash(struct env *env, const struct audit_event *ev,
    const struct uuid *user, const char *old, const char *hash, bool *held)
{
	struct db_args a;
	struct db_rows *r;

	*held = false;
	db_args(&a, env);
	audit_bind(&a, ev);
	db_uuid(&a, user);
	db_text(&a, old);
	db_text(&a, hash);
	if (db_exec(env, &user_rehash, &a, &r) != RES_OK)
		return (RES_ERR);
	*held = db_col_bool(r, 0, 0);
	return (RES_OK);
}
