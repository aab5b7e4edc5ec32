/*
 * A log-in under way. What only the server may know of it (nonce, verifier,
 * whose browser) is sealed in Redis under the hash of the state, which the
 * provider hands back, and can be taken out once. A cookie ties it to the
 * browser that began: a state that somebody else slips to a victim logs
 * nobody in. It is SameSite=Lax, for it must come along when the provider
 * sends the browser back.
 */
#include <hiredis/hiredis.h>
#include <sodium.h>
#include <string.h>

#include "oidc/oidc_priv.h"

#define COOKIE_NAME "__Host-eleusis-oidc"
#define PURPOSE     "oidc-flow"
#define VALUE_MAX   2048
#define DEPTH       2
#define VARIANT     sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define PATH_CHARS                         \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef" \
	"ghijklmnopqrstuvwxyz0123456789-._~/"
#define RETURN_MAX 200
#define ANY_AGE_S  31536000

/* One of the setting's paths, or below one that ends in "/". */
bool
flow_return_ok(const char *path)
{
	size_t len = strlen(path), n;
	const char *s;

	if (path[0] != '/' || path[1] == '/' || len > RETURN_MAX ||
	    path[strspn(path, PATH_CHARS)] != '\0' ||
	    strstr(path, "//") != NULL || strstr(path, "/.") != NULL)
		return (false);
	for (s = setting_str(SETTING_OIDC_RETURN_PATHS); *s != '\0'; s += n) {
		s += strspn(s, " ");
		n = strcspn(s, " ");
		if (n == len && memcmp(s, path, n) == 0)
			return (true);
		if (n > 1 && n < len && s[n - 1] == '/' &&
		    memcmp(s, path, n) == 0)
			return (true);
	}
	return (false);
}

const char *
flow_return_default(struct arena *arena)
{
	const char *s = setting_str(SETTING_OIDC_RETURN_PATHS);

	s += strspn(s, " ");
	return (*s == '/' ? arena_strndup(arena, s, strcspn(s, " ")) : "/");
}

static const char *
redis_key(struct arena *arena, const uint8_t hash[TOKEN_HASH_BYTES])
{
	char hex[2 * TOKEN_HASH_BYTES + 1];

	digest_hex(hash, TOKEN_HASH_BYTES, hex);
	return (arena_printf(arena, "o:%s", hex));
}

static const char *
bytes_text(struct arena *arena, const uint8_t *bytes, size_t len)
{
	char *text = arena_alloc(arena, 2 * len + 1);

	digest_hex(bytes, len, text);
	return (text);
}

static enum res
text_bytes(const struct jval *v, const char *name, uint8_t *out, size_t len)
{
	const char *s = json_get_str(v, name);
	size_t n;

	if (s == NULL || strlen(s) != 2 * len ||
	    sodium_hex2bin(out, len, s, 2 * len, NULL, &n, NULL) != 0)
		return (RES_ERR);
	return (n == len ? RES_OK : RES_ERR);
}

static void
flow_pack(
    struct arena *arena, const struct flow *f, const char **text, size_t *len)
{
	struct json_out *o = json_out_new(arena);

	json_obj(o);
	json_kstr(o, "p", f->provider);
	json_kstr(o, "n", f->nonce);
	json_kstr(o, "v", f->verifier);
	json_kstr(o, "r", f->return_to);
	json_kuuid(o, "l", &f->link_user);
	json_kuuid(o, "s", &f->link_session);
	json_kstr(o, "b", bytes_text(arena, f->browser, sizeof(f->browser)));
	json_obj_end(o);
	json_finish(o, text, len);
}

static enum res
flow_unpack(struct arena *arena, const void *text, size_t len, struct flow *f)
{
	struct err err = { .problem = PROBLEM_UNSET };
	const char *user, *session;
	struct jval *v;

	memset(f, 0, sizeof(*f));
	if (json_parse(arena, text, len, DEPTH, &v, &err) != RES_OK)
		return (RES_ERR);
	f->provider = json_get_str(v, "p");
	f->nonce = json_get_str(v, "n");
	f->verifier = json_get_str(v, "v");
	f->return_to = json_get_str(v, "r");
	user = json_get_str(v, "l");
	session = json_get_str(v, "s");
	if (f->provider == NULL || f->nonce == NULL || f->verifier == NULL ||
	    f->return_to == NULL || user == NULL || session == NULL ||
	    uuid_parse(user, &f->link_user) != RES_OK ||
	    uuid_parse(session, &f->link_session) != RES_OK)
		return (RES_ERR);
	return (text_bytes(v, "b", f->browser, sizeof(f->browser)));
}

static co_fn enum res
flow_store(struct ctx *cx, const struct token *state, const struct flow *f)
{
	struct arena *arena = cx->env.arena;
	const char *argv[5], *plain;
	size_t len[5], n;
	uint8_t *sealed;
	struct redisReply *r;

	flow_pack(arena, f, &plain, &n);
	sealed = arena_alloc(arena, n + SEAL_OVERHEAD);
	transient_seal(
	    PURPOSE, state->hash, sizeof(state->hash), plain, n, sealed);
	argv[0] = "SET";
	argv[1] = redis_key(arena, state->hash);
	argv[2] = (const char *)sealed;
	argv[3] = "EX";
	argv[4] = arena_printf(arena, "%d", FLOW_S);
	for (unsigned i = 0; i < NELEM(argv); i++)
		len[i] = i == 2 ? n + SEAL_OVERHEAD : strlen(argv[i]);
	return (redis_command(&cx->env, NELEM(argv), argv, len, &r));
}

