/*
 * Does a request's signature hold? After admission, which has found the key,
 * and before anything of the request is used. A Content-Digest that came is
 * held against the body in any case, signed or not.
 *
 * A signed request may come without the key's secret; then nobody has proved
 * anything until the signature holds, and a failure is that of an unknown
 * client: counted by network, not written under the name of the key's owner.
 */
#include <string.h>
#include <strings.h>

#include "auth/auth_priv.h"
#include "guard/guard.h"

#define DEFAULT_PORT ":443"

enum res
signature_read(struct ctx *cx, const struct signature **out)
{
	if (signature_parse(cx, &cx->signature) != RES_OK) {
		denial_note(DENIAL_SIGNATURE, &cx->client);
		return (RES_ERR);
	}
	*out = cx->signature;

	return (RES_OK);
}

/* RFC 9421, 2.2.3: lower case, without the scheme's own port. */
static const char *
authority(struct arena *arena, const char *host)
{
	char *s = arena_strdup(arena, host);
	size_t len = strlen(s), port = strlen(DEFAULT_PORT);

	for (char *p = s; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	if (len > port && strcmp(s + len - port, DEFAULT_PORT) == 0)
		s[len - port] = '\0';

	return (s);
}

static void
message_of(struct ctx *cx, struct message *m)
{
	memset(m, 0, sizeof(*m));
	m->method = cx->head ? "HEAD" : method_name(cx->method);
	m->scheme = "https";
	m->authority = authority(cx->env.arena, ctx_header(cx, "host"));
	m->path = cx->path;
	m->query = cx->query_string;
	m->nfields = ctx_fields(cx, &m->fields);
}

static enum res
bad(struct ctx *cx, const char *detail)
{
	return (err_fail(&cx->env.err, PROBLEM_BAD_SIGNATURE, "%s", detail));
}

/* Against the key's own and, while a rotation overlaps, its former one. */
static enum res
check_bytes(struct ctx *cx, const struct signature *sig,
    const struct apikey *key, const struct buf *base)
{
	bool overlap = key->previous_until_us > cx->now_us;
	bool now, before;

	now = signature_holds(key->alg, key->sign_key, sizeof(key->sign_key),
	    base, sig->bytes, sig->len);
	before = overlap && signature_holds(key->alg, key->previous_sign_key,
				sizeof(key->previous_sign_key), base,
				sig->bytes, sig->len);
	if (now || before)
		return (RES_OK);

	return (bad(cx, "The signature does not hold for this request."));
}

static enum res
check_signature(struct ctx *cx, const struct signature *sig)
{
	const struct apikey *key = cx->who->key;
	struct message m;
	const char *why;
	struct buf base;

	if (key == NULL || strcmp(key->prefix, sig->keyid) != 0)
		return (bad(cx,
		    "The signature is of another key than the credentials."));
	if (key->alg == SIGNATURE_UNSET)
		return (bad(cx, "This API key has no signing key."));
	if (sig->alg != SIGNATURE_UNSET && sig->alg != key->alg)
		return (bad(cx, "\"alg\" is not the algorithm of this key."));
	message_of(cx, &m);
	if (signature_base(cx->env.arena, &m, sig->components, sig->ncomponents,
		sig->params, &base, &why) != RES_OK)
		return (bad(cx, why));

	return (check_bytes(cx, sig, key, &base));
}

static enum res
check_digest(struct ctx *cx, bool must)
{
	const char *field = ctx_header_list(cx, "content-digest");
	struct err *err = &cx->env.err;
	const void *body;
	size_t len;

	if (field == NULL)
		return (RES_OK);
	body = ctx_body(cx, &len);
	switch (digest_header_check(cx->env.arena, field, body, len)) {
	case DIGEST_MATCHES:
		return (RES_OK);
	case DIGEST_DIFFERS:
		return (err_fail(err, PROBLEM_DIGEST_MISMATCH,
		    "Content-Digest is not that of the body received."));
	case DIGEST_UNKNOWN:
		if (!must)
			return (RES_OK);
		return (err_fail(err, PROBLEM_DIGEST_MISMATCH,
		    "Content-Digest needs sha-256 or sha-512."));
	case DIGEST_MALFORMED:
	case DIGEST_UNSET:
		break;
	}

	return (err_fail(err, PROBLEM_MALFORMED_REQUEST,
	    "Content-Digest is no dictionary of byte sequences (RFC 9530)."));
}

/* Gives back what the claim was charged with; without the key's secret or a
 * session beside the signature the client is nobody known. */
static co_fn enum res
undo(struct ctx *cx)
{
	struct err kept = cx->env.err;

	err_clear(&cx->env.err);
	auth_undo(cx);
	cx->env.err = kept;
	if (cx->who->key == NULL || ctx_header(cx, "authorization") != NULL)
		return (RES_ERR);
	denial_note(DENIAL_SIGNATURE, &cx->client);
	cx->who = NULL;
	cx->actor_kind = NULL;
	memset(&cx->actor_id, 0, sizeof(cx->actor_id));
	memset(&cx->key_id, 0, sizeof(cx->key_id));

	return (RES_ERR);
}

co_fn enum res
auth_signature(struct ctx *cx)
{
	const struct signature *sig = cx->signature;

	if (sig == NULL || cx->who == NULL) {
		if (cx->who != NULL && cx->who->key != NULL &&
		    signature_needed(cx->who->key, cx->ep))
			return (signature_missing(cx, cx->who->key));
		return (check_digest(cx, false));
	}
	if (check_signature(cx, sig) != RES_OK ||
	    check_digest(cx, signature_covers_digest(sig)) != RES_OK)
		return (undo(cx));

	return (RES_OK);
}
