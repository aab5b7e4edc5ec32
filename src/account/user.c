/*
 * What may be done with accounts, each step with its audit row.
 *
 * Nobody changes her own rights, and whoever has only some of her role's
 * scopes has no power over those of the role who have more: she could else
 * give herself the rest by way of another account. The database says the
 * first as well, and that the last admin stays, under a lock.
 */
#include <string.h>

#include "account/account_priv.h"
#include "audit/audit.h"
#include "mail/mail.h"
#include "obs/obs.h"

#define OBJECT "user"
#define LAST_ADMIN \
	"It is the last admin who can log in: make another one first."

/* ---- reading ---------------------------------------------------------------
 */

co_fn enum res
user_read(struct ctx *cx, const struct uuid *id, struct user_row *row)
{
	struct audit_event event;
	struct audit_ticket *ticket;
	struct db_rows *rows;
	struct db_op *op;

	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, OBJECT, id);
	if (audit_start(cx, &event, &ticket) != RES_OK ||
	    user_db_get_start(cx, id, &op) != RES_OK)
		return (RES_ERR);
	if (audit_wait(cx, ticket) != RES_OK)
		return (RES_ERR);
	if (db_wait(&cx->env, op, &rows) != RES_OK)
		return (audit_db_failed(cx, OBJECT, id));
	if (db_count(rows) == 0)
		return (user_not_found(cx, id));
	return (user_row_map(cx, rows, 0, row));
}

co_fn enum res
user_list(struct ctx *cx, const struct page *page, const char *status,
    const char *role, struct user_row **list, int *n)
{
	struct audit_event event;
	struct db_rows *rows;

	audit_event(cx, &event, AUDIT_ALLOWED);
	if (audit_append(cx, &event) != RES_OK)
		return (RES_ERR);
	if (user_db_list(cx, page, status, role, &rows) != RES_OK)
		return (audit_db_failed(cx, OBJECT, NULL));
	*n = db_count(rows);
	*list = arena_alloc(cx->env.arena, (size_t)(*n + 1) * sizeof(**list));
	for (int i = 0; i < *n; i++)
		if (user_row_map(cx, rows, i, &(*list)[i]) != RES_OK)
			return (RES_ERR);
	return (RES_OK);
}

/* ---- who may ---------------------------------------------------------------
 */

static bool
beyond(const struct ctx *cx, const struct user_row *row)
{
	return (row->role == cx->who->role &&
		(row->scopes & ~cx->who->scopes) != 0);
}

static co_fn enum res
refuse_beyond(struct ctx *cx, const struct uuid *id)
{
	return (user_forbidden(cx, id,
	    "The account has, or would have, more scopes of your role than "
	    "you have."));
}

/* What is there, which the change then expects. */
static co_fn enum res
present(struct ctx *cx, const struct uuid *id, struct user_row *row)
{
	struct db_rows *rows;

	if (user_db_get(cx, id, &rows) != RES_OK)
		return (audit_db_failed(cx, OBJECT, id));
	if (db_count(rows) == 0)
		return (user_not_found(cx, id));
	if (user_row_map(cx, rows, 0, row) != RES_OK)
		return (RES_ERR);
	if (row->deleted)
		return (user_not_found(cx, id));
	return (beyond(cx, row) ? refuse_beyond(cx, id) : RES_OK);
}

static co_fn enum res
check_version(struct ctx *cx, const struct user_row *row, const char *condition)
{
	if (if_match(condition, row->version) == IF_MATCH_YES)
		return (RES_OK);
	return (user_conflict(cx, &row->id, PROBLEM_PRECONDITION_FAILED,
	    "The account has another version than If-Match."));
}

static bool
own_rights(const struct ctx *cx, const struct user_row *row, unsigned changes)
{
	return (uuid_equal(&cx->who->user_id, &row->id) &&
		(changes & (USER_CHANGE_ROLE | USER_CHANGE_SCOPES |
			       USER_CHANGE_DISABLED)));
}

