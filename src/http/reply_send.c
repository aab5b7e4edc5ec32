/*
 * The last step of a request: the gathered reply becomes Kore's, with the
 * headers every reply has. The only file of http/ that calls Kore.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <kore/kore.h>
#include <kore/http.h>

#include "http/http_priv.h"

#define RATE_WINDOW_S 60

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

static void
line(struct buf *b, const char *name, const char *value)
{
	buf_puts(b, name);
	buf_append(b, ": ", 2);
	buf_puts(b, value);
	buf_append(b, "\r\n", 2);
}

/* draft-ietf-httpapi-ratelimit-headers: the quota and what is left of it. */
static void
add_rate_headers(struct ctx *cx, struct buf *b)
{
	if (cx->rate_limit == 0)
		return;
	buf_printf(b,
	    "ratelimit-policy: \"default\";q=%u;w=%d\r\n"
	    "ratelimit: \"default\";r=%u;t=%u\r\n",
	    cx->rate_limit, RATE_WINDOW_S, cx->rate_remaining,
	    cx->rate_reset_s);
}

static bool
cacheable(const struct ctx *cx)
{
	return (cx->ep != NULL && (cx->ep->flags & EP_CACHEABLE) &&
		cx->status < 400);
}

/* Is it a header that the reply sets by itself? Then ours stays away. */
static bool
own_header(const struct ctx *cx, const char *name)
{
	const struct reply_header *h;

	for (h = cx->headers; h != NULL; h = h->next)
		if (strcasecmp(h->name, name) == 0)
			return (true);
	return (false);
}

static void
add_common_headers(struct ctx *cx, struct buf *b)
{
	char id[UUID_STRLEN + 1];

	uuid_format(&cx->request_id, id);
	line(b, "date", date_now());
	line(b, "x-request-id", id);
	buf_puts(b, "x-content-type-options: nosniff\r\n"
		    "referrer-policy: no-referrer\r\n"
		    "content-security-policy: "
		    "default-src 'none'; frame-ancestors 'none'\r\n");
	if (!cacheable(cx) && !own_header(cx, "cache-control"))
		buf_puts(b, "cache-control: no-store\r\n");
	if (cx->content_type != NULL)
		line(b, "content-type", cx->content_type);
	add_rate_headers(cx, b);
}

static void
add_own_headers(struct ctx *cx, struct buf *b)
{
	const struct reply_header *h;

	for (h = cx->headers; h != NULL; h = h->next)
		line(b, h->name, h->value);
}

/* A reply that nobody made, or with a header that cannot be sent. */
static void
mend(struct ctx *cx)
{
	if (!cx->broken && cx->status != 0)
		return;
	err_clear(&cx->env.err);
	err_fail(&cx->env.err, PROBLEM_INTERNAL, "%s", "");
	err_private(&cx->env.err, cx->broken ? "a reply header was refused" :
					       "the handler made no reply");
	reply_problem(cx);
}

void
reply_send(struct ctx *cx)
{
	struct buf lines;

	if (cx->sent)
		return;
	cx->sent = true;
	mend(cx);
	if (!request_alive(cx->req))
		return;

	buf_init(&lines, cx->env.arena, 1024);
	add_common_headers(cx, &lines);
	add_own_headers(cx, &lines);
	/* Kore would send the length of nothing, not of the 200's body. */
	if (cx->status == 304)
		cx->req->flags |= HTTP_REQUEST_NO_CONTENT_LENGTH;
	if (loop_draining())
		cx->req->owner->flags |= CONN_CLOSE_EMPTY;
	/* For HEAD Kore sends the length and leaves out the body. */
	http_response_lines(cx->req, cx->status, lines.data, lines.len,
	    cx->reply, cx->reply_len);
}
