/*
 * What a client sent as its signature (RFC 9421, 4), before anything is known
 * about its key: is it well-formed, fresh, and does it cover what it has to?
 * That costs no round trip; whether it holds is for signature_check.c.
 *
 * Only a signature whose keyid has the form of an API key's prefix concerns
 * us: those that others add for others are passed over.
 */
#include <string.h>

#include "auth/auth_priv.h"
#include "crypto/crypto.h"

#define NONCE_MIN  16
#define NONCE_MAX  128
#define LIFE_MAX_S 3600 /* from created to expires */

/* The components that no signature may lack. */
static const struct {
	enum component_form form;
	const char *name;
} required[] = {
	{ COMPONENT_METHOD, "@method" },
	{ COMPONENT_AUTHORITY, "@authority" },
	{ COMPONENT_PATH, "@path" },
	{ COMPONENT_QUERY, "@query" },
};

static enum res
malformed(struct ctx *cx, const char *detail)
{
	return (
	    err_fail(&cx->env.err, PROBLEM_MALFORMED_REQUEST, "%s", detail));
}

static enum res
refused(struct ctx *cx, const char *detail)
{
	return (err_fail(&cx->env.err, PROBLEM_BAD_SIGNATURE, "%s", detail));
}

static bool
is_prefix(const char *s)
{
	return (strlen(s) == APIKEY_PREFIX_STRLEN && api_prefix_form(s));
}

/* A parameter of a type, or NULL. */
static const struct sfv_value *
param(const struct sfv_value *list, const char *key, enum sfv_type type)
{
	const struct sfv_value *v = sfv_get(list->params, key);

	return (v != NULL && v->type == type ? v : NULL);
}

/* The one member that names a key of ours; *out NULL: there is none. */
static enum res
find_ours(
    struct ctx *cx, const struct sfv_member *m, const struct sfv_member **out)
{
	const struct sfv_value *keyid;

	for (*out = NULL; m != NULL; m = m->next) {
		if (m->value.type != SFV_LIST)
			return (malformed(cx,
			    "Signature-Input has a member that is no list of "
			    "components."));
		keyid = param(&m->value, "keyid", SFV_STRING);
		if (keyid == NULL || !is_prefix(keyid->s))
			continue;
		if (*out != NULL)
			return (malformed(cx,
			    "Several signatures name an API key; send one."));
		*out = m;
	}

	return (RES_OK);
}

static enum res
read_components(
    struct ctx *cx, const struct sfv_value *list, struct signature *sig)
{
	struct sig_component *all, *c;
	const struct sfv_member *m;
	const char *why;

	all = arena_alloc(cx->env.arena, COMPONENTS_MAX * sizeof(*all));
	for (m = list->items; m != NULL; m = m->next) {
		if (sig->ncomponents == COMPONENTS_MAX)
			return (malformed(
			    cx, "The signature covers too many components."));
		c = &all[sig->ncomponents];
		if (component_read(cx->env.arena, &m->value, c, &why) != RES_OK)
			return (malformed(cx, why));
		for (unsigned i = 0; i < sig->ncomponents; i++)
			if (strcmp(all[i].identifier, c->identifier) == 0)
				return (malformed(cx,
				    "The signature covers a component twice."));
		sig->ncomponents++;
	}
	sig->components = all;

	return (RES_OK);
}

static bool
covers(const struct signature *sig, enum component_form form, const char *name)
{
	for (unsigned i = 0; i < sig->ncomponents; i++)
		if (sig->components[i].form == form &&
		    strcmp(sig->components[i].name, name) == 0)
			return (true);

	return (false);
}

static enum res
check_coverage(struct ctx *cx, const struct signature *sig)
{
	size_t len;

	for (size_t i = 0; i < NELEM(required); i++)
		if (!covers(sig, required[i].form, required[i].name))
			return (refused(cx, arena_printf(cx->env.arena,
						"The signature must cover %s.",
						required[i].name)));
	(void)ctx_body(cx, &len);
	if (len > 0 && !signature_covers_digest(sig))
		return (refused(cx,
		    "The signature of a request with a body must cover "
		    "content-digest."));

	return (RES_OK);
}

