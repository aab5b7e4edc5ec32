/*
 * One request's context: everything a handler may know of the request,
 * copied out of Kore's struct into the request's arena. It reads Kore's
 * structs but calls none of its functions, and is the only place besides
 * reply_send.c that looks at the connection (gone when the client has left).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include <kore/kore.h>
#include <kore/http.h>

#include "http/http_priv.h"

#define TRACEPARENT_LEN 55 /* version 00: "00-<32>-<16>-<2>" */
#define TRACE_ID_LEN    32

static const struct {
	int kore;
	enum http_method method;
	const char *name;
} methods[] = {
	{ HTTP_METHOD_GET, METHOD_GET, "GET" },
	{ HTTP_METHOD_HEAD, METHOD_GET, "HEAD" },
	{ HTTP_METHOD_POST, METHOD_POST, "POST" },
	{ HTTP_METHOD_PUT, METHOD_PUT, "PUT" },
	{ HTTP_METHOD_PATCH, METHOD_PATCH, "PATCH" },
	{ HTTP_METHOD_DELETE, METHOD_DELETE, "DELETE" },
	{ HTTP_METHOD_OPTIONS, METHOD_OPTIONS, "OPTIONS" },
};

static void
set_method(struct ctx *cx)
{
	cx->head = cx->req->method == HTTP_METHOD_HEAD;
	for (size_t i = 0; i < NELEM(methods); i++)
		if (methods[i].kore == cx->req->method)
			cx->method = methods[i].method;
}

/* A dual-stack listener shows IPv4 clients as ::ffff:a.b.c.d; lists and
 * limits by address must see one and the same form. */
static void
set_client_ip(struct ctx *cx)
{
	const struct connection *c;
	const struct in6_addr *six;

	if ((c = cx->req->owner) == NULL)
		return;
	if (c->family == AF_INET) {
		inet_ntop(AF_INET, &c->addr.ipv4.sin_addr, cx->client_ip,
		    sizeof(cx->client_ip));
		return;
	}
	if (c->family != AF_INET6)
		return;
	six = &c->addr.ipv6.sin6_addr;
	if (IN6_IS_ADDR_V4MAPPED(six))
		inet_ntop(AF_INET, &six->s6_addr[12], cx->client_ip,
		    sizeof(cx->client_ip));
	else
		inet_ntop(AF_INET6, six, cx->client_ip, sizeof(cx->client_ip));
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
static void
set_trace_id(struct ctx *cx)
{
	const char *s;

	s = ctx_header(cx, "traceparent");
	if (s == NULL || !traceparent_ok(s))
		return;
	memcpy(cx->trace_id, s + 3, TRACE_ID_LEN);
	cx->trace_id[TRACE_ID_LEN] = '\0';
}

struct ctx *
ctx_new(struct http_request *req)
{
	struct env env;
	struct ctx *cx;

	env_init(&env, time_mono_ms() + setting_int(SETTING_REQUEST_TIMEOUT_MS));
	cx = arena_alloc(env.arena, sizeof(*cx));
	cx->env = env;
	err_clear(&cx->env.err);

	cx->req = req;
	cx->started_us = time_mono_us();
	cx->now_us = time_now_us();
	uuid_v7(&cx->request_id);
	cx->path = arena_strdup(env.arena, req->path);
	if (req->query_string != NULL)
		cx->query_string = arena_strdup(env.arena, req->query_string);
	set_method(cx);
	set_client_ip(cx);
	set_trace_id(cx);
	(void)ctx_body(cx, &cx->body_bytes);

	return (cx);
}

/* Bodies hold passwords and patient data, and Kore frees them as they are. */
static void
wipe_body(struct http_request *req)
{
	if (req->http_body != NULL && req->http_body->data != NULL)
		explicit_bzero(req->http_body->data, req->http_body->length);
}

void
ctx_free(struct ctx **cxp)
{
	struct env env;

	if (*cxp == NULL)
		return;
	wipe_body((*cxp)->req);
	/* The context lies in the arena it owns. */
	env = (*cxp)->env;
	*cxp = NULL;
	env_done(&env);
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

const char *
method_name(enum http_method method)
{
	for (size_t i = 0; i < NELEM(methods); i++)
		if (methods[i].method == method &&
		    methods[i].kore != HTTP_METHOD_HEAD)
			return (methods[i].name);

	return ("");
}
