/*
 * What each provider publishes (OpenID Connect Discovery 1.0, RFC 7517), kept
 * by each worker: fetched when it is first needed, then again in the
 * background. What cannot be had anew stays as it was; what does not carry
 * the issuer's exact name is never taken.
 *
 * A token may name a key that is not known, because the provider has changed
 * its keys; then they are fetched at once. Anybody can send tokens that name
 * unknown keys, so that happens a few times, and then every REFILL_MS.
 */
#include <stdlib.h>
#include <string.h>

#include <kore/kore.h>

#include "obs/obs.h"
#include "oidc/oidc_priv.h"

#define WELL_KNOWN    "/.well-known/openid-configuration"
#define METADATA_MAX  131072
#define KEYS_MAX      262144
#define KEYS_N        100
#define URL_MAX       1000
#define ROUND_MS      15000 /* the background looks around at least so often */
#define RETRY_MS      3000  /* after a failure nobody asks again sooner */
#define BACKGROUND_MS 12000
#define POLL_MS       20
#define TOKENS        3 /* fetches for unknown keys at once */
#define REFILL_MS     30000

/* Of one provider. The arenas are replaced as a whole, so who waits copies. */
struct published {
	struct arena *meta_arena, *keys_arena; /* NULL: not had yet */
	struct metadata meta;
	const struct jval *keys;  /* the array of JWKs */
	int64_t meta_ms, keys_ms; /* when they were had */
	int64_t failed_ms;        /* the last failure; 0: none */
	bool busy;                /* a coroutine fetches */
	unsigned spent;           /* of TOKENS */
	int64_t spent_ms;         /* when that was last counted down */
};

static struct published *
published_of(struct provider *p)
{
	if (p->published == NULL &&
	    (p->published = calloc(1, sizeof(*p->published))) == NULL)
		fatal("out of memory");
	return (p->published);
}

static const char *
endpoint(struct arena *arena, const struct jval *v, const char *name)
{
	const char *url = json_get_str(v, name);

	if (url == NULL || strlen(url) > URL_MAX || !provider_url_ok(url))
		return (NULL);
	return (arena_strdup(arena, url));
}

static bool
has(const struct jval *list, const char *s)
{
	const struct jval *m;

	JSON_FOREACH (m, list)
		if (m->type == J_STR && strcmp(m->s, s) == 0)
			return (true);
	return (false);
}

/* NULL: it is as it should be. */
static const char *
metadata_read(struct arena *arena, const struct provider *p,
    const struct jval *v, struct metadata *out)
{
	const char *issuer = json_get_str(v, "issuer");
	const struct jval *pkce =
			      json_get(v, "code_challenge_methods_supported"),
			  *says = json_get(v,
			      "authorization_response_iss_parameter_"
			      "supported");

	if (issuer == NULL || strcmp(issuer, p->issuer) != 0)
		return ("it is another issuer's");
	/* Some do PKCE without saying so; who says what it does must do this.
	 */
	if (pkce != NULL && (pkce->type != J_ARR || !has(pkce, "S256")))
		return ("it does not do PKCE with S256");
	out->authorization_endpoint =
	    endpoint(arena, v, "authorization_endpoint");
	out->token_endpoint = endpoint(arena, v, "token_endpoint");
	out->jwks_uri = endpoint(arena, v, "jwks_uri");
	out->end_session_endpoint = endpoint(arena, v, "end_session_endpoint");
	out->says_iss = says != NULL && says->type == J_BOOL && says->b;
	if (out->authorization_endpoint == NULL ||
	    out->token_endpoint == NULL || out->jwks_uri == NULL)
		return ("an endpoint is missing or is no https:// URL");
	return (NULL);
}

static void
failed(struct provider *p, const char *what, const char *why)
{
	published_of(p)->failed_ms = time_mono_ms();
	metric_add(METRIC_OIDC_FETCH_FAILURE, 1);
	log_event(LOG_LEVEL_WARN, "oidc.fetch", "provider %s: %s: %s", p->id,
	    what, why);
}