static enum res
read_times(struct ctx *cx, const struct sfv_value *list, struct signature *sig)
{
	int64_t now_s = cx->now_us / 1000000;
	int64_t window_s = setting_int(SETTING_SIGNATURE_WINDOW_S);
	const struct sfv_value *created, *expires;

	created = param(list, "created", SFV_INTEGER);
	if (created == NULL)
		return (refused(cx, "The signature lacks \"created\", a time "
				    "in Unix seconds."));
	sig->created_s = created->i;
	sig->refused_s = created->i + window_s + 1;
	if (sig->refused_s <= now_s || created->i > now_s + window_s)
		return (refused(cx,
		    arena_printf(cx->env.arena,
			"\"created\" may differ from the server's time by at "
			"most %lld seconds; see the Date header.",
			(long long)window_s)));
	if (sfv_get(list->params, "expires") == NULL)
		return (RES_OK);
	expires = param(list, "expires", SFV_INTEGER);
	if (expires == NULL || expires->i <= created->i ||
	    expires->i - created->i > LIFE_MAX_S)
		return (refused(cx,
		    "\"expires\" must be a time at most an hour after "
		    "\"created\"."));
	if (expires->i <= now_s)
		return (refused(cx, "The signature has expired."));
	sig->expires_s = expires->i;
	if (sig->refused_s > expires->i)
		sig->refused_s = expires->i;

	return (RES_OK);
}

static enum res
read_params(struct ctx *cx, const struct sfv_value *list, struct signature *sig)
{
	const struct sfv_value *v;

	sig->keyid = param(list, "keyid", SFV_STRING)->s;
	v = param(list, "nonce", SFV_STRING);
	if (v == NULL || v->len < NONCE_MIN || v->len > NONCE_MAX)
		return (refused(cx,
		    "The signature lacks \"nonce\", a string of 16 to 128 "
		    "characters that is never used again."));
	sig->nonce = v->s;
	if (sfv_get(list->params, "alg") != NULL) {
		v = param(list, "alg", SFV_STRING);
		if (v == NULL ||
		    (sig->alg = signature_alg_parse(v->s)) == SIGNATURE_UNSET)
			return (refused(
			    cx, "\"alg\" must be hmac-sha256 or ed25519."));
	}

	return (read_times(cx, list, sig));
}

static enum res
read_bytes(struct ctx *cx, const struct sfv_member *all, struct signature *sig)
{
	const struct sfv_value *v = sfv_get(all, sig->label);

	if (v == NULL || v->type != SFV_BYTES)
		return (malformed(cx,
		    "Signature has no byte sequence under the label in "
		    "Signature-Input."));
	sig->bytes = (const uint8_t *)v->s;
	sig->len = v->len;

	return (RES_OK);
}

static const char *
canonical(struct arena *arena, const struct sfv_value *list)
{
	struct buf b;

	buf_init(&b, arena, 256);
	sfv_write(&b, list);

	return (b.data);
}

static enum res
read_ours(struct ctx *cx, const struct sfv_member *ours,
    const struct sfv_member *bytes, const struct signature **out)
{
	struct signature *sig = arena_alloc(cx->env.arena, sizeof(*sig));

	sig->label = ours->key;
	sig->params = canonical(cx->env.arena, &ours->value);
	if (read_bytes(cx, bytes, sig) != RES_OK ||
	    read_components(cx, &ours->value, sig) != RES_OK ||
	    read_params(cx, &ours->value, sig) != RES_OK ||
	    check_coverage(cx, sig) != RES_OK)
		return (RES_ERR);
	*out = sig;

	return (RES_OK);
}

bool
signature_covers_digest(const struct signature *sig)
{
	return (covers(sig, COMPONENT_FIELD, "content-digest") ||
		covers(sig, COMPONENT_FIELD_BYTES, "content-digest"));
}

enum res
signature_parse(struct ctx *cx, const struct signature **out)
{
	const char *input = ctx_header_list(cx, "signature-input");
	const char *signature = ctx_header_list(cx, "signature");
	const struct sfv_member *inputs, *bytes, *ours;

	*out = NULL;
	if (input == NULL && signature == NULL)
		return (RES_OK);
	if (input == NULL || signature == NULL)
		return (malformed(
		    cx, "Of Signature-Input and Signature one is missing."));
	if (sfv_dictionary(cx->env.arena, input, &inputs) != RES_OK ||
	    sfv_dictionary(cx->env.arena, signature, &bytes) != RES_OK)
		return (malformed(cx,
		    "Signature-Input or Signature is no dictionary of "
		    "structured fields (RFC 9651)."));
	if (find_ours(cx, inputs, &ours) != RES_OK)
		return (RES_ERR);
	if (ours == NULL)
		return (RES_OK);

	return (read_ours(cx, ours, bytes, out));
}
