/*
 * The last step of a request: the gathered reply becomes Kore's, with the
 * headers every reply has. The only file of http/ that calls Kore.
 */
#include <string.h>
#include <strings.h>

#include <kore/kore.h>
#include <kore/http.h>

#include "http/http_priv.h"

/* draft-ietf-httpapi-ratelimit-headers */
static void
add_rate_headers(struct ctx *cx, struct buf *b)
{
	if (cx->rate_policy == NULL)
		return;
	reply_line(b, "ratelimit-policy", cx->rate_policy);
	reply_line(b, "ratelimit", cx->rate_left);
}

static bool
cacheable(const struct ctx *cx)
{
	return (cx->ep != NULL && (cx->ep->flags & EP_CACHEABLE) &&
		cx->status < 400);
}

/* Its problems are the API's: no page. What a page of its own says may have
 * any status. */
static bool
is_page(const struct ctx *cx)
{
	if (cx->ep == NULL || (cx->ep->flags & EP_PAGE) == 0)
		return (false);
	return (cx->content_type == NULL ||
		strcmp(cx->content_type, PROBLEM_TYPE) != 0);
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
	unsigned kinds = is_page(cx) ? SECURITY_PAGE : SECURITY_API;
	const char *security;
	size_t len;

	reply_first_lines(b, &cx->request_id);
	if (!cacheable(cx) && !own_header(cx, "cache-control"))
		kinds |= SECURITY_NO_STORE;
	security = security_headers(kinds, &len);
	buf_append(b, security, len);
	if (cx->content_type != NULL)
		reply_line(b, "content-type", cx->content_type);
	add_rate_headers(cx, b);
}

static void
add_own_headers(struct ctx *cx, struct buf *b)
{
	const struct reply_header *h;

	for (h = cx->headers; h != NULL; h = h->next)
		reply_line(b, h->name, h->value);
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

	cors_reply(cx);
	buf_init(&lines, cx->env.arena, 2048);
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
