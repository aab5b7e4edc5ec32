/*
 * One parameter of a query string as a signature covers it (RFC 9421, 2.2.8):
 * decoded as application/x-www-form-urlencoded, then percent-encoded anew, so
 * that signer and verifier agree whatever way it was escaped. Pure.
 */
#include <string.h>

#include "httpsig/httpsig.h"

static int
hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at;

	if (c >= 'A' && c <= 'F')
		c = (char)(c - 'A' + 'a');
	at = c != '\0' ? strchr(digits, c) : NULL;

	return (at != NULL ? (int)(at - digits) : -1);
}

/* The next byte behind '+' and escapes. A '%' that begins no escape stands
 * for itself (WHATWG URL, 5.1). */
static unsigned char
next_byte(const char **s, const char *end)
{
	const char *p = *s;

	if (*p == '%' && end - p > 2 && hex_value(p[1]) >= 0 &&
	    hex_value(p[2]) >= 0) {
		*s = p + 3;
		return (
		    (unsigned char)(hex_value(p[1]) << 4 | hex_value(p[2])));
	}
	*s = p + 1;

	return (*p == '+' ? ' ' : (unsigned char)*p);
}

/* WHATWG's application/x-www-form-urlencoded percent-encode set, in which a
 * space is "%20". */
static const char *
encode(struct arena *arena, const char *s, const char *end)
{
	static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz0123456789*-._";
	unsigned char c;
	struct buf b;

	buf_init(&b, arena, (size_t)(end - s) + 1);
	while (s < end) {
		c = next_byte(&s, end);
		if (c != '\0' && strchr(kept, c) != NULL)
			buf_putc(&b, (char)c);
		else
			buf_printf(&b, "%%%02X", c);
	}

	return (b.data);
}

enum res
query_param(struct arena *arena, const char *query, const char *name,
    const char **value)
{
	const char *end, *eq;
	unsigned found = 0;

	for (; *query != '\0'; query = end + (*end == '&')) {
		end = query + strcspn(query, "&");
		eq = query + strcspn(query, "=&");
		if (end == query || strcmp(encode(arena, query, eq), name) != 0)
			continue;
		found++;
		*value = encode(arena, eq < end ? eq + 1 : end, end);
	}

	return (found == 1 ? RES_OK : RES_ERR);
}
