/*
 * A finished reply as bytes, and back: status (2 bytes), media type, number
 * of headers (2 bytes), their names and values, body. Texts come with a
 * length of 4 bytes; integers are big-endian.
 */
#include <string.h>

#include "http/http_priv.h"

struct reader {
	const uint8_t *p, *end;
	struct arena *arena;
};

static void
put_text(struct buf *b, const char *s, size_t len)
{
	uint8_t size[4];

	put_be32(size, (uint32_t)len);
	buf_append(b, size, sizeof(size));
	if (len > 0)
		buf_append(b, s, len);
}

static void
put_count(struct buf *b, unsigned n)
{
	uint8_t size[2];

	put_be16(size, (uint16_t)n);
	buf_append(b, size, sizeof(size));
}

void
reply_pack(const struct ctx *cx, struct buf *b)
{
	const char *type = cx->content_type != NULL ? cx->content_type : "";
	const struct reply_header *h;
	unsigned n = 0;

	for (h = cx->headers; h != NULL; h = h->next)
		n++;
	put_count(b, (unsigned)cx->status);
	put_text(b, type, strlen(type));
	put_count(b, n);
	for (h = cx->headers; h != NULL; h = h->next) {
		put_text(b, h->name, strlen(h->name));
		put_text(b, h->value, strlen(h->value));
	}
	put_text(b, cx->reply, cx->reply_len);
}

static enum res
get_count(struct reader *r, unsigned *n)
{
	if (r->end - r->p < 2)
		return (RES_ERR);
	*n = get_be16(r->p);
	r->p += 2;
	return (RES_OK);
}

static enum res
get_text(struct reader *r, const char **s, size_t *len)
{
	if (r->end - r->p < 4)
		return (RES_ERR);
	*len = get_be32(r->p);
	r->p += 4;
	if (*len > (size_t)(r->end - r->p))
		return (RES_ERR);
	*s = arena_strndup(r->arena, (const char *)r->p, *len);
	r->p += *len;
	return (RES_OK);
}

enum res
reply_unpack(struct ctx *cx, const void *data, size_t len)
{
	struct reader r = { data, (const uint8_t *)data + len, cx->env.arena };
	const char *type, *name, *value, *body;
	unsigned status, n;
	size_t size;

	if (get_count(&r, &status) != RES_OK ||
	    get_text(&r, &type, &size) != RES_OK || get_count(&r, &n) != RES_OK)
		return (RES_ERR);
	for (unsigned i = 0; i < n; i++) {
		if (get_text(&r, &name, &size) != RES_OK ||
		    get_text(&r, &value, &size) != RES_OK)
			return (RES_ERR);
		reply_header(cx, name, value);
	}
	if (get_text(&r, &body, &size) != RES_OK || r.p != r.end)
		return (RES_ERR);
	reply_text(cx, (int)status, type[0] != '\0' ? type : NULL, body, size);
	return (RES_OK);
}
