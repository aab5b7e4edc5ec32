/*
 * Bodies that make and change accounts: what the schema cannot say. Every
 * mistake is found at once, each with its pointer.
 */
#include <string.h>

#include "account/account_priv.h"

static void
mistake(struct ctx *cx, const char *pointer, const char *code, const char *text)
{
	err_field(&cx->env.err, cx->env.arena, pointer, code, "%s", text);
}

enum res
user_mistakes(struct ctx *cx)
{
	unsigned n = cx->env.err.nfields;

	if (n == 0)
		return (RES_OK);
	return (err_fail(&cx->env.err, PROBLEM_VALIDATION,
	    "%u mistake%s: see errors", n, n == 1 ? "" : "s"));
}

/* The schema lets line breaks and tabs through. */
void
user_check_name(struct ctx *cx, const char *name)
{
	if (name == NULL)
		return;
	if (strpbrk(name, "\r\n\t") != NULL)
		mistake(cx, "/name", "format", "must be on one line");
	else if (name[strspn(name, " ")] == '\0')
		mistake(cx, "/name", "format", "must not be blank");
}

static void
read_name(struct ctx *cx, struct user_row *row)
{
	const char *name = json_get_str(cx->body, "name");

	user_check_name(cx, name);
	if (name != NULL)
		row->name = name;
}

static void
read_email(struct ctx *cx, struct user_row *row)
{
	const char *email = json_get_str(cx->body, "email");
	char out[EMAIL_MAX + 1];

	if (email == NULL)
		return;
	if (email_parse(email, out) == RES_OK)
		row->email = arena_strdup(cx->env.arena, out);
	else
		mistake(cx, "/email", "format",
		    "must be an e-mail address, as in ada@example.org");
}

static void
read_role(struct ctx *cx, struct user_row *row)
{
	const char *role = json_get_str(cx->body, "role");

	/* The schema has checked that there is one of the name. */
	if (role != NULL)
		row->role = role_parse(role);
}

static void
read_scope(
    struct ctx *cx, const char *pointer, const char *name, struct user_row *row)
{
	uint64_t bit = scope_bit(name);

	if (bit == 0)
		mistake(cx, pointer, "enum", "is not a scope");
	else if (!(bit & role_scopes(row->role)))
		mistake(
		    cx, pointer, "not_allowed", "is more than the role allows");
	else if (bit & row->scopes)
		mistake(cx, pointer, "duplicate", "is there already");
	row->scopes |= bit;
}

/* A list of another role stays as far as that role has it, unless the patch
 * brings a new one. */
static void
read_scopes(struct ctx *cx, struct user_row *row)
{
	const struct jval *v = json_get(cx->body, "scopes"), *s;
	unsigned i = 0;

	if (v != NULL) {
		row->narrowed = v->type == J_ARR;
		row->scopes = 0;
	}
	if (v != NULL && row->narrowed) {
		JSON_FOREACH (s, v)
			read_scope(cx,
			    arena_printf(cx->env.arena, "/scopes/%u", i++),
			    s->s, row);
	}
	if (row->narrowed)
		row->scopes &= role_scopes(row->role);
	else
		row->scopes = role_scopes(row->role);
}

static void
read_flags(struct ctx *cx, struct user_row *row)
{
	const struct jval *v = json_get(cx->body, "disabled");

	if (v != NULL)
		row->disabled = v->b;
	v = json_get(cx->body, "must_change_password");
	if (v == NULL)
		return;
	row->onetime = v->b;
	if (v->b && !row->has_password)
		mistake(cx, "/must_change_password", "conflict",
		    "needs an account that has a password");
}

enum res
user_from_body(struct ctx *cx, struct user_row *row)
{
	read_name(cx, row);
	read_email(cx, row);
	read_role(cx, row);
	read_scopes(cx, row);
	return (user_mistakes(cx));
}

static unsigned
changed(const struct user_row *a, const struct user_row *b)
{
	unsigned bits = 0;

	if (strcmp(a->name, b->name) != 0)
		bits |= USER_CHANGE_NAME;
	if (strcmp(a->email, b->email) != 0)
		bits |= USER_CHANGE_EMAIL;
	if (a->role != b->role)
		bits |= USER_CHANGE_ROLE;
	if (a->narrowed != b->narrowed ||
	    (a->narrowed && a->scopes != b->scopes))
		bits |= USER_CHANGE_SCOPES;
	if (a->disabled != b->disabled)
		bits |= USER_CHANGE_DISABLED;
	if (a->onetime != b->onetime)
		bits |= USER_CHANGE_ONETIME;
	return (bits);
}

enum res
user_merge(struct ctx *cx, struct user_row *row, unsigned *changes)
{
	struct user_row before = *row;

	read_name(cx, row);
	read_email(cx, row);
	read_role(cx, row);
	read_scopes(cx, row);
	read_flags(cx, row);
	*changes = changed(&before, row);
	return (user_mistakes(cx));
}

const char *
user_change_names(struct arena *arena, unsigned changes)
{
	static const char *const names[] = { "name", "email", "role", "scopes",
		"disabled", "must_change_password" };
	struct buf b;

	buf_init(&b, arena, 64);
	for (unsigned i = 0; i < NELEM(names); i++) {
		if (changes & (1u << i))
			buf_printf(&b, b.len > 0 ? " %s" : "%s", names[i]);
	}
	return (b.data);
}
