/*
 * Client data (WebAuthn 5.8.1): what the browser says it was asked, by whom
 * and where. The authenticator signs its hash, so the bytes are kept as they
 * came. Members that are not known are passed over, as 5.8.1.1 wants. Pure.
 */
#include <string.h>

#include <sodium.h>

#include "webauthn/webauthn.h"

#define DEPTH_MAX 4

static enum res
read_challenge(const struct jval *json, struct webauthn_client *c)
{
	const struct jval *v = json_get(json, "challenge");
	size_t len;

	if (v == NULL || v->type != J_STR || v->slen != TOKEN_STRLEN ||
	    sodium_base642bin(c->challenge, sizeof(c->challenge), v->s, v->slen,
		NULL, &len, NULL,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
	    len != sizeof(c->challenge))
		return (RES_ERR);
	return (RES_OK);
}

static bool
read_text(const struct jval *json, const char *name, const char **out)
{
	const struct jval *v = json_get(json, name);

	if (v == NULL || v->type != J_STR || strlen(v->s) != v->slen)
		return (false);
	*out = v->s;
	return (true);
}

/* True also for what is no boolean: that is no "false". */
static bool
says_yes(const struct jval *json, const char *name)
{
	const struct jval *v = json_get(json, name);

	return (v != NULL && (v->type != J_BOOL || v->b));
}

/* We negotiate none: a client that uses it talks to somebody else. */
static bool
bound(const struct jval *json)
{
	const struct jval *v = json_get(json, "tokenBinding");
	const char *status;

	if (v == NULL || v->type == J_NULL)
		return (false);
	return (v->type != J_OBJ || !read_text(v, "status", &status) ||
		strcmp(status, "supported") != 0);
}

enum res
webauthn_client_read(struct arena *arena, const struct bytes *raw,
    struct webauthn_client *c, enum webauthn_fault *why)
{
	struct err err = { 0 };
	struct jval *json;

	memset(c, 0, sizeof(*c));
	*why = WEBAUTHN_MALFORMED;
	if (json_parse(arena, raw->p, raw->len, DEPTH_MAX, &json, &err) !=
		RES_OK ||
	    json->type != J_OBJ || !read_text(json, "type", &c->type) ||
	    !read_text(json, "origin", &c->origin) ||
	    read_challenge(json, c) != RES_OK)
		return (RES_ERR);
	c->cross_origin = says_yes(json, "crossOrigin") ||
			  json_get(json, "topOrigin") != NULL;
	c->bound = bound(json);
	sha256(raw->p, raw->len, c->hash);
	return (RES_OK);
}

/* Exact: origins are compared as the bytes that browsers write. */
enum res
webauthn_client_check(const struct webauthn_client *c, const char *type,
    const char *origin, enum webauthn_fault *why)
{
	if (strcmp(c->type, type) != 0)
		*why = WEBAUTHN_TYPE;
	else if (strcmp(c->origin, origin) != 0)
		*why = WEBAUTHN_ORIGIN;
	else if (c->cross_origin)
		*why = WEBAUTHN_CROSS_ORIGIN;
	else if (c->bound)
		*why = WEBAUTHN_TOKEN_BINDING;
	else
		return (RES_OK);
	return (RES_ERR);
}
