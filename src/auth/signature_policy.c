/*
 * Which requests must be signed: those of keys that are made so, and those of
 * the operations in SIGNED_OPERATIONS. The answer to one that is not says how
 * to sign it, for people and for programs (Accept-Signature, RFC 9421, 5).
 */
#include <stdio.h>
#include <string.h>

#include "auth/auth_priv.h"
#include "crypto/crypto.h"

/* A word of a list with blanks between. */
static bool
listed(const char *list, const char *word)
{
	size_t n = strlen(word), len;

	for (; *list != '\0'; list += len) {
		list += strspn(list, " ");
		len = strcspn(list, " ");
		if (len == n && memcmp(list, word, n) == 0)
			return (true);
	}

	return (false);
}

static const struct endpoint *
operation(const char *name, size_t len)
{
	const struct endpoint *ep;

	for (unsigned i = 0; i < router_count(); i++) {
		ep = router_at(i);
		if (strlen(ep->name) == len && memcmp(ep->name, name, len) == 0)
			return (ep);
	}

	return (NULL);
}

enum res
signed_operations_check(char *msg, size_t msglen)
{
	const char *s = setting_str(SETTING_SIGNED_OPERATIONS);
	const struct endpoint *ep;
	size_t len;

	for (; *s != '\0'; s += len) {
		s += strspn(s, " ");
		len = strcspn(s, " ");
		if (len == 0 || (len == 1 && *s == '*'))
			continue;
		ep = operation(s, len);
		if (ep != NULL && ep->auth == AUTH_ANY)
			continue;
		(void)snprintf(msg, msglen,
		    "signed_operations: %.*s is no operation%s", (int)len, s,
		    ep != NULL ? " that takes API keys" : "");
		return (RES_ERR);
	}

	return (RES_OK);
}

bool
signature_needed(const struct apikey *key, const struct endpoint *ep)
{
	const char *list = setting_str(SETTING_SIGNED_OPERATIONS);

	return (key->must_sign || listed(list, "*") || listed(list, ep->name));
}

/* How a signature of this key for a request like this one has to be made. */
static const char *
wanted(struct ctx *cx, const struct apikey *key, bool body)
{
	struct token nonce;
	struct buf b;

	token_new(&nonce);
	buf_init(&b, cx->env.arena, 256);
	buf_printf(&b,
	    "sig1=(\"@method\" \"@authority\" \"@path\" \"@query\"%s);created"
	    ";keyid=\"%s\";nonce=\"%s\"",
	    body ? " \"content-digest\"" : "", key->prefix, nonce.text);
	if (key->alg != SIGNATURE_UNSET)
		buf_printf(&b, ";alg=\"%s\"", signature_alg_name(key->alg));

	return (b.data);
}

enum res
signature_missing(struct ctx *cx, const struct apikey *key)
{
	size_t len;

	(void)ctx_body(cx, &len);
	reply_header(cx, "Accept-Signature", wanted(cx, key, len > 0));

	return (err_fail(&cx->env.err, PROBLEM_SIGNATURE_REQUIRED,
	    "Sign the request (RFC 9421) over @method, @authority, @path, "
	    "@query%s with created, nonce and the key's prefix as keyid%s.",
	    len > 0 ? " and content-digest" : "",
	    key->alg == SIGNATURE_UNSET ? "; this key has no signing key yet" :
					  ""));
}