/* The browser's cookie, the one it has or a new one: two log-ins begun in two
 * of its windows can both be ended. */
static void
bind_browser(struct ctx *cx, uint8_t hash[TOKEN_HASH_BYTES])
{
	const char *text = ctx_cookie(cx, COOKIE_NAME);
	struct token token;

	if (text == NULL || token_hash(text, hash) != RES_OK) {
		token_new(&token);
		memcpy(hash, token.hash, TOKEN_HASH_BYTES);
		text = arena_strdup(cx->env.arena, token.text);
	}
	reply_header(cx, "Set-Cookie",
	    arena_printf(cx->env.arena,
		COOKIE_NAME "=%s; Path=/; Secure; HttpOnly; SameSite=Lax; "
			    "Max-Age=%d",
		text, FLOW_S));
}

/* S256 of RFC 7636. */
static const char *
challenge(struct arena *arena, const char *verifier)
{
	uint8_t hash[SHA256_BYTES];
	char *text;

	text = arena_alloc(
	    arena, sodium_base64_ENCODED_LEN(SHA256_BYTES, VARIANT));
	sha256(verifier, strlen(verifier), hash);
	sodium_bin2base64(text,
	    sodium_base64_ENCODED_LEN(SHA256_BYTES, VARIANT), hash,
	    sizeof(hash), VARIANT);
	return (text);
}

static const char *
authorization_url(struct ctx *cx, const struct provider *p,
    const struct metadata *meta, const struct flow *f, const char *state,
    unsigned how)
{
	struct buf b;

	buf_init(&b, cx->env.arena, 1024);
	buf_puts(&b, meta->authorization_endpoint);
	form_add(&b, '?', "response_type", "code");
	form_add(&b, '?', "client_id", p->client_id);
	form_add(&b, '?', "redirect_uri", p->redirect_uri);
	form_add(&b, '?', "scope", p->scopes);
	form_add(&b, '?', "state", state);
	form_add(&b, '?', "nonce", f->nonce);
	form_add(
	    &b, '?', "code_challenge", challenge(cx->env.arena, f->verifier));
	form_add(&b, '?', "code_challenge_method", "S256");
	/* Also asks for auth_time, which counts for step-up here. */
	form_add(&b, '?', "max_age",
	    arena_printf(cx->env.arena, "%lld",
		(long long)(p->max_age_s > 0 ? p->max_age_s : ANY_AGE_S)));
	if (how & FLOW_FRESH)
		form_add(&b, '?', "prompt", "login");
	return (b.data);
}

co_fn enum res
flow_begin(struct ctx *cx, const struct provider *p,
    const struct metadata *meta, const char *return_to, unsigned how,
    const char **url)
{
	struct arena *arena = cx->env.arena;
	struct token state, nonce, verifier;
	struct flow f = { .provider = p->id, .return_to = return_to };

	token_new(&state);
	token_new(&nonce);
	token_new(&verifier);
	f.nonce = arena_strdup(arena, nonce.text);
	f.verifier = arena_strdup(arena, verifier.text);
	if (how & FLOW_LINK) {
		f.link_user = cx->who->user_id;
		f.link_session = cx->who->session_id;
	}
	bind_browser(cx, f.browser);
	if (flow_store(cx, &state, &f) != RES_OK)
		return (RES_ERR);
	*url = authorization_url(
	    cx, p, meta, &f, arena_strdup(arena, state.text), how);
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(&nonce, sizeof(nonce));
	sodium_memzero(&verifier, sizeof(verifier));
	return (RES_OK);
}

static enum oidc_reason
flow_open(struct ctx *cx, const uint8_t hash[TOKEN_HASH_BYTES],
    const struct redisReply *r, struct flow *f)
{
	uint8_t browser[TOKEN_HASH_BYTES];
	const char *cookie = ctx_cookie(cx, COOKIE_NAME);
	size_t len = r->len;
	uint8_t *plain;

	if (r->type != REDIS_REPLY_STRING || len < SEAL_OVERHEAD ||
	    len > VALUE_MAX)
		return (OIDC_BAD_STATE);
	plain = arena_alloc(cx->env.arena, len);
	if (transient_unseal(PURPOSE, hash, TOKEN_HASH_BYTES,
		(const uint8_t *)r->str, len, plain) != RES_OK ||
	    flow_unpack(cx->env.arena, plain, len - SEAL_OVERHEAD, f) != RES_OK)
		return (OIDC_BAD_STATE);
	if (cookie == NULL || token_hash(cookie, browser) != RES_OK ||
	    sodium_memcmp(browser, f->browser, sizeof(browser)) != 0)
		return (OIDC_OTHER_BROWSER);
	return (OIDC_OK);
}

co_fn enum res
flow_take(
    struct ctx *cx, const char *state, struct flow *f, enum oidc_reason *reason)
{
	uint8_t hash[TOKEN_HASH_BYTES];
	const char *argv[2];
	size_t len[2];
	struct redisReply *r;

	*reason = OIDC_BAD_STATE;
	memset(f, 0, sizeof(*f));
	if (state == NULL || token_hash(state, hash) != RES_OK)
		return (RES_OK);
	argv[0] = "GETDEL";
	argv[1] = redis_key(cx->env.arena, hash);
	len[0] = strlen(argv[0]);
	len[1] = strlen(argv[1]);
	if (redis_command(&cx->env, NELEM(argv), argv, len, &r) != RES_OK)
		return (RES_ERR);
	*reason = flow_open(cx, hash, r, f);
	return (RES_OK);
}
