/*
 * Ends a user's sessions: they are the server's, in Redis, and know nothing
 * of what changes in the database. When that fails the change stands, so what
 * is said is a warning.
 */
#include <stdio.h>

#include "ctl/ctl.h"

/* KEYS: the set of a user's sessions, as src/auth/session.c keeps it. */
static const char end_script[] =
    "for _, k in ipairs(redis.call('SMEMBERS', KEYS[1])) do"
    " redis.call('DEL', k) end "
    "return redis.call('DEL', KEYS[1])";

enum res
ctl_sessions_end(const char *user_id)
{
	static const struct ctl_redis_words words = {
		"warning: the user's sessions could not be ended",
		"they may live on until they expire"
	};
	char key[UUID_STRLEN + 3];
	const char *const keys[] = { key };

	snprintf(key, sizeof(key), "u:%s", user_id);

	return (ctl_redis_eval(&words, end_script, NELEM(keys), keys));
}
