/*
 * Bodies of API key requests: what the schema cannot say. Every mistake is
 * found at once, each with its pointer.
 */
#include <string.h>

#include "auth/auth_priv.h"

const struct apikey_limit apikey_limits[] = { { "read", RATE_READ },
	{ "write", RATE_WRITE }, { "predict", RATE_PREDICT },
	{ "export", RATE_EXPORT }, { NULL, RATE_UNSET } };

static void PRINTF(4, 5) mistake(
    struct ctx *cx, const char *pointer, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_field(&cx->env.err, cx->env.arena, pointer, code, "%s",
	    arena_vprintf(cx->env.arena, fmt, ap));
	va_end(ap);
}

static const char *
element(struct ctx *cx, const char *list, unsigned i)
{
	return (arena_printf(cx->env.arena, "/%s/%u", list, i));
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

static void
read_name(struct ctx *cx, struct apikey_row *row)
{
	const char *name = json_get_str(cx->body, "name");

	if (name == NULL)
		return;
	if (strpbrk(name, "\n\t") != NULL)
		mistake(cx, "/name", "format", "must be on one line");
	row->name = name;
}

static void
read_scopes(struct ctx *cx, uint64_t allowed, struct apikey_row *row)
{
	const struct jval *v = json_get(cx->body, "scopes"), *s;
	uint64_t bit;
	unsigned i = 0;

	JSON_FOREACH (s, v) {
		bit = scope_bit(s->s);
		if (bit == 0)
			mistake(cx, element(cx, "scopes", i), "enum",
			    "is not a scope");
		else if (!(bit & allowed))
			mistake(cx, element(cx, "scopes", i), "not_allowed",
			    "is more than a key of this user may have");
		else if (bit & row->key.scopes)
			mistake(cx, element(cx, "scopes", i), "duplicate",
			    "is there already");
		row->key.scopes |= bit & allowed;
		i++;
	}
}

static void
read_expiry(struct ctx *cx, struct apikey_row *row)
{
	const struct jval *v = json_get(cx->body, "expires_at");

	if (v == NULL)
		return;
	row->key.expires_us = 0;
	if (v->type == J_NULL)
		return;
	/* The schema has checked that it is a time. */
	(void)time_parse(v->s, &row->key.expires_us);
	if (row->key.expires_us <= cx->now_us)
		mistake(cx, "/expires_at", "min", "must be in the future");
}

static void
read_networks(struct ctx *cx, struct apikey_row *row)
{
	const struct jval *v = json_get(cx->body, "networks"), *s;
	unsigned i = 0;

	if (v == NULL)
		return;
	memset(row->key.networks, 0, sizeof(row->key.networks));
	row->key.nnetworks = 0;
	JSON_FOREACH (s, v) {
		if (i == APIKEY_NETWORKS_MAX)
			break;
		if (netblock_parse(s->s, &row->key.networks[i]) != RES_OK)
			mistake(cx, element(cx, "networks", i), "format",
			    "must be an address, or a block as in 10.0.0.0/8 "
			    "with no bit set past its prefix");
		i++;
	}
	row->key.nnetworks = i;
}

static void
read_limit(struct ctx *cx, const struct apikey_limit *l, const struct jval *v,
    struct apikey_row *row)
{
	const char *pointer =
	    arena_printf(cx->env.arena, "/limits/%s", l->name);
	int64_t most = rate_limit(l->class);

	if (v->type == J_INT && v->i > most &&
	    !(cx->who->scopes & scope_bit("keys:admin")))
		mistake(cx, pointer, "max",
		    "must be at most %lld, the limit of every user",
		    (long long)most);
	row->key.limits[l->class] = v->type == J_INT ? (uint32_t)v->i : 0;
}

/* As a merge patch has it: what is not there stays, null is the settings'. */
static void
read_limits(struct ctx *cx, struct apikey_row *row)
{
	const struct jval *v = json_get(cx->body, "limits"), *one;

	if (v == NULL)
		return;
	if (v->type == J_NULL)
		memset(row->key.limits, 0, sizeof(row->key.limits));
	for (const struct apikey_limit *l = apikey_limits;
	     v->type == J_OBJ && l->name != NULL; l++) {
		one = json_get(v, l->name);
		if (one != NULL)
			read_limit(cx, l, one, row);
	}
}

static void
read_signature(struct ctx *cx, struct apikey_row *row)
{
	const struct jval *v = json_get(cx->body, "signature");
	const char *public_key;

	if (v == NULL || v->type == J_NULL)
		return;
	row->key.alg = signature_alg_parse(json_get_str(v, "alg"));
	public_key = json_get_str(v, "public_key");
	if (row->key.alg == SIGNATURE_HMAC_SHA256 && public_key != NULL)
		mistake(cx, "/signature/public_key", "unknown",
		    "belongs to ed25519; the HMAC secret is made here");
	if (row->key.alg != SIGNATURE_ED25519)
		return;
	if (public_key == NULL)
		mistake(cx, "/signature/public_key", "required",
		    "is required for ed25519");
	else if (api_public_key_read(public_key, row->key.sign_key) != RES_OK)
		mistake(cx, "/signature/public_key", "format",
		    "must be an Ed25519 public key: 32 bytes in base64 with "
		    "padding");
}

static void
read_must_sign(struct ctx *cx, struct apikey_row *row)
{
	const struct jval *v = json_get(cx->body, "must_sign");

	if (v == NULL)
		return;
	row->key.must_sign = v->b;
	if (v->b && row->key.alg == SIGNATURE_UNSET)
		mistake(cx, "/must_sign", "conflict",
		    "needs a key that can sign: see signature");
}

enum res
apikey_from_body(struct ctx *cx, uint64_t allowed, struct apikey_row *row)
{
	read_name(cx, row);
	read_scopes(cx, allowed, row);
	read_expiry(cx, row);
	read_networks(cx, row);
	read_limits(cx, row);
	read_signature(cx, row);
	read_must_sign(cx, row);
	return (finish(cx));
}

static bool
same(const struct apikey_row *a, const struct apikey_row *b)
{
	const struct apikey *x = &a->key, *y = &b->key;

	return (strcmp(a->name, b->name) == 0 &&
		x->expires_us == y->expires_us &&
		x->must_sign == y->must_sign && x->nnetworks == y->nnetworks &&
		memcmp(x->networks, y->networks, sizeof(x->networks)) == 0 &&
		memcmp(x->limits, y->limits, sizeof(x->limits)) == 0);
}

enum res
apikey_merge(struct ctx *cx, struct apikey_row *row, bool *changed)
{
	struct apikey_row before = *row;

	read_name(cx, row);
	read_expiry(cx, row);
	read_networks(cx, row);
	read_limits(cx, row);
	read_must_sign(cx, row);
	*changed = !same(&before, row);
	return (finish(cx));
}
