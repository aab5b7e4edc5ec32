/*
 * Admission: who is it, and is it too often? One Redis round trip finds the
 * session or the API key and charges every limit that the request counts
 * towards (admit_script.c). See docs/rate-limits.md.
 *
 * Without Redis, API keys are looked up in PostgreSQL and public operations
 * stay open, both within a much smaller limit that each worker keeps by
 * itself (guard/rate_alone.c). Sessions live in Redis, and so do the nonces
 * of signed requests: those wait.
 */
#include <string.h>

#include "auth/auth_priv.h"
#include "obs/obs.h"

#define ROWS_A_UNIT 50 /* of a list that asks for many */

/* A list costs one unit for each started 50 rows that it asks for. A limit
 * that is not valid is refused later. */
static unsigned
cost_of(const struct ctx *cx)
{
	const struct jval *v = NULL;
	int64_t rows = 1;

	if (cx->query != NULL)
		v = json_get(cx->query, "limit");
	if (v != NULL && v->type == J_INT && v->i > 0)
		rows = v->i;
	return (cx->ep->cost * (unsigned)((rows - 1) / ROWS_A_UNIT + 1));
}

static enum res
unauthenticated(struct ctx *cx)
{
	metric_add(METRIC_AUTH_DENIED, 1);
	if (cx->who == NULL)
		denial_note(DENIAL_UNAUTHENTICATED, &cx->client);
	return (err_fail(&cx->env.err, PROBLEM_UNAUTHENTICATED,
	    "Log in first, or show an API key: the session or the key is "
	    "missing, unknown or over."));
}

static void
known(struct ctx *cx, const struct principal *who)
{
	cx->who = who;
	cx->actor_kind = "user";
	cx->actor_id = who->user_id;
	if (who->key != NULL)
		cx->key_id = who->key->id;
	else
		cx->session_id = who->session_id;
}

/* Refused: RATE_LIMITED, or a nonce that was seen before. */
static enum res
check_verdict(struct ctx *cx, const struct verdict *v)
{
	if (rate_tell(cx, v->states, v->nstates) != RES_OK) {
		if (cx->who == NULL)
			denial_note(DENIAL_RATE, &cx->client);
		return (RES_ERR);
	}
	if (!v->replayed)
		return (RES_OK);
	metric_add(METRIC_REPLAYED, 1);
	metric_add(METRIC_AUTH_DENIED, 1);
	if (cx->who == NULL)
		denial_note(DENIAL_SIGNATURE, &cx->client);
	return (err_fail(&cx->env.err, PROBLEM_BAD_SIGNATURE,
	    "This signature was used already (replayed): sign each request "
	    "with a nonce of its own."));
}

/* ---- without Redis ---------------------------------------------------------
 */

static co_fn enum res
charge_alone(struct ctx *cx, struct admission *ad, const struct principal *who)
{
	struct rate_bucket buckets[RATE_BUCKETS_MAX];
	struct verdict *v = &ad->verdict;

	metric_add(METRIC_RATE_ALONE, 1);
	memset(v, 0, sizeof(*v));
	v->nstates = admit_buckets(cx, who, buckets);
	for (unsigned i = 0; i < v->nstates; i++)
		buckets[i].limit = rate_alone_limit(buckets[i].limit);
	(void)rate_alone(
	    buckets, v->nstates, ad->cost, time_now_us(), v->states);
	return (check_verdict(cx, v));
}

/*
 * The error of Redis stays when it is needed. A key's name alone must not
 * send anybody to PostgreSQL: strangers are charged first, and those whose
 * key is good pay for that too. It is a stand-in.
 */
static co_fn enum res
admit_alone(struct ctx *cx, struct admission *ad, struct principal **who)
{
	enum credential_kind kind = ad->credential.kind;
	bool former;

	if (kind == CREDENTIAL_SESSION || kind == CREDENTIAL_SIGNATURE ||
	    ad->credential.signature != NULL)
		return (RES_ERR);
	err_clear(&cx->env.err);
	ad->alone = true;
	if (charge_alone(cx, ad, NULL) != RES_OK)
		return (RES_ERR);
	if (kind != CREDENTIAL_KEY)
		return (RES_OK);
	if (admit_key_alone(cx, ad, who) != RES_OK)
		return (RES_ERR);
	if (*who == NULL || !apikey_valid(*who, ad->credential.token,
				&cx->client, cx->now_us, &former))
		return (RES_OK);
	return (charge_alone(cx, ad, *who));
}