/* ---- making ----------------------------------------------------------------
 */

static const char *
row_detail(struct ctx *cx, const struct user_row *row, const char *changes)
{
	const char *scopes = "", *what = "";

	if (row->narrowed)
		scopes = arena_printf(cx->env.arena, ",\"scopes\":\"%s\"",
		    scopes_text(cx->env.arena, row->scopes));
	if (changes != NULL)
		what =
		    arena_printf(cx->env.arena, ",\"changed\":\"%s\"", changes);
	return (arena_printf(cx->env.arena,
	    "{\"version\":%d,\"role\":\"%s\",\"disabled\":%s%s%s}",
	    row->version, role_name(row->role),
	    row->disabled ? "true" : "false", scopes, what));
}

/* The account and its invitation, in one transaction. */
static co_fn enum res
create(struct ctx *cx, const struct user_token *token, struct user_row *row)
{
	struct audit_event event;

	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, OBJECT, &row->id);
	event.detail = row_detail(cx, row, NULL);
	if (user_db_invite(cx, &event, token, row) != RES_OK)
		return (user_refused(cx, NULL, false, ""));
	if (token == NULL)
		return (RES_OK);
	return (user_token_mail(&cx->env, USER_TOKEN_INVITATION, token,
	    row->email, row->name, role_name(row->role)));
}

co_fn enum res
user_create(struct ctx *cx, struct user_row *row)
{
	struct user_token *token = NULL;
	struct db_tx *own;

	if (user_from_body(cx, row) != RES_OK)
		return (RES_ERR);
	if (beyond(cx, row))
		return (refuse_beyond(cx, NULL));
	uuid_v7(&row->id);
	row->version = 1;
	/* A service has no password, and nobody to set one. */
	if (row->role != ROLE_SERVICE) {
		if (mail_required(&cx->env) != RES_OK)
			return (RES_ERR);
		token = arena_alloc(cx->env.arena, sizeof(*token));
		user_token_new(USER_TOKEN_INVITATION, token);
	}
	if (user_tx_begin(cx, &own) != RES_OK ||
	    user_tx_end(cx, own, create(cx, token, row)) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_USERS_CREATED, 1);
	return (RES_OK);
}

/* ---- changing --------------------------------------------------------------
 */

struct change {
	struct user_row before;
	unsigned changes;
	bool conditional;
	const char *prefixes; /* of the keys that must be forgotten */
};

static co_fn enum res
change(struct ctx *cx, struct change *c, struct user_row *row)
{
	struct audit_event event;

	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, OBJECT, &row->id);
	row->version++;
	event.detail =
	    row_detail(cx, row, user_change_names(cx->env.arena, c->changes));
	row->version--;
	if (user_db_update(cx, &event, c->changes, row) != RES_OK)
		return (user_refused(cx, &row->id, c->conditional, LAST_ADMIN));
	if (user_db_keys(cx, &row->id, &c->prefixes) != RES_OK)
		return (audit_db_failed(cx, OBJECT, &row->id));
	return (user_mail_changed(cx, &c->before, row, c->changes));
}

static co_fn enum res
apply(struct ctx *cx, struct change *c, struct user_row *row)
{
	bool rights = c->changes & USER_CHANGE_RIGHTS;
	struct db_tx *own;

	if (rights && (user_db_keys(cx, &row->id, &c->prefixes) != RES_OK ||
			  user_keys_forget(cx, c->prefixes) != RES_OK))
		return (RES_ERR);
	if (user_tx_begin(cx, &own) != RES_OK ||
	    user_tx_end(cx, own, change(cx, c, row)) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_USERS_CHANGED, 1);
	return (rights ? user_end(cx, &row->id, c->prefixes) : RES_OK);
}

co_fn enum res
user_update(struct ctx *cx, const struct uuid *id, const char *condition,
    struct user_row *row)
{
	struct change c = { .conditional = condition != NULL };
	struct audit_event event;

