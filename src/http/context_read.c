/*
 * Reads of what Kore received: headers, cookies, body, address. It looks at
 * Kore's structs but calls none of its functions, and copies what it hands
 * out. Only client_address() looks at the connection, which is gone when the
 * client has left.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include <kore/kore.h>
#include <kore/http.h>

#include "http/http_priv.h"

#define TRACEPARENT_LEN 55 /* version 00: "00-<32>-<16>-<2>" */

/* A dual-stack listener shows IPv4 clients as ::ffff:a.b.c.d; lists and
 * limits by address must see one and the same form. */
void
client_address(const struct connection *c, char out[CLIENT_IP_SIZE])
{
	const struct in6_addr *six;

	out[0] = '\0';
	if (c != NULL && c->family == AF_INET)
		inet_ntop(AF_INET, &c->addr.ipv4.sin_addr, out, CLIENT_IP_SIZE);
	if (c == NULL || c->family != AF_INET6)
		return;
	six = &c->addr.ipv6.sin6_addr;
	if (IN6_IS_ADDR_V4MAPPED(six))
		inet_ntop(AF_INET, &six->s6_addr[12], out, CLIENT_IP_SIZE);
	else
		inet_ntop(AF_INET6, six, out, CLIENT_IP_SIZE);
}

static bool
is_lower_hex(const char *s, size_t n)
{
	return (strspn(s, "0123456789abcdef") >= n);
}

static bool
traceparent_ok(const char *s)
{
	if (strlen(s) < TRACEPARENT_LEN)
		return (false);
	if (!is_lower_hex(s, 2) || s[2] != '-' || !is_lower_hex(s + 3, 32) ||
	    s[35] != '-' || !is_lower_hex(s + 36, 16) || s[52] != '-' ||
	    !is_lower_hex(s + 53, 2))
		return (false);
	if (strncmp(s, "ff", 2) == 0)
		return (false);
	/* All zero means "no id". */
	if (strspn(s + 3, "0") >= TRACE_ID_LEN || strspn(s + 36, "0") >= 16)
		return (false);
	if (strncmp(s, "00", 2) == 0)
		return (s[TRACEPARENT_LEN] == '\0');
	return (s[TRACEPARENT_LEN] == '\0' || s[TRACEPARENT_LEN] == '-');
}

/* W3C Trace Context; a malformed one is as good as none. */
void
trace_id_parse(const char *s, char out[TRACE_ID_LEN + 1])
{
	if (!traceparent_ok(s)) {
		out[0] = '\0';
		return;
	}
	memcpy(out, s + 3, TRACE_ID_LEN);
	out[TRACE_ID_LEN] = '\0';
}

const char *
ctx_header(struct ctx *cx, const char *name)
{
	const struct http_header *h;

	/* Kore keeps Host apart from the others. */
	if (strcasecmp(name, "host") == 0)
		return (arena_strdup(cx->env.arena, cx->req->host));

	TAILQ_FOREACH (h, &cx->req->req_headers, list)
		if (strcasecmp(h->header, name) == 0)
			return (arena_strdup(cx->env.arena, h->value));

	return (NULL);
}

/* A copy without optional white space around it. */
static const char *
trimmed(struct ctx *cx, const char *value)
{
	size_t len;

	value += strspn(value, " \t");
	len = strlen(value);
	while (len > 0 && strchr(" \t", value[len - 1]) != NULL)
		len--;

	return (arena_strndup(cx->env.arena, value, len));
}

const char *
ctx_header_list(struct ctx *cx, const char *name)
{
	const struct http_header *h;
	struct buf all = { 0 };

	TAILQ_FOREACH (h, &cx->req->req_headers, list) {
		if (strcasecmp(h->header, name) != 0)
			continue;
		if (all.data == NULL)
			buf_init(&all, cx->env.arena, strlen(h->value) + 1);
		else
			buf_puts(&all, ", ");
		buf_puts(&all, trimmed(cx, h->value));
	}

	return (all.data);
}

unsigned
ctx_fields(struct ctx *cx, const struct ctx_field **out)
{
	const struct http_header *h;
	struct ctx_field *fields;
	unsigned n = 0;

	TAILQ_FOREACH (h, &cx->req->req_headers, list)
		n++;
	fields = arena_alloc(cx->env.arena, (n + 1) * sizeof(*fields));
	n = 0;
	TAILQ_FOREACH (h, &cx->req->req_headers, list) {
		fields[n].name = arena_strdup(cx->env.arena, h->header);
		fields[n++].value = trimmed(cx, h->value);
	}
	fields[n].name = "host";
	fields[n++].value = trimmed(cx, cx->req->host);
	*out = fields;

	return (n);
}

/* Looks for name in one Cookie line; counts every occurrence. */
static void
scan_cookies(struct ctx *cx, const char *line, const char *name,
    const char **value, unsigned *found)
{
	size_t len, namelen;

	namelen = strlen(name);
	while (*line != '\0') {
		line += strspn(line, " \t;");
		len = strcspn(line, ";");
		if (len > namelen && line[namelen] == '=' &&
		    strncmp(line, name, namelen) == 0) {
			*value = arena_strndup(cx->env.arena,
			    line + namelen + 1, len - namelen - 1);
			(*found)++;
		}
		line += len;
	}
}

const char *
ctx_cookie(struct ctx *cx, const char *name)
{
	const struct http_header *h;
	const char *value;
	unsigned found;

	value = NULL;
	found = 0;
	TAILQ_FOREACH (h, &cx->req->req_headers, list)
		if (strcasecmp(h->header, "cookie") == 0)
			scan_cookies(cx, h->value, name, &value, &found);

	return (found == 1 ? value : NULL);
}

const struct uuid *
ctx_param(const struct ctx *cx, const char *name)
{
	for (unsigned i = 0; i < cx->nparams; i++)
		if (strcmp(cx->params[i].name, name) == 0)
			return (&cx->params[i].id);

	return (NULL);
}

/*
 * Kore runs a handler once the whole body is there, rewound: data holds
 * http_body_length bytes. (Bodies never go to disk: http_body_disk_offload
 * stays 0.)
 */
const void *
ctx_body(struct ctx *cx, size_t *len)
{
	const struct http_request *req = cx->req;

	*len = 0;
	if (req->http_body == NULL || req->http_body_length == 0)
		return (NULL);
	*len = (size_t)req->http_body_length;

	return (req->http_body->data);
}
