/*
 * The one place where a coroutine waits: for a signal or for a deadline,
 * whichever comes first. Also the env that a coroutine's calls share.
 */
#include <string.h>

#include "loop/loop_priv.h"

void
env_init(struct env *env, int64_t deadline)
{
	memset(env, 0, sizeof(*env));
	env->arena = arena_new();
	env->deadline = deadline;
	err_clear(&env->err);
}

void
env_done(struct env *env)
{
	arena_destroy(&env->arena);
}

void
wait_init(struct wait *w)
{
	memset(w, 0, sizeof(*w));
}

static void
wait_expire(void *arg)
{
	struct wait *w = arg;

	w->expired = true;
	if (w->co != NULL)
		co_ready(w->co);
}

co_fn enum res
wait_for(struct wait *w, int64_t deadline)
{
	if (w->signalled)
		return (RES_OK);
	if (deadline != DEADLINE_NONE) {
		if (deadline <= time_mono_ms())
			return (RES_ERR);
		timer_set(&w->timer, deadline, wait_expire, w);
	}
	w->co = co_self();
	w->expired = false;
	while (!w->signalled && !w->expired)
		co_suspend();
	timer_cancel(&w->timer);
	w->co = NULL;
	return (w->signalled ? RES_OK : RES_ERR);
}

void
wait_signal(struct wait *w)
{
	w->signalled = true;
	if (w->co != NULL)
		co_ready(w->co);
}
