/*
 * eleusisctl sessions end, and the ends of a user's sessions that other changes
 * bring: PostgreSQL has them, and every server follows within a second. Redis
 * is told too, so that it is at once; when it cannot be, the end stands.
 */
#include <stdio.h>
#include <unistd.h>

#include "ctl/ctl.h"

static const struct ctl_redis_words words = {
	"warning: Redis could not be told to forget the sessions",
	"the servers refuse them within a second all the same"
};

/* KEYS: the set of a user's sessions, as src/auth/session.c keeps it. */
static const char user_script[] =
    "for _, k in ipairs(redis.call('SMEMBERS', KEYS[1])) do"
    " redis.call('DEL', k) end "
    "return redis.call('DEL', KEYS[1])";

static const char all_script[] =
    "local c = '0' repeat"
    " local r = redis.call('SCAN', c, 'MATCH', 's:*', 'COUNT', 1000)"
    " for _, k in ipairs(r[2]) do redis.call('DEL', k) end"
    " c = r[1] until c == '0' return 1";

enum res
ctl_sessions_end(const char *user_id)
{
	char key[UUID_STRLEN + 3];
	const char *const keys[] = { key };

	snprintf(key, sizeof(key), "u:%s", user_id);

	return (ctl_redis_eval(&words, user_script, NELEM(keys), keys));
}

static enum ctl_exit
told(enum res res)
{
	return (res == RES_OK ? CTL_DONE : CTL_SESSIONS_REMAIN);
}

static enum ctl_exit
end_of_user(PGconn *pg, const char *name)
{
	char email[CTL_EMAIL_MAX + 1], id[UUID_STRLEN + 1];

	if (ctl_email(name, email) != RES_OK)
		return (CTL_USAGE);
	if (ctl_user_id(pg, email, id) != RES_OK ||
	    ctl_user_end_sessions(pg, email) != RES_OK)
		return (CTL_FAILED);
	printf("%s: all sessions have ended\n", email);

	return (told(ctl_sessions_end(id)));
}

static enum ctl_exit
end_of_all(PGconn *pg)
{
	int users;

	if (ctl_users_end_sessions(pg, &users) != RES_OK)
		return (CTL_FAILED);
	printf("all sessions of %d users have ended\n", users);

	return (told(ctl_redis_eval(&words, all_script, 0, NULL)));
}

enum ctl_exit
ctl_sessions_end_command(const struct ctl_args *args)
{
	const char *user = ctl_value(args, "user");
	bool all = ctl_value(args, "all") != NULL;
	enum ctl_exit code;
	PGconn *pg;

	if ((user != NULL) == all) {
		ctl_error("whose sessions?");
		ctl_hint("--user EMAIL, or --all for everybody's");
		return (CTL_USAGE);
	}
	pg = ctl_connect();
	if (pg == NULL)
		return (CTL_FAILED);
	code = all ? end_of_all(pg) : end_of_user(pg, user);
	PQfinish(pg);

	return (code);
}