static co_fn enum res
fetch_metadata(struct env *env, struct provider *p)
{
	struct published *pub = published_of(p);
	struct provider_request req = { .max = METADATA_MAX };
	struct arena *arena;
	struct metadata meta;
	const char *why;
	size_t len = strlen(p->issuer);
	struct jval *v;

	len -= p->issuer[len - 1] == '/';
	req.url =
	    arena_printf(env->arena, "%.*s" WELL_KNOWN, (int)len, p->issuer);
	if (provider_fetch(env, &req, &v, &why) != RES_OK) {
		failed(p, "its metadata", why);
		return (RES_ERR);
	}
	arena = arena_new();
	memset(&meta, 0, sizeof(meta));
	if ((why = metadata_read(arena, p, v, &meta)) != NULL) {
		arena_destroy(&arena);
		failed(p, "its metadata", why);
		return (RES_ERR);
	}
	if (pub->meta_arena != NULL)
		arena_destroy(&pub->meta_arena);
	pub->meta_arena = arena;
	pub->meta = meta;
	pub->meta_ms = time_mono_ms();
	metric_add(METRIC_OIDC_FETCH_SUCCESS, 1);
	return (RES_OK);
}

/* The tree again, in an arena of its own. */
static const struct jval *
copy_keys(struct env *env, const struct jval *keys, struct arena *arena)
{
	struct json_out *o = json_out_new(env->arena);
	struct err err = { .problem = PROBLEM_UNSET };
	struct jval *v;
	const char *text;
	size_t len;

	json_value(o, keys);
	json_finish(o, &text, &len);
	return (
	    json_parse(arena, text, len, JSON_DEPTH_MAX, &v, &err) == RES_OK ?
		v :
		NULL);
}

static co_fn enum res
fetch_keys(struct env *env, struct provider *p)
{
	struct published *pub = published_of(p);
	struct provider_request req = { .max = KEYS_MAX,
		.url = arena_strdup(env->arena, pub->meta.jwks_uri) };
	const struct jval *keys, *copy;
	struct arena *arena;
	const char *why;
	struct jval *v;

	if (provider_fetch(env, &req, &v, &why) != RES_OK) {
		failed(p, "its keys", why);
		return (RES_ERR);
	}
	keys = json_get(v, "keys");
	arena = arena_new();
	if (keys == NULL || keys->type != J_ARR || keys->n > KEYS_N ||
	    (copy = copy_keys(env, keys, arena)) == NULL) {
		arena_destroy(&arena);
		failed(p, "its keys", "they are no JWK Set");
		return (RES_ERR);
	}
	if (pub->keys_arena != NULL)
		arena_destroy(&pub->keys_arena);
	pub->keys_arena = arena;
	pub->keys = copy;
	pub->keys_ms = time_mono_ms();
	metric_add(METRIC_OIDC_FETCH_SUCCESS, 1);
	return (RES_OK);
}

/* One fetch at a time a provider: the others wait for it, and look then. */
static co_fn bool
claim(struct env *env, struct published *pub)
{
	if (!pub->busy) {
		pub->busy = true;
		return (true);
	}
	while (pub->busy && time_mono_ms() < env->deadline)
		co_sleep(POLL_MS);
	return (false);
}

static bool
lately_failed(const struct published *pub)
{
	return (
	    pub->failed_ms != 0 && time_mono_ms() - pub->failed_ms < RETRY_MS);
}

