/*
 * Cross-origin requests of browsers (the Fetch standard's CORS protocol):
 * pages of the origins in CORS_ORIGINS may read replies, others may not.
 * Without the setting no reply says anything of it.
 *
 * Credentials are never allowed: a page elsewhere logs in for a bearer token,
 * and the session cookie (__Host-, SameSite=Strict) stays with the pages of
 * this origin. So nothing that a browser adds by itself opens anything, and
 * no listed page that was taken over acts with a visitor's cookie.
 */
#include <assert.h>
#include <string.h>

#include "http/http_priv.h"

/* Of browsers, Chromium keeps a preflight's answer longest: so long. */
#define MAX_AGE_S "7200"

static const char allowed_headers[] =
    "accept, authorization, content-digest, content-type, idempotency-key, "
    "if-match, if-none-match, signature, signature-input, traceparent, "
    "tracestate, x-csrf-token";
static const char exposed_headers[] =
    "etag, link, location, ratelimit, ratelimit-policy, retry-after, "
    "x-request-id";

static struct {
	char text[CORS_ORIGIN_SIZE];
} origins[CORS_ORIGINS_MAX];
static unsigned norigins;

/* The settings have checked number, length and form of the origins. */
void
cors_init(void)
{
	const char *s = setting_str(SETTING_CORS_ORIGINS);
	size_t len;

	norigins = 0;
	for (s += strspn(s, " "); *s != '\0'; s += strspn(s, " ")) {
		len = strcspn(s, " ");
		assert(norigins < CORS_ORIGINS_MAX && len < CORS_ORIGIN_SIZE);
		memcpy(origins[norigins].text, s, len);
		origins[norigins++].text[len] = '\0';
		s += len;
	}
}

/* Ours, not the client's, or NULL. Browsers write an origin in one way only,
 * so bytes are compared. */
static const char *
listed(struct ctx *cx)
{
	const char *origin;

	if (norigins == 0 || (origin = ctx_header(cx, "origin")) == NULL)
		return (NULL);
	for (unsigned i = 0; i < norigins; i++)
		if (strcmp(origins[i].text, origin) == 0)
			return (origins[i].text);

	return (NULL);
}

static bool
is_preflight(struct ctx *cx)
{
	return (cx->method == METHOD_OPTIONS &&
		ctx_header(cx, "access-control-request-method") != NULL);
}

void
cors_preflight(struct ctx *cx, const char *methods)
{
	if (listed(cx) == NULL || !is_preflight(cx))
		return;
	reply_header(cx, "Access-Control-Allow-Methods", methods);
	reply_header(cx, "Access-Control-Allow-Headers", allowed_headers);
	reply_header(cx, "Access-Control-Max-Age", MAX_AGE_S);
}

void
cors_reply(struct ctx *cx)
{
	const char *origin;

	if (norigins == 0)
		return;
	/* Also without an Origin: a cache must not give this to who has one. */
	reply_header(cx, "Vary", "Origin");
	if ((origin = listed(cx)) == NULL)
		return;
	reply_header(cx, "Access-Control-Allow-Origin", origin);
	if (!is_preflight(cx))
		reply_header(
		    cx, "Access-Control-Expose-Headers", exposed_headers);
}