	if (present(cx, id, row) != RES_OK ||
	    check_version(cx, row, condition) != RES_OK)
		return (RES_ERR);
	c.before = *row;
	if (user_merge(cx, row, &c.changes) != RES_OK)
		return (RES_ERR);
	if (own_rights(cx, row, c.changes))
		return (user_forbidden(cx, id,
		    "Nobody changes her own role and scopes, or disables "
		    "herself: ask another admin."));
	if (beyond(cx, row))
		return (refuse_beyond(cx, id));
	if (c.changes != 0)
		return (apply(cx, &c, row));
	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, OBJECT, id);
	return (audit_append(cx, &event));
}

/* ---- deleting --------------------------------------------------------------
 */

static co_fn enum res
erase(struct ctx *cx, struct change *c, struct user_row *row)
{
	struct audit_event event;

	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, OBJECT, &row->id);
	event.detail =
	    arena_printf(cx->env.arena, "{\"version\":%d}", row->version + 1);
	if (user_db_delete(cx, &event, row) != RES_OK)
		return (user_refused(cx, &row->id, c->conditional, LAST_ADMIN));
	if (user_db_keys(cx, &row->id, &c->prefixes) != RES_OK)
		return (audit_db_failed(cx, OBJECT, &row->id));
	return (RES_OK);
}

co_fn enum res
user_delete(struct ctx *cx, const struct uuid *id, const char *condition,
    int32_t *version)
{
	struct change c = { .conditional = condition != NULL };
	struct user_row row;
	struct db_tx *own;

	if (present(cx, id, &row) != RES_OK ||
	    check_version(cx, &row, condition) != RES_OK)
		return (RES_ERR);
	if (uuid_equal(&cx->who->user_id, id))
		return (user_forbidden(
		    cx, id, "Nobody deletes herself: ask another admin."));
	if (user_db_keys(cx, id, &c.prefixes) != RES_OK ||
	    user_keys_forget(cx, c.prefixes) != RES_OK)
		return (RES_ERR);
	if (user_tx_begin(cx, &own) != RES_OK ||
	    user_tx_end(cx, own, erase(cx, &c, &row)) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_USERS_DELETED, 1);
	*version = row.version + 1;
	return (user_end(cx, id, c.prefixes));
}

/* ---- links -----------------------------------------------------------------
 */

static co_fn enum res
send_link(struct ctx *cx, enum user_token_kind kind, const char *state,
    struct user_row *row)
{
	struct user_token *token = arena_alloc(cx->env.arena, sizeof(*token));
	struct audit_event event;

	user_token_new(kind, token);
	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, OBJECT, &row->id);
	if (user_db_token_send(cx, &event, kind, token, row) != RES_OK)
		return (user_refused(cx, &row->id, false, state));
	return (user_token_mail(&cx->env, kind, token, row->email, row->name,
	    role_name(row->role)));
}

static co_fn enum res
send_to(struct ctx *cx, const struct uuid *id, enum user_token_kind kind,
    const char *state, struct user_row *row)
{
	struct db_tx *own;

	if (mail_required(&cx->env) != RES_OK || present(cx, id, row) != RES_OK)
		return (RES_ERR);
	if (user_tx_begin(cx, &own) != RES_OK)
		return (RES_ERR);
	return (user_tx_end(cx, own, send_link(cx, kind, state, row)));
}

co_fn enum res
user_invite_again(struct ctx *cx, const struct uuid *id, struct user_row *row)
{
	return (send_to(cx, id, USER_TOKEN_INVITATION,
	    "Only who is enabled, no service and has no password yet can be "
	    "invited.",
	    row));
}

co_fn enum res
user_send_reset(struct ctx *cx, const struct uuid *id)
{
	struct user_row row;

	return (send_to(cx, id, USER_TOKEN_RESET,
	    "Only who is enabled, no service and has a password can get "
	    "another one: see invite.",
	    &row));
}
