/*
 * Hosts: the grammar of uri-host [":" port] (RFC 3986, 3.2.2 and 3.2.3), and
 * which ones are ours. Compared in one form, so that neither case, nor a port
 * that is the default one, nor the spelling of an IPv6 address matters.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "gate/gate_priv.h"

#define V6_TEXT_MAX 45

static bool
is_hex(char c)
{
	return ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
		(c >= 'A' && c <= 'F'));
}

/* unreserved and sub-delims, and escapes; an IPv4 address is one of these. */
static enum res
parse_name(struct span s, struct gate_host *out)
{
	if (s.len == 0 || s.len > GATE_NAME_MAX)
		return (RES_ERR);
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '%' && (i + 2 >= s.len || !is_hex(s.p[i + 1]) ||
				    !is_hex(s.p[i + 2])))
			return (RES_ERR);
		if (c != '%' && !isalnum((unsigned char)c) &&
		    (c == '\0' || strchr("-._~!$&'()*+,;=", c) == NULL))
			return (RES_ERR);
		out->name[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	out->name[s.len] = '\0';

	return (RES_OK);
}

/* Between the brackets; a zone (RFC 6874) is of no use to a server. */
static enum res
parse_v6(struct span s, struct gate_host *out)
{
	char text[V6_TEXT_MAX + 1];

	if (s.len > V6_TEXT_MAX || memchr(s.p, ':', s.len) == NULL)
		return (RES_ERR);
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	if (strspn(text, "0123456789abcdefABCDEF:.") != s.len)
		return (RES_ERR);

	return (netaddr_parse(text, &out->v6));
}

/* *DIGIT: an empty port is the default one. */
static enum res
parse_port(struct span s, uint16_t *port)
{
	unsigned long n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return (RES_ERR);
		n = n * 10 + (unsigned long)(s.p[i] - '0');
		if (n > UINT16_MAX)
			return (RES_ERR);
	}
	if (s.len > 0 && n == 0)
		return (RES_ERR);
	*port = (uint16_t)n;

	return (RES_OK);
}

enum res
gate_host_parse(const char *p, size_t len, struct gate_host *out)
{
	struct span host = { p, 0 }, port = { p, 0 };
	const char *end;
	bool literal = len > 0 && p[0] == '[';

	memset(out, 0, sizeof(*out));
	end = memchr(p, literal ? ']' : ':', len);
	if (literal && end == NULL)
		return (RES_ERR);
	host.len = end == NULL ? len : (size_t)(end - p) + literal;
	if (host.len < len) {
		if (p[host.len] != ':')
			return (RES_ERR);
		port.p = p + host.len + 1;
		port.len = len - host.len - 1;
	}
	if (parse_port(port, &out->port) != RES_OK)
		return (RES_ERR);
	if (!literal)
		return (parse_name(host, out));
	host.p++;
	host.len -= 2;

	return (parse_v6(host, out));
}

static bool
same_name(const struct gate_host *a, const struct gate_host *b)
{
	return (strcmp(a->name, b->name) == 0 &&
		memcmp(&a->v6, &b->v6, sizeof(a->v6)) == 0);
}

static bool
same(const struct gate_rules *r, const struct gate_host *a,
    const struct gate_host *b)
{
	uint16_t pa = a->port != 0 ? a->port : r->default_port;
	uint16_t pb = b->port != 0 ? b->port : r->default_port;

	return (pa == pb && same_name(a, b));
}

bool
gate_host_ours(const struct gate_rules *r, const struct gate_host *host)
{
	for (unsigned i = 0; i < r->nhosts; i++)
		if (same(r, &r->hosts[i], host))
			return (true);

	return (false);
}

bool
gate_host_same(const struct gate_rules *r, const struct gate_host *a,
    const struct gate_host *b)
{
	return (same(r, a, b));
}

/* ---- the list of ours ------------------------------------------------------
 */

static enum res
add_host(struct gate_rules *r, const char *text, size_t len, char *msg,
    size_t msglen)
{
	if (r->nhosts == GATE_HOSTS_MAX) {
		(void)snprintf(
		    msg, msglen, "more than %d hosts", GATE_HOSTS_MAX);
		return (RES_ERR);
	}
	if (gate_host_parse(text, len, &r->hosts[r->nhosts]) != RES_OK) {
		(void)snprintf(msg, msglen, "not a host: %.*s", (int)len, text);
		return (RES_ERR);
	}
	r->nhosts++;

	return (RES_OK);
}

static enum res
add_list(struct gate_rules *r, const char *list, char *msg, size_t msglen)
{
	size_t len;

	for (; *list != '\0'; list += len) {
		list += strspn(list, " ");
		if ((len = strcspn(list, " ")) > 0 &&
		    add_host(r, list, len, msg, msglen) != RES_OK)
			return (RES_ERR);
	}

	return (RES_OK);
}

static enum res
add_loopback(struct gate_rules *r, uint16_t port, char *msg, size_t msglen)
{
	static const char *const names[] = { "localhost", "127.0.0.1",
		"[::1]" };

	for (size_t i = 0; i < NELEM(names); i++) {
		if (add_host(r, names[i], strlen(names[i]), msg, msglen) !=
		    RES_OK)
			return (RES_ERR);
		r->hosts[r->nhosts - 1].port = port;
	}

	return (RES_OK);
}

enum res
gate_rules_hosts(struct gate_rules *r, const char *origin, const char *more,
    bool loopback, char *msg, size_t msglen)
{
	bool tls = strncmp(origin, "https://", 8) == 0;
	const char *host = origin + (tls ? 8 : 7);

	if (!tls && strncmp(origin, "http://", 7) != 0) {
		(void)snprintf(msg, msglen, "not an origin: %s", origin);
		return (RES_ERR);
	}
	r->scheme = tls ? "https" : "http";
	r->default_port = tls ? 443 : 80;
	r->nhosts = 0;
	if (add_host(r, host, strlen(host), msg, msglen) != RES_OK ||
	    add_list(r, more, msg, msglen) != RES_OK)
		return (RES_ERR);

	return (
	    loopback ? add_loopback(r, r->hosts[0].port, msg, msglen) : RES_OK);
}

/* Of the hosts from the given one on: those that have this name, or those that
 * have not. */
static void
keep(struct gate_rules *r, unsigned from, const struct gate_host *name,
    bool having)
{
	unsigned n = from;

	for (unsigned i = from; i < r->nhosts; i++)
		if (same_name(&r->hosts[i], name) == having)
			r->hosts[n++] = r->hosts[i];
	r->nhosts = n;
}

enum res
gate_rules_own(struct gate_rules *r, const char *host, const char *more,
    char *msg, size_t msglen)
{
	unsigned own = r->nhosts;

	r->scheme = "https";
	r->default_port = 443;
	if (add_host(r, host, strlen(host), msg, msglen) != RES_OK ||
	    add_list(r, more, msg, msglen) != RES_OK)
		return (RES_ERR);
	keep(r, own + 1, &r->hosts[own], true);

	return (RES_OK);
}

enum res
gate_rules_without(
    struct gate_rules *r, const char *name, char *msg, size_t msglen)
{
	struct gate_host host;

	if (gate_host_parse(name, strlen(name), &host) != RES_OK) {
		(void)snprintf(msg, msglen, "not a host: %s", name);
		return (RES_ERR);
	}
	if (r->nhosts > 0 && same_name(&r->hosts[0], &host)) {
		(void)snprintf(msg, msglen,
		    "%s is the origin's name and another listener's", name);
		return (RES_ERR);
	}
	keep(r, 0, &host, false);

	return (RES_OK);
}
