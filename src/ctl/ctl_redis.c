/*
 * Redis for a command: one blocking connection with a short deadline, for one
 * script. What could not be done, and what to do about it, the caller words.
 */
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>

#include "ctl/ctl.h"

#define SECRET_MAX 512
#define TIMEOUT_S  2
#define KEYS_MAX   8

static enum res
warn(const struct ctl_redis_words *words, const char *why)
{
	ctl_error("%s: %s", words->failed, why);
	ctl_hint("%s; run this again when Redis can be reached (redis_host, "
		 "redis_port, redis_password_file)",
	    words->hint);

	return (RES_ERR);
}

static redisContext *
open_redis(const struct ctl_redis_words *words)
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
	(void)warn(words, rc != NULL ? rc->errstr : "out of memory");
	if (rc != NULL)
		redisFree(rc);

	return (NULL);
}

/* Takes a reply, and what it says. */
static enum res
done(const struct ctl_redis_words *words, const redisContext *rc,
    redisReply *reply)
{
	enum res res;

	if (reply == NULL)
		return (warn(words, rc->errstr));
	res =
	    reply->type == REDIS_REPLY_ERROR ? warn(words, reply->str) : RES_OK;
	freeReplyObject(reply);

	return (res);
}

static enum res
authenticate(const struct ctl_redis_words *words, redisContext *rc)
{
	const char *file;
	char *password;
	enum res res;

	file = setting_str(SETTING_REDIS_PASSWORD_FILE);
	if (*file == '\0')
		return (RES_OK);
	if (ctl_read_secret(file, SECRET_MAX, &password) != RES_OK)
		return (warn(words, "there is no password"));
	res = done(words, rc, redisCommand(rc, "AUTH %s", password));
	sodium_free(password);

	return (res);
}

static redisReply *
eval(redisContext *rc, const char *script, int nkeys, const char *const *keys)
{
	const char *argv[3 + KEYS_MAX];
	char count[16];
	int i;

	snprintf(count, sizeof(count), "%d", nkeys);
	argv[0] = "EVAL";
	argv[1] = script;
	argv[2] = count;
	for (i = 0; i < nkeys; i++)
		argv[3 + i] = keys[i];

	return (redisCommandArgv(rc, 3 + nkeys, argv, NULL));
}

enum res
ctl_redis_eval(const struct ctl_redis_words *words, const char *script,
    int nkeys, const char *const *keys)
{
	redisContext *rc;
	enum res res;

	if (nkeys > KEYS_MAX)
		return (warn(words, "too many keys"));
	/* A connection that breaks is an error, not the end of us. */
	signal(SIGPIPE, SIG_IGN);
	rc = open_redis(words);
	if (rc == NULL)
		return (RES_ERR);
	res = authenticate(words, rc);
	if (res == RES_OK)
		res = done(words, rc, eval(rc, script, nkeys, keys));
	redisFree(rc);

	return (res);
}
