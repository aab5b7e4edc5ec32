/*
 * A token against its provider's keys: the key is looked for, the signature is
 * checked on the thread pool, and only then is read what the token says.
 */
#include <sodium.h>
#include <stdlib.h>

#include "oidc/oidc_priv.h"

#define CLAIMS_DEPTH 10

static enum oidc_reason
read_claims(struct arena *arena, const struct jwt_job *job, struct jwt *jwt)
{
	struct err err = { .problem = PROBLEM_UNSET };
	struct jval *v;

	if (job->claims == NULL)
		return (OIDC_BAD_SIGNATURE);
	if (json_parse(arena, job->claims, job->claims_len, CLAIMS_DEPTH, &v,
		&err) != RES_OK ||
	    v->type != J_OBJ)
		return (OIDC_BAD_TOKEN);
	jwt->claims = v;
	return (OIDC_OK);
}

co_fn enum oidc_reason
jwt_verify(struct ctx *cx, struct provider *p, struct jwt *jwt)
{
	struct jwt_job job = { .token = jwt->text, .token_len = jwt->len };
	enum oidc_reason reason;

	if ((job.key = discovery_key(cx, p, jwt)) == NULL)
		return (OIDC_UNKNOWN_KEY);
	if (pool_run(&cx->env, jwt_verify_job, &job) != RES_OK) {
		err_clear(&cx->env.err);
		return (OIDC_DISCOVERY);
	}
	reason = read_claims(cx->env.arena, &job, jwt);
	if (job.claims != NULL) {
		sodium_memzero(job.claims, job.claims_len);
		free(job.claims);
	}
	return (reason);
}
