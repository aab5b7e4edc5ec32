/*
 * /v1/users, /v1/users/{user_id} and what is below it: from request to row and
 * from row to reply. No reply has a password or a token: those are in mails.
 */
#include <string.h>

#include "account/account_priv.h"

static void
write_scopes(struct json_out *o, const struct user_row *row)
{
	json_key(o, "scopes");
	if (row->narrowed)
		scopes_write(o, row->scopes);
	else
		json_null(o);
}

/* The members, into an object that the caller has opened. */
static void
write_members(struct json_out *o, const struct user_row *row)
{
	json_kuuid(o, "id", &row->id);
	json_kstr(o, "email", row->deleted ? NULL : row->email);
	json_kstr(o, "name", row->name);
	json_kstr(o, "role", role_name(row->role));
	write_scopes(o, row);
	json_kstr(o, "status", row->status);
	json_kbool(o, "disabled", row->disabled);
	json_kbool(o, "must_change_password", row->onetime);
	json_kbool(o, "has_password", row->has_password);
	json_kbool(o, "has_second_factor", row->has_factor);
	json_key(o, "invited_until");
	if (row->invited_until_us != 0)
		json_time(o, row->invited_until_us);
	else
		json_null(o);
	json_kint(o, "version", row->version);
	json_ktime(o, "created_at", row->created_us);
	json_ktime(o, "updated_at", row->updated_us);
}

static void
add_etag(struct ctx *cx, int32_t version)
{
	reply_header(
	    cx, "ETag", arena_printf(cx->env.arena, "\"%d\"", version));
}

static enum res
reply_row(struct ctx *cx, int status, const struct user_row *row)
{
	struct json_out *o = json_out_new(cx->env.arena);

	json_obj(o);
	write_members(o, row);
	json_obj_end(o);
	add_etag(cx, row->version);
	reply_json(cx, status, o);
	return (RES_OK);
}

co_fn enum res
users_invite(struct ctx *cx)
{
	struct user_row row = { .id = { { 0 } } };
	char id[UUID_STRLEN + 1];

	if (user_create(cx, &row) != RES_OK)
		return (RES_ERR);
	uuid_format(&row.id, id);
	reply_header(
	    cx, "Location", arena_printf(cx->env.arena, "/v1/users/%s", id));
	return (reply_row(cx, 201, &row));
}

co_fn enum res
users_get(struct ctx *cx)
{
	struct user_row row;

	if (user_read(cx, ctx_param(cx, "user_id"), &row) != RES_OK)
		return (RES_ERR);
	return (reply_row(cx, 200, &row));
}

co_fn enum res
users_list(struct ctx *cx)
{
	struct user_row *list;
	struct json_out *o;
	struct page page;
	bool more;
	int n;

	if (page_read(cx, USERS_PAGE, USERS_PAGE_MAX, &page) != RES_OK ||
	    user_list(cx, &page, json_get_str(cx->query, "status"),
		json_get_str(cx->query, "role"), &list, &n) != RES_OK)
		return (RES_ERR);
	more = n > page.limit;
	n = more ? page.limit : n;
	o = json_out_new(cx->env.arena);
	json_obj(o);
	json_key(o, "items");
	json_arr(o);
	for (int i = 0; i < n; i++) {
		json_obj(o);
		write_members(o, &list[i]);
		json_obj_end(o);
	}
	json_arr_end(o);
	page_write(cx, o, more, more ? &list[n - 1].id : NULL);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

/* The If-Match header, or NULL. */
static enum res
condition_of(struct ctx *cx, const char **out)
{
	*out = ctx_header(cx, "if-match");
	if (if_match(*out, 0) != IF_MATCH_MALFORMED)
		return (RES_OK);
	return (err_fail(&cx->env.err, PROBLEM_MALFORMED_REQUEST,
	    "If-Match must be * or a list of entity tags, as in \"3\"."));
}

co_fn enum res
users_update(struct ctx *cx)
{
	const char *condition;
	struct user_row row;

	if (condition_of(cx, &condition) != RES_OK ||
	    user_update(cx, ctx_param(cx, "user_id"), condition, &row) !=
		RES_OK)
		return (RES_ERR);
	return (reply_row(cx, 200, &row));
}

co_fn enum res
users_delete(struct ctx *cx)
{
	const char *condition;
	int32_t version;

	if (condition_of(cx, &condition) != RES_OK ||
	    user_delete(cx, ctx_param(cx, "user_id"), condition, &version) !=
		RES_OK)
		return (RES_ERR);
	/* Of the row that stays. */
	add_etag(cx, version);
	reply_empty(cx, 204);
	return (RES_OK);
}

co_fn enum res
users_invite_again(struct ctx *cx)
{
	struct user_row row;

	if (user_invite_again(cx, ctx_param(cx, "user_id"), &row) != RES_OK)
		return (RES_ERR);
	return (reply_row(cx, 200, &row));
}

co_fn enum res
users_send_reset(struct ctx *cx)
{
	if (user_send_reset(cx, ctx_param(cx, "user_id")) != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 202);
	return (RES_OK);
}
