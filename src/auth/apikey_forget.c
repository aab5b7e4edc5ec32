/*
 * Making every worker forget what it believes of a key, at once.
 *
 * Admission believes the record under "k:<prefix>" in Redis while PostgreSQL
 * said so less than APIKEY_FRESH_S ago. A change puts a tombstone in its
 * place: a worker that finds one asks PostgreSQL and stores nothing, for it
 * stores with SET NX only. What could go wrong, and does not:
 *
 * - A worker reads the old row, and stores it after the change. The tombstone
 *   is there before the change is committed, so the record does not get in;
 *   and it stays for more than APIKEY_FRESH_S beyond the end of any request
 *   that might commit late, so what gets in after it is too old.
 * - The change is not committed after all: a tombstone tells no lie, it only
 *   costs a look into PostgreSQL.
 * - The worker dies between the commit and anything it would do after it: the
 *   tombstone of before stands.
 * - Redis forgets the tombstone before the commit (a restart), and a worker
 *   stores the old row: therefore a second tombstone after the commit, which
 *   replaces whatever is there. (Under an Idempotency-Key the commit comes
 *   after both; then such a record lives for APIKEY_FRESH_S at most.)
 *
 * When the second one cannot be set, a background coroutine goes on trying for
 * as long as a record could be believed, and whoever revoked is told so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth_priv.h"
#include "obs/obs.h"

#define RETRY_MS 250
#define LIMIT_MS 1000

_Static_assert(APIKEY_FRESH_S == 60, "APIKEY_TOMBSTONE_S follows it");

struct forget {
	char prefix[APIKEY_PREFIX_STRLEN + 1];
	int64_t until; /* time_mono_ms() */
};

static co_fn enum res
set_tombstone(struct env *env, const char *prefix)
{
	const char *argv[] = { "SET", arena_printf(env->arena, "k:%s", prefix),
		APIKEY_TOMBSTONE, "EX", APIKEY_TOMBSTONE_S };
	size_t len[NELEM(argv)];
	struct redisReply *r;

	for (unsigned i = 0; i < NELEM(argv); i++)
		len[i] = strlen(argv[i]);
	return (redis_command(env, NELEM(argv), argv, len, &r));
}

co_fn enum res
apikey_forget(struct ctx *cx, const char *prefix)
{
	return (set_tombstone(&cx->env, prefix));
}

static co_fn void
retry(void *arg)
{
	struct forget *f = arg;
	enum res res = RES_ERR;
	struct env env;

	while (res != RES_OK && time_mono_ms() < f->until) {
		env_init(&env, time_mono_ms() + LIMIT_MS);
		res = set_tombstone(&env, f->prefix);
		env_done(&env);
		if (res != RES_OK)
			co_sleep(RETRY_MS);
	}
	free(f);
}

void
apikey_forget_later(const char *prefix)
{
	struct forget *f = calloc(1, sizeof(*f));

	log_event(LOG_LEVEL_WARN, "apikey.forget",
	    "a changed API key may be believed for %d s: Redis is away",
	    APIKEY_FRESH_S);
	if (f == NULL)
		return;
	(void)snprintf(f->prefix, sizeof(f->prefix), "%s", prefix);
	f->until = time_mono_ms() + APIKEY_FRESH_S * 1000;
	/* Without it the record still ends by itself. */
	if (co_spawn("apikey-forget", retry, f) != RES_OK)
		free(f);
}
