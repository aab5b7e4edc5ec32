/*
 * SQL of kept replies. All of it runs in the transaction that the request's
 * own effect belongs to, but for the sweeping.
 */
#include <string.h>

#include "app/app_priv.h"
#include "auth/auth.h"

DB_STATEMENT(reply_claim, DB_WRITE,
    "SELECT state, id, request_hash, patient_id, reply, key_version,"
    " wrapped_key FROM eleusis.reply_claim($1, $2, $3)")

DB_STATEMENT(reply_keep, DB_WRITE,
    "SELECT eleusis.reply_keep($1, $2, $3, $4, $5, $6, $7, $8)")

DB_STATEMENT(replies_forget, DB_WRITE, "SELECT eleusis.replies_forget($1)")

static enum claim
claim_state(const char *s)
{
	if (strcmp(s, "new") == 0)
		return (CLAIM_NEW);
	return (strcmp(s, "kept") == 0 ? CLAIM_KEPT : CLAIM_BUSY);
}

co_fn enum res
idempotency_db_claim(
    struct ctx *cx, const uint8_t key_hash[DIGEST_BYTES], struct kept *k)
{
	struct db_args a;
	struct db_rows *r;
	size_t len;

	memset(k, 0, sizeof(*k));
	db_args(&a, &cx->env);
	db_uuid(&a, &cx->who->user_id);
	db_text(&a, role_name(cx->who->role));
	db_bytes(&a, key_hash, DIGEST_BYTES);
	if (db_exec(&cx->env, &reply_claim, &a, &r) != RES_OK)
		return (RES_ERR);
	k->state = claim_state(db_col_text(r, 0, 0));
	if (k->state != CLAIM_KEPT)
		return (RES_OK);
	db_col_uuid(r, 0, 1, &k->id);
	k->request_hash = db_col_bytes(r, 0, 2, &len);
	k->about_patient = !db_is_null(r, 0, 3);
	if (k->about_patient)
		db_col_uuid(r, 0, 3, &k->patient);
	k->reply = db_col_bytes(r, 0, 4, &k->reply_len);
	k->visible = !db_is_null(r, 0, 6);
	if (k->visible) {
		k->key.version = (uint32_t)db_col_int4(r, 0, 5);
		k->key.wrapped = db_col_bytes(r, 0, 6, &k->key.len);
	}
	return (RES_OK);
}

co_fn enum res
idempotency_db_keep(struct ctx *cx, const uint8_t key_hash[DIGEST_BYTES],
    const struct uuid *principal, const struct kept *k)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	db_bytes(&a, key_hash, DIGEST_BYTES);
	db_uuid(&a, &k->id);
	db_uuid(&a, principal);
	db_text(&a, cx->ep->name);
	db_bytes(&a, k->request_hash, DIGEST_BYTES);
	db_uuid(&a, k->about_patient ? &k->patient : NULL);
	db_bytes(&a, k->reply, k->reply_len);
	db_int4(&a, (int32_t)setting_int(SETTING_IDEMPOTENCY_S));
	return (db_exec(&cx->env, &reply_keep, &a, &r));
}

co_fn enum res
idempotency_db_forget(struct env *env, int32_t limit, int32_t *gone)
{
	struct db_args a;
	struct db_rows *r;

	*gone = 0;
	db_args(&a, env);
	db_int4(&a, limit);
	if (db_exec(env, &replies_forget, &a, &r) != RES_OK)
		return (RES_ERR);
	*gone = db_col_int4(r, 0, 0);
	return (RES_OK);
}
