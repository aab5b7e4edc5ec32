/*
 * The gauge of emergencies that nobody has reviewed: counted once a minute, by
 * one worker, over an index that holds just those.
 */
#include "obs/obs.h"
#include "records/records_priv.h"

#define TURN_MS 60000

static co_fn void
count(void)
{
	int64_t unreviewed;
	struct env env;

	env_init(&env, DEADLINE_NONE); /* the statement has its own */
	if (break_glass_db_count(&env, &unreviewed) == RES_OK)
		metric_set(METRIC_BREAK_GLASS_UNREVIEWED, unreviewed);
	env_done(&env);
}

static co_fn void
watcher(void *arg UNUSED)
{
	for (;;) {
		count();
		co_sleep(TURN_MS);
	}
}

enum res
break_glass_watch(void)
{
	return (co_spawn("break-glass", watcher, NULL));
}
