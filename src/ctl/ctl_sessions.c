/*
 * Ends a user's sessions: they are the server's, in Redis, and know nothing
 * of what changes in the database. One blocking connection with a short
 * deadline; when it fails the change stands, so what is said is a warning.
 */
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>

#include "ctl/ctl.h"

#define SECRET_MAX 512
#define TIMEOUT_S  2

/* KEYS: the set of a user's sessions, as src/auth/session.c keeps it. */
static const char end_script[] =
    "for _, k in ipairs(redis.call('SMEMBERS', KEYS[1])) do"
    " redis.call('DEL', k) end "
    "return redis.call('DEL', KEYS[1])";

static enum res
warn(const char *why)
{
	ctl_error("warning: the user's sessions could not be ended: %s", why);
	ctl_hint("they may live on until they expire; run this again when "
		 "Redis can be reached (redis_host, redis_port, "
		 "redis_password_file)");

	return (RES_ERR);
}

static redisContext *
open_redis(void)
{
	const struct timeval limit = { .tv_sec = TIMEOUT_S };
	const char *host;
	redisContext *rc;

	host = setting_str(SETTING_REDIS_HOST);
	if (host[0] == '/')
		rc = redisConnectUnixWithTimeout(host, limit);
	else
		rc = redisConnectWithTimeout(
		    host, (int)setting_int(SETTING_REDIS_PORT), limit);
	if (rc != NULL && rc->err == 0 &&
	    redisSetTimeout(rc, limit) == REDIS_OK)
		return (rc);
	(void)warn(rc != NULL ? rc->errstr : "out of memory");
	if (rc != NULL)
		redisFree(rc);

	return (NULL);
}

/* Takes a reply, and what it says. */
static enum res
done(const redisContext *rc, redisReply *reply)
{
	enum res res;

	if (reply == NULL)
		return (warn(rc->errstr));
	res = reply->type == REDIS_REPLY_ERROR ? warn(reply->str) : RES_OK;
	freeReplyObject(reply);

	return (res);
}

static enum res
authenticate(redisContext *rc)
{
	const char *file;
	char *password;
	enum res res;

	file = setting_str(SETTING_REDIS_PASSWORD_FILE);
	if (*file == '\0')
		return (RES_OK);
	if (ctl_read_secret(file, SECRET_MAX, &password) != RES_OK)
		return (warn("there is no password"));
	res = done(rc, redisCommand(rc, "AUTH %s", password));
	sodium_free(password);

	return (res);
}

enum res
ctl_sessions_end(const char *user_id)
{
	redisContext *rc;
	enum res res;

	/* A connection that breaks is an error, not the end of us. */
	signal(SIGPIPE, SIG_IGN);
	rc = open_redis();
	if (rc == NULL)
		return (RES_ERR);
	res = authenticate(rc);
	if (res == RES_OK)
		res = done(rc,
		    redisCommand(rc, "EVAL %s 1 u:%s", end_script, user_id));
	redisFree(rc);

	return (res);
}
