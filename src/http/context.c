/*
 * One request's context, from its first moment to its last. What may outlive
 * Kore's struct is copied into the request's arena.
 */
#include <ctype.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <kore/kore.h>
#include <kore/http.h>

#include "crypto/crypto.h"
#include "http/http_priv.h"

static const struct {
	int kore;
	enum http_method method;
} methods[] = {
	{ HTTP_METHOD_GET, METHOD_GET },
	{ HTTP_METHOD_HEAD, METHOD_GET },
	{ HTTP_METHOD_POST, METHOD_POST },
	{ HTTP_METHOD_PUT, METHOD_PUT },
	{ HTTP_METHOD_PATCH, METHOD_PATCH },
	{ HTTP_METHOD_DELETE, METHOD_DELETE },
	{ HTTP_METHOD_OPTIONS, METHOD_OPTIONS },
};

static void
set_method(struct ctx *cx)
{
	cx->head = cx->req->method == HTTP_METHOD_HEAD;
	for (size_t i = 0; i < NELEM(methods); i++)
		if (methods[i].kore == cx->req->method)
			cx->method = methods[i].method;
}

/* In upper case, as the Elastic Common Schema wants it. */
static const char *
client_certificate(struct arena *arena, const struct connection *c)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len;
	char *hex;

	if (c->tls_cert == NULL ||
	    X509_digest(c->tls_cert, EVP_sha256(), digest, &len) != 1)
		return (NULL);
	hex = arena_alloc(arena, 2 * (size_t)len + 1);
	digest_hex(digest, len, hex);
	for (char *p = hex; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	return (hex);
}

struct ctx *
ctx_new(struct http_request *req)
{
	struct env env;
	struct ctx *cx;
	const char *trace;

	env_init(
	    &env, time_mono_ms() + setting_int(SETTING_REQUEST_TIMEOUT_MS));
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
	client_find(cx);
	cx->client_cert = client_certificate(env.arena, req->owner);
	if ((trace = ctx_header(cx, "traceparent")) != NULL)
		trace_id_parse(trace, cx->trace_id);
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
