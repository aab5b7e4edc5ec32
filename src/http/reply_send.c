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

/* draft-ietf-httpapi-ratelimit-headers: the quota and what is left of it. */
static void
add_rate_headers(struct ctx *cx)
{
	char text[80];

	if (cx->rate_limit == 0)
		return;
	snprintf(text, sizeof(text), "\"default\";q=%u;w=%d", cx->rate_limit,
	    RATE_WINDOW_S);
	http_response_header(cx->req, "ratelimit-policy", text);
	snprintf(text, sizeof(text), "\"default\";r=%u;t=%u",
	    cx->rate_remaining, cx->rate_reset_s);
	http_response_header(cx->req, "ratelimit", text);
}

static bool
cacheable(const struct ctx *cx)
{
	return (cx->ep != NULL && (cx->ep->flags & EP_CACHEABLE) &&
		cx->status < 400);
}

static void
add_common_headers(struct ctx *cx)
{
	struct http_request *req = cx->req;
	char id[UUID_STRLEN + 1];

	uuid_format(&cx->request_id, id);
	http_response_header(req, "date", date_now());
	http_response_header(req, "x-request-id", id);
	http_response_header(req, "x-content-type-options", "nosniff");
	http_response_header(req, "referrer-policy", "no-referrer");
	http_response_header(req, "content-security-policy",
	    "default-src 'none'; frame-ancestors 'none'");
	if (!cacheable(cx))
		http_response_header(req, "cache-control", "no-store");
	if (cx->content_type != NULL)
		http_response_header(req, "content-type", cx->content_type);
	add_rate_headers(cx);
}

/* http_response_header() replaces a header of the same name, and cookies
 * cannot be joined into one line. */
static void
add_line(struct http_request *req, const char *name, const char *value)
{
	struct http_header *h;

	h = kore_pool_get(&http_header_pool);
	h->header = kore_strdup(name);
	h->value = kore_strdup(value);
	TAILQ_INSERT_TAIL(&req->resp_headers, h, list);
}

static void
add_own_headers(struct ctx *cx)
{
	const struct reply_header *h;

	for (h = cx->headers; h != NULL; h = h->next) {
		if (strcasecmp(h->name, "set-cookie") == 0)
			add_line(cx->req, h->name, h->value);
		else
			http_response_header(cx->req, h->name, h->value);
	}
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
	if (cx->sent)
		return;
	cx->sent = true;
	mend(cx);
	if (!request_alive(cx->req))
		return;

	add_common_headers(cx);
	add_own_headers(cx);
	/* Kore would send the length of nothing, not of the 200's body. */
	if (cx->status == 304)
		cx->req->flags |= HTTP_REQUEST_NO_CONTENT_LENGTH;
	/* For HEAD Kore sends the length and leaves out the body. */
	if (loop_draining())
		http_response_close(
		    cx->req, cx->status, cx->reply, cx->reply_len);
	else
		http_response(cx->req, cx->status, cx->reply, cx->reply_len);
}
