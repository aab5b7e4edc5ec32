/*
 * eleusisctl user unlock: ends the back-off after an account's failed
 * log-ins. The counters are the server's, in Redis, under a keyed digest of
 * the account's name; script and keys are the server's own.
 */
#include <stdio.h>

#include "crypto/crypto.h"
#include "ctl/ctl.h"
#include "guard/guard.h"

static enum res
clear(const char *email)
{
	static const struct ctl_redis_words words = {
		"the counters could not be cleared", "nothing is changed"
	};
	const char *keys[LOCKOUT_CLEAR_KEYS];
	struct arena *arena;
	enum res res;

	arena = arena_new();
	lockout_clear_keys(arena, email, keys);
	res = ctl_redis_eval(&words, lockout_clear_lua, NELEM(keys), keys);
	arena_destroy(&arena);

	return (res);
}

enum res
ctl_lockout_clear(const char *email)
{
	char msg[512];
	enum res res;

	if (keyring_load(setting_str(SETTING_KEY_DIR), msg, sizeof(msg)) !=
	    RES_OK) {
		ctl_error("%s", msg);
		ctl_hint("key_dir must be the server's");
		return (RES_ERR);
	}
	res = clear(email);
	keyring_wipe();

	return (res);
}