/* ---- with Redis
 * -------------------------------------------------------------- */

/* *who NULL: nobody known. What the request may not be is said later. */
static co_fn enum res
look_up(struct ctx *cx, struct admission *ad, struct principal **who)
{
	enum credential_kind kind = ad->credential.kind;

	*who = NULL;
	if (kind == CREDENTIAL_KEY || kind == CREDENTIAL_SIGNATURE)
		return (admit_key(cx, ad, who));
	if (kind == CREDENTIAL_SESSION)
		return (admit_session(cx, ad, who));
	return (admit_ask(cx, ad, NULL, 0, false));
}

/* ---- what the credential is good for
 * ----------------------------------------- */

/* Nobody is known by a signature that nobody has verified. */
static void
forget_unproven(struct ctx *cx)
{
	static const struct uuid nil;

	if (cx->admission->credential.kind != CREDENTIAL_SIGNATURE)
		return;
	cx->who = NULL;
	cx->actor_kind = NULL;
	cx->actor_id = cx->key_id = nil;
}

/* Whoever shows the secret of a key that is over, or from a wrong network, is
 * known for it: the pipeline's audit row says so. Who has but named it must
 * not use up its limits. */
static co_fn enum res
check_key(struct ctx *cx, const struct admission *ad)
{
	bool former;

	if (apikey_valid(cx->who, ad->credential.token, &cx->client, cx->now_us,
		&former))
		return (RES_OK);
	if (ad->credential.kind == CREDENTIAL_SIGNATURE && !ad->verdict.refused)
		auth_undo(cx);
	forget_unproven(cx);
	return (unauthenticated(cx));
}

/* A browser sends cookies along with requests it was tricked into. */
static enum res
check_csrf(struct ctx *cx)
{
	const char *origin = ctx_header_list(cx, "origin");
	const char *site = ctx_header_list(cx, "sec-fetch-site");
	const char *token = ctx_header_list(cx, "x-csrf-token");

	if (!cx->who->cookie || cx->method == METHOD_GET)
		return (RES_OK);
	if ((origin == NULL ||
		strcmp(origin, setting_str(SETTING_ORIGIN)) == 0) &&
	    (site == NULL || strcmp(site, "same-origin") == 0) &&
	    token != NULL && csrf_valid(cx->who->token_hash, token))
		return (RES_OK);
	metric_add(METRIC_AUTH_DENIED, 1);
	return (err_fail(&cx->env.err, PROBLEM_CSRF,
	    "Send the session's CSRF token as X-CSRF-Token, from the "
	    "server's own origin."));
}

static co_fn enum res
admit(struct ctx *cx, struct admission *ad)
{
	struct principal *who = NULL;

	if (look_up(cx, ad, &who) != RES_OK &&
	    admit_alone(cx, ad, &who) != RES_OK)
		return (RES_ERR);
	if (who != NULL)
		known(cx, who);
	if (check_verdict(cx, &ad->verdict) != RES_OK) {
		forget_unproven(cx);
		return (RES_ERR);
	}
	if (cx->ep->auth == AUTH_PUBLIC)
		return (RES_OK);
	if (who == NULL)
		return (unauthenticated(cx));
	return (who->key != NULL ? check_key(cx, ad) : check_csrf(cx));
}

co_fn enum res
auth_admit(struct ctx *cx)
{
	struct admission *ad;

	if (cx->ep->rate == RATE_NONE && cx->ep->auth == AUTH_PUBLIC)
		return (RES_OK);
	ad = arena_alloc(cx->env.arena, sizeof(*ad));
	ad->cost = cost_of(cx);
	ad->credential.kind = CREDENTIAL_NONE;
	cx->admission = ad;
	if (cx->ep->auth != AUTH_PUBLIC &&
	    credential_read(cx, &ad->credential) != RES_OK)
		return (RES_ERR);
	return (admit(cx, ad));
}

