/*
 * GET of a page, and of what it is made of. Pages are never kept by a
 * browser, so that a new one, and the way back after a log-out, always asks;
 * their parts are kept for good, for another content has another path. A part
 * asked for by its plain name is kept, but never used without asking.
 */
#include <stdio.h>
#include <string.h>

#include "pages/pages.h"

#define FOREVER  "public, max-age=31536000, immutable"
#define ASK_ANEW "no-cache"

/* "/login" -> login.html */
static const struct asset *
page_of(const struct endpoint *ep)
{
	char name[80];

	(void)snprintf(name, sizeof(name), "%s.html", ep->path + 1);

	return (asset_by_name(name));
}

enum res
pages_load(const char *dir, char *msg, size_t msglen)
{
	const struct endpoint *ep;

	if (assets_load(dir, msg, msglen) != RES_OK)
		return (RES_ERR);
	for (unsigned i = 0; i < router_count(); i++) {
		ep = router_at(i);
		if (ep->handler != page_get || page_of(ep) != NULL)
			continue;
		(void)snprintf(
		    msg, msglen, "%s: no file for %s", dir, ep->path);
		return (RES_ERR);
	}

	return (RES_OK);
}

static void
reply_asset(struct ctx *cx, const struct asset *a, bool gzip)
{
	if (gzip)
		reply_header(cx, "Content-Encoding", "gzip");
	reply_text(cx, 200, a->type, gzip ? a->gzip : a->text,
	    gzip ? a->gzip_len : a->len);
}

co_fn enum res
page_get(struct ctx *cx)
{
	const struct asset *a = page_of(cx->ep);

	reply_header(cx, "Vary", "Accept-Encoding");
	reply_asset(cx, a, a->gzip != NULL && accept_gzip(cx));

	return (RES_OK);
}

co_fn enum res
asset_get(struct ctx *cx)
{
	bool gzip, lasting;
	const struct asset *a = asset_by_path(cx->path, &lasting);
	const char *tag;

	if (a == NULL)
		return (err_fail(&cx->env.err, PROBLEM_NOT_FOUND, "%s", ""));
	gzip = a->gzip != NULL && accept_gzip(cx);
	tag = gzip ? a->gzip_tag : a->tag;
	reply_header(cx, "Cache-Control", lasting ? FOREVER : ASK_ANEW);
	reply_header(cx, "ETag", tag);
	reply_header(cx, "Vary", "Accept-Encoding");
	if (if_none_match(ctx_header(cx, "if-none-match"), tag))
		reply_empty(cx, 304);
	else
		reply_asset(cx, a, gzip);

	return (RES_OK);
}
