/*
 * SQL of one-time tokens. Whose they are is found by their keyed hash; using
 * one up is a single statement, so that of two at once one finds it used.
 */
#include <string.h>

#include "account/account_priv.h"
#include "audit/audit.h"

DB_STATEMENT(token_holder, DB_READ,
    "SELECT id, email, name FROM eleusis.user_token_holder($1, $2)")
DB_STATEMENT(token_redeem, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.user_token_redeem($12, $13, $14, $15, $16)")
DB_STATEMENT(reset_ask, DB_WRITE,
    "SELECT id, email, name FROM eleusis.user_reset_ask($1, $2, $3, $4)")
DB_STATEMENT(note_row, DB_WRITE, AUDIT_WITH "SELECT 1")

static void
map_holder(const struct db_rows *r, struct token_holder *holder, bool *found)
{
	*found = db_count(r) > 0;
	if (!*found)
		return;
	db_col_uuid(r, 0, 0, &holder->id);
	holder->email = db_col_text(r, 0, 1);
	holder->name = db_col_text(r, 0, 2);
}

co_fn enum res
user_db_token_holder(struct ctx *cx, enum user_token_kind kind,
    const uint8_t hash[DIGEST_BYTES], struct token_holder *holder, bool *found)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	db_text(&a, user_token_purpose(kind));
	db_bytes(&a, hash, DIGEST_BYTES);
	if (db_exec(&cx->env, &token_holder, &a, &r) != RES_OK)
		return (RES_ERR);
	map_holder(r, holder, found);
	return (RES_OK);
}

co_fn enum res
user_db_token_redeem(struct ctx *cx, const struct audit_event *ev,
    enum user_token_kind kind, const struct token_holder *holder,
    const char *name)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, &cx->env);
	audit_bind(&a, ev);
	db_uuid(&a, &holder->id);
	db_text(&a, user_token_purpose(kind));
	db_bytes(&a, holder->hash, sizeof(holder->hash));
	db_text(&a, holder->password_hash);
	db_text(&a, name);
	return (db_exec(&cx->env, &token_redeem, &a, &r));
}

co_fn enum res
user_db_reset_ask(struct env *env, const char *email,
    const struct user_token *token, struct token_holder *holder, bool *found)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, env);
	db_text(&a, email);
	db_bytes(&a, token->hash, sizeof(token->hash));
	db_int4(&a, user_token_seconds(USER_TOKEN_RESET));
	db_int4(&a, (int32_t)setting_int(SETTING_RESET_PAUSE_S));
	if (db_exec(env, &reset_ask, &a, &r) != RES_OK)
		return (RES_ERR);
	map_holder(r, holder, found);
	return (RES_OK);
}

co_fn enum res
user_db_note(struct env *env, const struct audit_event *ev)
{
	struct db_args a;
	struct db_rows *r;

	db_args(&a, env);
	audit_bind(&a, ev);
	return (db_exec(env, &note_row, &a, &r));
}
