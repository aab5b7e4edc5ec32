/*
 * The header lines that every reply begins with, whoever makes it.
 */
#include <stdio.h>
#include <time.h>

#include "http/http_priv.h"

/* IMF-fixdate (RFC 9110, 5.6.7), made once a second. */
static const char *
date_now(void)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static char text[64];
	static time_t last;
	struct tm tm;
	time_t now;

	now = (time_t)(time_now_us() / 1000000);
	if (now == last)
		return (text);
	if (gmtime_r(&now, &tm) == NULL)
		return (text);
	snprintf(text, sizeof(text), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
	    days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	last = now;

	return (text);
}

void
reply_line(struct buf *b, const char *name, const char *value)
{
	buf_puts(b, name);
	buf_append(b, ": ", 2);
	buf_puts(b, value);
	buf_append(b, "\r\n", 2);
}

void
reply_first_lines(struct buf *b, const struct uuid *request_id)
{
	char id[UUID_STRLEN + 1];

	uuid_format(request_id, id);
	reply_line(b, "date", date_now());
	reply_line(b, "x-request-id", id);
}
