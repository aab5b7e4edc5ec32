/*
 * What navigator.credentials gives, as PublicKeyCredential.toJSON() writes it
 * (WebAuthn Level 3, 5.1.8): base64url members out of the JSON. Members that
 * we do not use are passed over: browsers add some of their own. What is
 * missing or no base64url is a mistake of the body, each with its pointer.
 */
#include <string.h>

#include <sodium.h>

#include "factor/factor_priv.h"

#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

const char *
base64url(struct arena *arena, const void *data, size_t len)
{
	size_t size = sodium_base64_encoded_len(len, VARIANT);
	char *out = arena_alloc(arena, size);

	return (sodium_bin2base64(out, size, data, len, VARIANT));
}

static enum res
decode(struct arena *arena, const struct jval *v, struct bytes *out)
{
	uint8_t *raw = arena_alloc(arena, v->slen / 4 * 3 + 4);

	if (sodium_base642bin(raw, v->slen / 4 * 3 + 4, v->s, v->slen, NULL,
		&out->len, NULL, VARIANT) != 0)
		return (RES_ERR);
	out->p = raw;
	return (RES_OK);
}

static void
mistake(struct ctx *cx, const char *where, const char *name, const char *code,
    const char *detail)
{
	err_field(&cx->env.err, cx->env.arena,
	    arena_printf(cx->env.arena, "/credential%s/%s", where, name), code,
	    "%s", detail);
}

/* where: the object's own pointer below /credential. */
static void
read_bytes(struct ctx *cx, const struct jval *obj, const char *where,
    const char *name, struct bytes *out)
{
	const struct jval *v = json_get(obj, name);

	memset(out, 0, sizeof(*out));
	if (v == NULL || v->type == J_NULL)
		mistake(cx, where, name, "required", "is missing");
	else if (v->type != J_STR)
		mistake(cx, where, name, "type", "must be a string");
	else if (decode(cx->env.arena, v, out) != RES_OK || out->len == 0)
		mistake(cx, where, name, "format",
		    "must be base64url without padding");
}

static const struct jval *
read_response(struct ctx *cx, const struct jval *credential)
{
	const struct jval *v = json_get(credential, "response");

	if (v != NULL && v->type == J_OBJ)
		return (v);
	mistake(cx, "", "response", v == NULL ? "required" : "type",
	    "must be an object");
	return (NULL);
}

/* Both names of the credential, and its kind. */
static void
read_head(struct ctx *cx, const struct jval *v, struct passkey_answer *out)
{
	const char *type = json_get_str(v, "type");
	const char *id = json_get_str(v, "id");
	const char *raw = json_get_str(v, "rawId");

	read_bytes(cx, v, "", "rawId", &out->id);
	if (type == NULL || strcmp(type, "public-key") != 0)
		mistake(cx, "", "type", "enum", "must be public-key");
	if (id == NULL || (raw != NULL && strcmp(id, raw) != 0))
		mistake(cx, "", "id", "format", "must be the same as rawId");
}

static enum res
finish(struct ctx *cx)
{
	unsigned n = cx->env.err.nfields;

	if (n == 0)
		return (RES_OK);
	return (err_fail(&cx->env.err, PROBLEM_VALIDATION,
	    "%u mistake%s: see errors", n, n == 1 ? "" : "s"));
}

/* Hints for the browser's next question; those that are no names are not
 * kept, nor is what makes the list long. */
static void
read_transports(const struct jval *response, struct passkey_answer *out)
{
	const struct jval *list = json_get(response, "transports"), *v;

	if (list == NULL || list->type != J_ARR)
		return;
	JSON_FOREACH (v, list) {
		if (out->ntransports == PASSKEY_TRANSPORTS_MAX)
			return;
		if (v->type == J_STR && v->slen >= 2 && v->slen <= 20 &&
		    strspn(v->s, "abcdefghijklmnopqrstuvwxyz-") == v->slen)
			out->transports[out->ntransports++] = v->s;
	}
}

enum res
passkey_read_new(struct ctx *cx, struct passkey_answer *out)
{
	const struct jval *v = json_get(cx->body, "credential"), *response;

	memset(out, 0, sizeof(*out));
	read_head(cx, v, out);
	if ((response = read_response(cx, v)) != NULL) {
		read_bytes(cx, response, "/response", "clientDataJSON",
		    &out->client_data);
		read_bytes(cx, response, "/response", "attestationObject",
		    &out->attestation);
		read_transports(response, out);
	}
	return (finish(cx));
}

enum res
passkey_read_used(struct ctx *cx, struct passkey_answer *out)
{
	const struct jval *v = json_get(cx->body, "credential"), *response;
	const struct jval *handle;

	memset(out, 0, sizeof(*out));
	read_head(cx, v, out);
	if ((response = read_response(cx, v)) != NULL) {
		read_bytes(cx, response, "/response", "clientDataJSON",
		    &out->client_data);
		read_bytes(
		    cx, response, "/response", "authenticatorData", &out->data);
		read_bytes(
		    cx, response, "/response", "signature", &out->signature);
		handle = json_get(response, "userHandle");
		if (handle != NULL && handle->type != J_NULL)
			read_bytes(cx, response, "/response", "userHandle",
			    &out->user_handle);
	}
	return (finish(cx));
}
