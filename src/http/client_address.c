/*
 * Whom a request is from. Usually that is the other end of the connection;
 * behind proxies it is whom they name, as far as each that names somebody is
 * trusted itself: from the connection's end the hops are followed to the left
 * until one is no trusted proxy. What stands further left is the client's own
 * say and is not looked at.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <kore/kore.h>
#include <kore/http.h>

#include "http/http_priv.h"
#include "obs/obs.h"

#define PROXIES_MAX 64
#define LINES_MAX   128

static struct netblock proxies[PROXIES_MAX];
static unsigned nproxies;
static const char *header; /* NULL: none is believed */
static void (*parse)(const char *, struct hops *);

static enum res
load_header(char *msg, size_t msglen)
{
	const char *name = setting_str(SETTING_PROXY_HEADER);

	header = NULL;
	if (strcmp(name, "forwarded") == 0) {
		parse = forwarded_parse;
	} else if (strcmp(name, "x-forwarded-for") == 0) {
		parse = x_forwarded_for_parse;
	} else {
		if (strcmp(name, "none") == 0)
			return (RES_OK);
		(void)snprintf(msg, msglen,
		    "proxy_header: none, forwarded or x-forwarded-for?");
		return (RES_ERR);
	}
	header = name;
	if (nproxies > 0)
		return (RES_OK);
	(void)snprintf(msg, msglen,
	    "proxy_header is set, but nobody would be believed: set "
	    "trusted_proxies as well");

	return (RES_ERR);
}

enum res
proxies_load(char *msg, size_t msglen)
{
	const char *s = setting_str(SETTING_TRUSTED_PROXIES);
	char text[NETBLOCK_STRLEN + 1];
	size_t len;

	nproxies = 0;
	for (s += strspn(s, " "); *s != '\0'; s += len + strspn(s + len, " ")) {
		len = strcspn(s, " ");
		(void)snprintf(text, sizeof(text), "%.*s", (int)len, s);
		if (len >= sizeof(text) || nproxies == PROXIES_MAX ||
		    netblock_parse(text, &proxies[nproxies]) != RES_OK) {
			(void)snprintf(msg, msglen,
			    "trusted_proxies: %s is no network, or one too "
			    "many (%d at most)",
			    text, PROXIES_MAX);
			return (RES_ERR);
		}
		nproxies++;
	}

	return (load_header(msg, msglen));
}

static bool
trusted(const struct netaddr *who)
{
	for (unsigned i = 0; i < nproxies; i++)
		if (netblock_has(&proxies[i], who))
			return (true);

	return (false);
}

/* Along the hops of one line. True: *who is whom we looked for, or *wrong. */
static bool
walk(const struct hops *h, struct netaddr *who, bool *wrong)
{
	unsigned i, last = h->n > HOPS_MAX ? h->n - HOPS_MAX : 0;

	for (i = h->n; i-- > last;) {
		const struct hop *hop = &h->hop[i % HOPS_MAX];

		if (hop->kind == HOP_NAMELESS)
			return (true);
		*wrong = hop->kind == HOP_MALFORMED;
		if (*wrong)
			return (true);
		*who = hop->who;
		if (!trusted(who))
			return (true);
	}
	*wrong = last > 0; /* there is more, but it was not kept */

	return (*wrong);
}

/* Several lines are one list (RFC 9110, 5.3): the last line is the nearest. */
static void
follow(const struct http_request *req, struct netaddr *who, bool *wrong)
{
	const struct http_header *h;
	const char *lines[LINES_MAX];
	unsigned n = 0;
	struct hops hops;

	TAILQ_FOREACH (h, &req->req_headers, list) {
		if (strcasecmp(h->header, header) == 0)
			lines[n++ % LINES_MAX] = h->value;
	}
	for (unsigned seen = 0; seen < n; seen++) {
		if ((*wrong = seen == LINES_MAX))
			break;
		parse(lines[(n - 1 - seen) % LINES_MAX], &hops);
		if (walk(&hops, who, wrong))
			break;
	}
}

void
client_find(struct ctx *cx)
{
	client_address(cx->req->owner, cx->client_ip);
	if (netaddr_parse(cx->client_ip, &cx->peer) != RES_OK)
		memset(&cx->peer, 0, sizeof(cx->peer));
	cx->client = cx->peer;
	cx->by_proxy = cx->client_ip[0] != '\0' && trusted(&cx->peer);
	if (!cx->by_proxy || header == NULL)
		return;
	follow(cx->req, &cx->client, &cx->forwarded_wrong);
	if (cx->forwarded_wrong) {
		metric_add(METRIC_FORWARDED_WRONG, 1);
		cx->client = cx->peer;
	}
	netaddr_format(&cx->client, cx->client_ip);
}

bool
ctx_direct_loopback(const struct ctx *cx)
{
	return (!cx->by_proxy && netaddr_is_loopback(&cx->peer));
}
