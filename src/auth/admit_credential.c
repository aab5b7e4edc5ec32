/*
 * Where a request says who it is: a session cookie, a bearer token (a session
 * or an API key), or a signature that names an API key. One of them, except
 * that a bearer API key may be signed for as well.
 */
#include <string.h>

#include "auth/auth_priv.h"

static enum res
refuse(struct ctx *cx, const char *why)
{
	return (err_fail(&cx->env.err, PROBLEM_MALFORMED_REQUEST, "%s", why));
}

static void
session(struct credential *c, const char *token)
{
	if (token_hash(token, c->hash) == RES_OK)
		c->kind = CREDENTIAL_SESSION;
}

static enum res
bearer(struct ctx *cx, struct credential *c, const char *token)
{
	if (!apikey_form(token, c->prefix)) {
		session(c, token);
		return (RES_OK);
	}
	if (c->signature != NULL && strcmp(c->signature->keyid, c->prefix) != 0)
		return (refuse(
		    cx, "The API key and the signature are not the same."));
	c->kind = CREDENTIAL_KEY;
	c->token = token;
	api_token_hash(token, c->hash);
	return (RES_OK);
}

static void
signature(struct credential *c)
{
	const char *keyid = c->signature->keyid;

	if (strlen(keyid) != APIKEY_PREFIX_STRLEN || !api_prefix_form(keyid))
		return;
	memcpy(c->prefix, keyid, sizeof(c->prefix));
	c->kind = CREDENTIAL_SIGNATURE;
}

enum res
credential_read(struct ctx *cx, struct credential *c)
{
	/* Two lines together are no token: whoever stands in front of us may
	 * have looked at the other one. */
	const char *h = ctx_header_list(cx, "authorization");
	const char *cookie = ctx_cookie(cx, SESSION_COOKIE_NAME);

	memset(c, 0, sizeof(*c));
	c->kind = CREDENTIAL_NONE;
	if (signature_read(cx, &c->signature) != RES_OK)
		return (RES_ERR);
	if (h != NULL && cookie != NULL)
		return (refuse(cx, "Send the session as a cookie or as a "
				   "bearer token, not both."));
	if (cookie != NULL) {
		c->cookie = true;
		session(c, cookie);
	} else if (h != NULL && strncasecmp(h, "bearer ", 7) == 0)
		return (bearer(cx, c, h + 7));
	else if (h == NULL && c->signature != NULL)
		signature(c);
	return (RES_OK);
}