co_fn enum oidc_reason
discovery_get(struct ctx *cx, struct provider *p, struct metadata *out)
{
	struct published *pub = published_of(p);
	struct arena *arena = cx->env.arena;

	if (pub->meta_arena == NULL && !lately_failed(pub) &&
	    claim(&cx->env, pub)) {
		(void)fetch_metadata(&cx->env, p);
		pub->busy = false;
	}
	if (pub->meta_arena == NULL)
		return (OIDC_DISCOVERY);
	*out = pub->meta;
	out->authorization_endpoint =
	    arena_strdup(arena, out->authorization_endpoint);
	out->token_endpoint = arena_strdup(arena, out->token_endpoint);
	out->jwks_uri = arena_strdup(arena, out->jwks_uri);
	if (out->end_session_endpoint != NULL)
		out->end_session_endpoint =
		    arena_strdup(arena, out->end_session_endpoint);
	/* Two providers whose answers cannot be told apart (RFC 9700, 4.4). */
	if (!out->says_iss && provider_shares_redirect(p)) {
		log_event(LOG_LEVEL_ERROR, "oidc.mix_up",
		    "provider %s: it does not name itself in its answers: "
		    "give it a callback_id",
		    p->id);
		return (OIDC_MIX_UP);
	}
	return (OIDC_OK);
}

/* The one key that fits, as JSON; without a key id only if there is no other.
 */
static const char *
key_find(
    struct arena *arena, const struct published *pub, const struct jwt *jwt)
{
	const struct jval *key, *found = NULL;
	struct json_out *o;
	const char *text;
	size_t len;

	if (pub->keys == NULL)
		return (NULL);
	JSON_FOREACH (key, pub->keys) {
		if (!jwt_key_fits(jwt, key))
			continue;
		if (found != NULL)
			return (NULL);
		found = key;
	}
	if (found == NULL)
		return (NULL);
	o = json_out_new(arena);
	json_value(o, found);
	json_finish(o, &text, &len);
	return (text);
}

/* False: enough was fetched for unknown keys lately. */
static bool
may_look(struct published *pub)
{
	int64_t now = time_mono_ms();
	int64_t back = (now - pub->spent_ms) / REFILL_MS;

	if (back > 0) {
		pub->spent =
		    back >= pub->spent ? 0 : pub->spent - (unsigned)back;
		pub->spent_ms = now;
	}
	if (pub->spent >= TOKENS)
		return (false);
	pub->spent++;
	return (true);
}

co_fn const char *
discovery_key(struct ctx *cx, struct provider *p, const struct jwt *jwt)
{
	struct published *pub = published_of(p);
	const char *key = key_find(cx->env.arena, pub, jwt);

	if (key != NULL || pub->meta_arena == NULL || lately_failed(pub))
		return (key);
	if (pub->keys != NULL && !pub->busy && !may_look(pub))
		return (NULL);
	if (claim(&cx->env, pub)) {
		(void)fetch_keys(&cx->env, p);
		pub->busy = false;
	}
	return (key_find(cx->env.arena, pub, jwt));
}

static co_fn void
refresh(struct provider *p)
{
	struct published *pub = published_of(p);
	int64_t age = setting_int(SETTING_OIDC_REFRESH_S) * 1000;
	int64_t now = time_mono_ms();
	struct env env;

	if (pub->meta_arena == NULL || pub->busy || lately_failed(pub))
		return;
	env_init(&env, now + BACKGROUND_MS);
	pub->busy = true;
	if (now - pub->meta_ms >= age)
		(void)fetch_metadata(&env, p);
	if (pub->keys != NULL && now - pub->keys_ms >= age)
		(void)fetch_keys(&env, p);
	pub->busy = false;
	env_done(&env);
}

/* Nothing is fetched of a provider that nobody has used yet. */
static co_fn void
keeper(void *arg UNUSED)
{
	int64_t round = setting_int(SETTING_OIDC_REFRESH_S) * 1000 / 4;

	for (;;) {
		co_sleep(round < ROUND_MS ? round : ROUND_MS);
		for (unsigned i = 0; i < provider_count(); i++)
			refresh(provider_at(i));
	}
}

void
discovery_init(void)
{
	if (provider_count() > 0 &&
	    co_spawn("oidc-keys", keeper, NULL) != RES_OK)
		fatal("OpenID Connect: cannot start the keeper of keys");
}
