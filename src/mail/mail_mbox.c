/*
 * A message in the mbox form that mail readers open (mboxrd): a line that
 * begins with "From " stands before each, and such lines in it get a '>'.
 */
#include <string.h>
#include <time.h>

#include "mail/mail_priv.h"

/* "From ", or that with '>'s before it. */
static bool
from_line(const char *s, const char *end)
{
	while (s < end && *s == '>')
		s++;
	return (end - s >= 5 && memcmp(s, "From ", 5) == 0);
}

void
mail_mbox(struct buf *out, const struct buf *message, const char *from,
    int64_t now_us)
{
	const char *p = message->data, *end = p + message->len, *eol;
	time_t now = (time_t)(now_us / 1000000);
	char text[64];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
	buf_printf(out, "From %s %s\n", from, text);
	for (; p < end; p = eol + 1) {
		if ((eol = memchr(p, '\n', (size_t)(end - p))) == NULL)
			eol = end;
		if (from_line(p, eol))
			buf_putc(out, '>');
		buf_append(
		    out, p, (size_t)(eol - p) - (eol > p && eol[-1] == '\r'));
		buf_putc(out, '\n');
	}
	buf_putc(out, '\n');
}
