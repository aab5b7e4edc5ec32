/*
 * Keyset pagination: a page starts after the row whose id the cursor names.
 * The cursor is the base64url of the UUID's 16 bytes; clients are told to
 * treat it as opaque.
 */
#include <stdio.h>
#include <string.h>

#include "http/http_priv.h"

#define CURSOR_LEN 22 /* 128 bits, 6 a character */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789-_";

static void
cursor_format(const struct uuid *id, char out[CURSOR_LEN + 1])
{
	uint32_t acc;
	unsigned bits, n;

	acc = 0;
	bits = 0;
	n = 0;
	for (unsigned i = 0; i < sizeof(id->b); i++) {
		acc = acc << 8 | id->b[i];
		for (bits += 8; bits >= 6; bits -= 6)
			out[n++] = alphabet[acc >> (bits - 6) & 63];
	}
	out[n++] = alphabet[acc << (6 - bits) & 63];
	out[n] = '\0';
}

static enum res
cursor_parse(const char *s, struct uuid *id)
{
	char again[CURSOR_LEN + 1];
	const char *p;
	uint32_t acc;
	unsigned bits, n;

	if (strlen(s) != CURSOR_LEN)
		return (RES_ERR);
	acc = 0;
	bits = 0;
	n = 0;
	for (; *s != '\0'; s++) {
		if ((p = strchr(alphabet, *s)) == NULL)
			return (RES_ERR);
		acc = acc << 6 | (uint32_t)(p - alphabet);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			id->b[n++] = (uint8_t)(acc >> bits);
		}
	}
	/* Only the one text that we would have made. */
	cursor_format(id, again);

	return (strcmp(again, s - CURSOR_LEN) == 0 ? RES_OK : RES_ERR);
}

enum res
page_read(struct ctx *cx, int32_t def, int32_t max, struct page *page)
{
	const struct jval *v;
	struct err *err = &cx->env.err;

	memset(page, 0, sizeof(*page));
	page->limit = def;
	v = json_get(cx->query, "limit");
	if (v != NULL && (v->type != J_INT || v->i < 1))
		err_field(err, cx->env.arena, "?limit", "min",
		    "must be an integer of at least 1");
	else if (v != NULL && v->i > max)
		err_field(err, cx->env.arena, "?limit", "max",
		    "must be at most %d", max);
	else if (v != NULL)
		page->limit = (int32_t)v->i;

	v = json_get(cx->query, "cursor");
	page->has_after = v != NULL;
	if (v != NULL && cursor_parse(v->s, &page->after) != RES_OK)
		err_field(err, cx->env.arena, "?cursor", "format",
		    "must be a cursor of an earlier page");
	if (err->nfields == 0)
		return (RES_OK);

	return (err_fail(err, PROBLEM_INVALID_QUERY, "no such page"));
}

static void
add_next_link(struct ctx *cx, const char *cursor)
{
	const struct jval *v;
	struct buf b;

	buf_init(&b, cx->env.arena, 256);
	buf_printf(&b, "<%s?", cx->path);
	JSON_FOREACH (v, cx->query) {
		if (strcmp(v->key, "cursor") == 0)
			continue;
		query_encode(&b, v->key, strlen(v->key));
		buf_putc(&b, '=');
		query_encode(&b, v->s, v->slen);
		buf_putc(&b, '&');
	}
	buf_printf(&b, "cursor=%s>; rel=\"next\"", cursor);
	reply_header(cx, "Link", b.data);
}

void
page_write(struct ctx *cx, struct json_out *out, bool more,
    const struct uuid *last)
{
	char cursor[CURSOR_LEN + 1];

	json_key(out, "next_cursor");
	if (!more) {
		json_null(out);
		return;
	}
	cursor_format(last, cursor);
	json_str(out, cursor);
	add_next_link(cx, cursor);
}
