/*
 * Making every worker forget what it believes of a user whose account has
 * changed.
 *
 * Her sessions are over with the change itself: see revocation.c. Her API keys
 * are believed for APIKEY_FRESH_S: they get tombstones before the change and
 * after it, for the reasons in apikey_forget.c. A key that is made in between
 * waits for the account's row, and is among those of after it.
 *
 * When Redis fails after the change, a background coroutine goes on trying for
 * as long as a key could be believed, and the administrator is told so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth_priv.h"
#include "obs/obs.h"

#define PREFIXES_MAX 256 /* more than a user can have in force */
#define RETRY_MS     250
#define LIMIT_MS     1000
#define RETRY_FOR_MS (APIKEY_FRESH_S * INT64_C(1000))

/* KEYS: of API keys; ARGV: the tombstone and its life in seconds. */
static struct redis_script keys_forget_script = { "keys_forget_script",
	"for i = 1, #KEYS do"
	" redis.call('SET', KEYS[i], ARGV[1], 'EX', ARGV[2]) end return 1",
	"", NULL };
__attribute__((constructor)) static void
keys_forget_script_register(void)
{
	redis_register(&keys_forget_script);
}

/* What is to be tried again without the request. */
struct ending {
	int64_t until; /* time_mono_ms() */
	char prefixes[PREFIXES_MAX * (APIKEY_PREFIX_STRLEN + 1) + 1];
};

static co_fn enum res
run(struct env *env, const char *prefixes)
{
	const char *argv[PREFIXES_MAX + 2];
	size_t len[PREFIXES_MAX + 2], size;
	struct redisReply *r;
	int n = 0, nkeys;

	while (*prefixes != '\0' && n < PREFIXES_MAX) {
		size = strcspn(prefixes, " ");
		argv[n++] =
		    arena_printf(env->arena, "k:%.*s", (int)size, prefixes);
		prefixes += size + (prefixes[size] == ' ');
	}
	if (n == 0)
		return (RES_OK);
	nkeys = n;
	argv[n++] = APIKEY_TOMBSTONE;
	argv[n++] = APIKEY_TOMBSTONE_S;
	for (int i = 0; i < n; i++)
		len[i] = strlen(argv[i]);
	return (redis_eval(env, &keys_forget_script, nkeys, n, argv, len, &r));
}

co_fn enum res
user_keys_forget(struct ctx *cx, const char *prefixes)
{
	return (run(&cx->env, prefixes));
}

static co_fn void
retry(void *arg)
{
	struct ending *e = arg;
	enum res res = RES_ERR;
	struct env env;

	while (res != RES_OK && time_mono_ms() < e->until) {
		env_init(&env, time_mono_ms() + LIMIT_MS);
		res = run(&env, e->prefixes);
		env_done(&env);
		if (res != RES_OK)
			co_sleep(RETRY_MS);
	}
	free(e);
}

static void
forget_later(const char *prefixes)
{
	struct ending *e = calloc(1, sizeof(*e));

	log_event(LOG_LEVEL_WARN, "user.end",
	    "API keys of a changed account may be believed for %d s: Redis is "
	    "away",
	    APIKEY_FRESH_S);
	if (e == NULL)
		return;
	e->until = time_mono_ms() + RETRY_FOR_MS;
	(void)snprintf(e->prefixes, sizeof(e->prefixes), "%s", prefixes);
	/* Without it the records still end by themselves. */
	if (co_spawn("user-end", retry, e) != RES_OK)
		free(e);
}

/* The change is made and recorded; it must not look as if it were not. */
co_fn enum res
user_end(struct ctx *cx, const struct uuid *user, const char *prefixes)
{
	struct err why;

	sessions_forget(cx, user);
	if (user_keys_forget(cx, prefixes) == RES_OK)
		return (RES_OK);
	why = cx->env.err;
	forget_later(prefixes);
	err_clear(&cx->env.err);
	err_private(&cx->env.err, "%s", why.private);
	return (err_fail(&cx->env.err, PROBLEM_UNAVAILABLE,
	    "The change is made, and the sessions of the account are over; its "
	    "API keys may be believed as before for at most %d seconds: Redis "
	    "is away.",
	    APIKEY_FRESH_S));
}
