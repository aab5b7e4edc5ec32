/*
 * What a handler says of its reply: status, body and headers, gathered in
 * the context. Nothing is sent here, so a handler may still fail afterwards
 * and become a problem.
 */
#include <string.h>
#include <strings.h>

#include "http/http_priv.h"

void
reply_json(struct ctx *cx, int status, struct json_out *out)
{
	cx->status = status;
	cx->content_type = "application/json";
	json_finish(out, &cx->reply, &cx->reply_len);
}

void
reply_text(
    struct ctx *cx, int status, const char *type, const char *text, size_t len)
{
	cx->status = status;
	cx->content_type = type;
	cx->reply = text;
	cx->reply_len = len;
}

void
reply_empty(struct ctx *cx, int status)
{
	reply_text(cx, status, NULL, NULL, 0);
}

static bool
name_ok(const char *name)
{
	static const char token[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";

	return (name[0] != '\0' && name[strspn(name, token)] == '\0');
}

/* CR and LF would start a header of the value's own making. */
static bool
value_ok(const char *value)
{
	for (; *value != '\0'; value++)
		if (((unsigned char)*value < 0x20 && *value != '\t') ||
		    *value == 0x7f)
			return (false);

	return (true);
}

static bool
joinable(const char *name)
{
	/* Its values hold commas (RFC 6265, 3). */
	return (strcasecmp(name, "set-cookie") != 0);
}

void
reply_header(struct ctx *cx, const char *name, const char *value)
{
	struct reply_header *h, **at;

	if (!name_ok(name) || !value_ok(value)) {
		cx->broken = true;
		err_private(&cx->env.err, "a reply header was refused");
		return;
	}
	for (at = &cx->headers; (h = *at) != NULL; at = &h->next) {
		if (strcasecmp(h->name, name) != 0 || !joinable(name))
			continue;
		h->value =
		    arena_printf(cx->env.arena, "%s, %s", h->value, value);
		return;
	}
	h = arena_alloc(cx->env.arena, sizeof(*h));
	h->name = arena_strdup(cx->env.arena, name);
	h->value = arena_strdup(cx->env.arena, value);
	*at = h;
}
