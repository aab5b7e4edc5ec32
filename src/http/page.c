/*
 * Keyset pagination: a page starts after the row whose id the cursor names.
 * The cursor is the base64url of that UUID and of a keyed hash of it and the
 * list's path, so clients can neither make one up nor use it elsewhere.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "crypto/crypto.h"
#include "http/http_priv.h"

#define CURSOR_BYTES (sizeof(struct uuid) + CURSOR_TAG_BYTES)
#define CURSOR_LEN   32 /* 24 bytes: no padding and no spare bits */
#define CURSOR_BASE  sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(CURSOR_BYTES * 4 == CURSOR_LEN * 3, "cursor length");

static void
cursor_format(struct ctx *cx, const struct uuid *id, char out[CURSOR_LEN + 1])
{
	uint8_t bytes[CURSOR_BYTES];

	memcpy(bytes, id->b, sizeof(id->b));
	cursor_tag(cx->path, id, bytes + sizeof(id->b));
	sodium_bin2base64(
	    out, CURSOR_LEN + 1, bytes, sizeof(bytes), CURSOR_BASE);
}

static enum res
cursor_parse(struct ctx *cx, const char *s, struct uuid *id)
{
	uint8_t bytes[CURSOR_BYTES], tag[CURSOR_TAG_BYTES];
	const char *end;
	size_t len;

	if (strlen(s) != CURSOR_LEN ||
	    sodium_base642bin(bytes, sizeof(bytes), s, CURSOR_LEN, NULL, &len,
		&end, CURSOR_BASE) != 0 ||
	    len != sizeof(bytes) || *end != '\0')
		return (RES_ERR);
	memcpy(id->b, bytes, sizeof(id->b));
	cursor_tag(cx->path, id, tag);

	return (
	    sodium_memcmp(tag, bytes + sizeof(id->b), CURSOR_TAG_BYTES) == 0 ?
		RES_OK :
		RES_ERR);
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
	if (v != NULL && cursor_parse(cx, v->s, &page->after) != RES_OK)
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
page_write(
    struct ctx *cx, struct json_out *out, bool more, const struct uuid *last)
{
	char cursor[CURSOR_LEN + 1];

	json_key(out, "next_cursor");
	if (!more) {
		json_null(out);
		return;
	}
	cursor_format(cx, last, cursor);
	json_str(out, cursor);
	add_next_link(cx, cursor);
}
