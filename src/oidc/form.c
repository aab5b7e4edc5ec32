/*
 * application/x-www-form-urlencoded as OAuth wants it (RFC 6749, appendix B):
 * for the queries of URLs and the bodies of requests.
 */
#include <string.h>

#include "oidc/oidc_priv.h"

void
form_escape(struct buf *b, const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *s != '\0'; s++) {
		if (strchr(plain, *s) != NULL)
			buf_putc(b, *s);
		else
			buf_printf(b, "%%%02X", (unsigned char)*s);
	}
}

void
form_add(struct buf *b, char first, const char *name, const char *value)
{
	bool begun = b->len > 0;

	if (first != '\0' && memchr(b->data, first, b->len) == NULL)
		buf_putc(b, first);
	else if (begun)
		buf_putc(b, '&');
	buf_printf(b, "%s=", name);
	form_escape(b, value);
}