/*
 * Another Redis round trip, and only for a signature that is false. It must
 * not hide what was wrong with it; should Redis be away meanwhile, the charge
 * stays.
 */
co_fn void
auth_undo(struct ctx *cx)
{
	struct err kept = cx->env.err;

	if (cx->admission == NULL || cx->who == NULL ||
	    cx->admission->credential.kind == CREDENTIAL_SESSION)
		return;
	err_clear(&cx->env.err);
	(void)admit_undo(cx, cx->admission, cx->who);
	cx->env.err = kept;
}

static enum res
forbidden(struct ctx *cx)
{
	metric_add(METRIC_AUTH_DENIED, 1);
	if (cx->who->key != NULL && cx->ep->auth != AUTH_ANY)
		return (err_fail(&cx->env.err, PROBLEM_FORBIDDEN,
		    "An API key cannot do this. Log in."));
	return (err_fail(&cx->env.err, PROBLEM_FORBIDDEN,
	    "This needs the scope %s.", cx->ep->scope));
}

/* RFC 9470: the client is to prove anew who it is, and ask again. */
static enum res
step_up(struct ctx *cx)
{
	metric_add(METRIC_AUTH_DENIED, 1);
	reply_header(cx, "WWW-Authenticate",
	    arena_printf(cx->env.arena,
		"Bearer error=\"insufficient_user_authentication\", "
		"error_description=\"A fresh proof is needed\", "
		"max_age=\"%lld\"",
		(long long)setting_int(SETTING_STEP_UP_S)));
	return (err_fail(&cx->env.err, PROBLEM_STEP_UP_REQUIRED,
	    "Show %s once more at /v1/auth/second-factor%s, then repeat this.",
	    cx->who->has != 0 ? "the second factor" : "the password",
	    cx->who->has & FACTOR_PASSKEY ? " or /v1/auth/passkey/verify" :
					    ""));
}

/* What an unfinished log-in may do is to finish it. */
static enum res
check_stage(struct ctx *cx)
{
	const struct principal *who = cx->who;

	if (who->stage == STAGE_SECOND_FACTOR && !(cx->ep->flags & EP_UNPROVEN))
		return (err_fail(&cx->env.err, PROBLEM_SECOND_FACTOR_REQUIRED,
		    "Show the second factor at /v1/auth/second-factor or "
		    "/v1/auth/passkey/verify, then go on."));
	if (who->onetime && !(cx->ep->flags & EP_ONETIME))
		return (err_fail(&cx->env.err, PROBLEM_PASSWORD_CHANGE_REQUIRED,
		    "Change the one-time password at /v1/auth/password, then "
		    "go on."));
	if (who->stage == STAGE_ENROL && !(cx->ep->flags & EP_ENROL))
		return (err_fail(&cx->env.err, PROBLEM_ENROLMENT_REQUIRED,
		    "Set a second factor up first: an authenticator app at "
		    "/v1/me/totp or a passkey at /v1/me/passkeys."));
	return (RES_OK);
}

static bool
proof_is_fresh(const struct ctx *cx)
{
	int64_t age = cx->now_us - cx->who->proved_us;

	return (age < setting_int(SETTING_STEP_UP_S) * 1000000);
}

enum res
auth_allow(struct ctx *cx)
{
	if (cx->ep->auth == AUTH_PUBLIC)
		return (RES_OK);
	if (cx->who->key != NULL)
		apikey_used(cx->who, &cx->client, cx->now_us);
	if (cx->who->key != NULL && cx->ep->auth != AUTH_ANY)
		return (forbidden(cx));
	if (cx->who->key == NULL && check_stage(cx) != RES_OK)
		return (RES_ERR);
	if (!(cx->who->scopes & scope_bit(cx->ep->scope)))
		return (forbidden(cx));
	if ((cx->ep->flags & EP_STEP_UP) && !proof_is_fresh(cx))
		return (step_up(cx));
	return (RES_OK);
}
