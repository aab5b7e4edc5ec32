/*
 * When ARGON2_OPS or ARGON2_MEM_KIB have changed, a password's hash is made
 * anew the next time that its owner logs in: only then is the password known.
 * It happens after the reply, on a coroutine of its own, so that a log-in
 * takes no longer for it. Should it fail, the next log-in tries again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "audit/audit.h"
#include "auth/auth_priv.h"
#include "obs/obs.h"

#define LIMIT_MS 30000

/* Owns its env, whose arena is wiped: the password is in it. */
struct rehash {
	struct env env;
	struct uuid user, request;
	const char *old;
	struct password_job job;
};

static void
rehash_event(const struct rehash *r, struct audit_event *ev)
{
	memset(ev, 0, sizeof(*ev));
	uuid_v7(&ev->id);
	ev->at_us = time_now_us();
	ev->action = "user.password_rehash";
	ev->outcome = AUDIT_ALLOWED;
	ev->actor_kind = "system";
	ev->request_id = r->request;
	audit_object(ev, "user", &r->user);
}

static co_fn enum res
rehash(struct rehash *r)
{
	struct audit_event ev;
	bool held;

	metric_add(METRIC_POOL_JOBS, 1);
	if (pool_run(&r->env, password_rehash_job, &r->job) != RES_OK)
		return (RES_ERR);
	if (!r->job.ok) {
		err_private(
		    &r->env.err, "no memory, or a salt of another size");
		return (RES_ERR);
	}
	rehash_event(r, &ev);
	return (password_db_rehash(
	    &r->env, &ev, &r->user, r->old, r->job.hash, &held));
}

static void
destroy(struct rehash *r)
{
	env_done(&r->env);
	sodium_memzero(r, sizeof(*r));
	free(r);
}

static co_fn void
run(void *arg)
{
	struct rehash *r = arg;

	if (rehash(r) != RES_OK)
		log_event(LOG_LEVEL_WARN, "password.rehash",
		    "a password keeps its outdated hash for now: %s",
		    r->env.err.private);
	destroy(r);
}

void
password_rehash_later(
    struct ctx *cx, const struct attempt *at, const char *password)
{
	struct rehash *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return;
	env_init(&r->env, time_mono_ms() + LIMIT_MS);
	r->user = at->user.id;
	r->request = cx->request_id;
	r->old = arena_strdup(r->env.arena, at->user.password_hash);
	r->job.password = arena_strdup(r->env.arena, password);
	(void)snprintf(r->job.hash, sizeof(r->job.hash), "%s", r->old);
	if (co_spawn("rehash", run, r) != RES_OK)
		destroy(r);
}
