/*
 * GET /metrics: Prometheus text, summed over the workers. Open to loopback;
 * from elsewhere, and from a trusted proxy on the same host, only with the
 * bearer token of METRICS_TOKEN_FILE.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "crypto/crypto.h"
#include "io/io.h"
#include "obs/obs.h"
#include "ops/ops.h"

static uint8_t token_hashed[TOKEN_HASH_BYTES];
static bool token_set;

static void
hash(const char *s, size_t len, uint8_t out[TOKEN_HASH_BYTES])
{
	sha256(s, len, out);
}

enum res
ops_init(char *msg, size_t msglen)
{
	const char *path = setting_str(SETTING_METRICS_TOKEN_FILE);
	char line[256];
	FILE *f;

	if (*path == '\0')
		return (RES_OK);
	if ((f = fopen(path, "re")) == NULL ||
	    fgets(line, sizeof(line), f) == NULL) {
		(void)snprintf(
		    msg, msglen, "metrics_token_file %s cannot be read", path);
		if (f != NULL)
			fclose(f);
		return (RES_ERR);
	}
	fclose(f);
	hash(line, strcspn(line, "\r\n"), token_hashed);
	token_set = true;
	sodium_memzero(line, sizeof(line));
	return (RES_OK);
}

static bool
allowed(struct ctx *cx)
{
	const char *h = ctx_header(cx, "authorization");
	uint8_t got[TOKEN_HASH_BYTES];

	if (ctx_direct_loopback(cx))
		return (true);
	if (!token_set || h == NULL || strncasecmp(h, "bearer ", 7) != 0)
		return (false);
	hash(h + 7, strlen(h + 7), got);
	return (sodium_memcmp(got, token_hashed, sizeof(got)) == 0);
}

co_fn enum res
metrics_get(struct ctx *cx)
{
	struct buf b;

	if (!allowed(cx))
		return (err_fail(&cx->env.err, PROBLEM_UNAUTHENTICATED,
		    "Metrics are for loopback, or for bearers of the metrics "
		    "token."));
	ops_gauges();
	buf_init(&b, cx->env.arena, 65536);
	metrics_render(&b);
	reply_text(
	    cx, 200, "text/plain; version=0.0.4; charset=utf-8", b.data, b.len);
	return (RES_OK);
}

co_fn enum res
openapi_get(struct ctx *cx)
{
	size_t len;
	const char *doc = openapi_document(&len);

	reply_text(cx, 200, "application/json", doc, len);
	return (RES_OK);
}

void
ops_gauges(void)
{
	struct db_stats db;
	struct redis_stats redis;

	db_stats(&db);
	redis_stats(&redis);
	metric_set(METRIC_COROUTINES, co_live());
	metric_set(METRIC_POOL_QUEUE, pool_queued());
	metric_set(METRIC_DB_READS_READY, db.reads_ready);
	metric_set(METRIC_DB_WRITES_READY, db.writes_ready);
	metric_set(METRIC_DB_IN_FLIGHT, db.in_flight);
	metric_set(METRIC_DB_WAITING, db.waiting);
	metric_track(METRIC_DB_STATEMENTS, db.statements);
	metric_track(METRIC_DB_FAILURES, db.failures);
	metric_track(METRIC_DB_TIMEOUTS, db.timeouts);
	metric_track(METRIC_DB_CONNECTS, db.connects);
	metric_track(METRIC_DB_LOSSES, db.losses);
	metric_set(METRIC_REDIS_IN_FLIGHT, redis.in_flight);
	metric_track(METRIC_REDIS_COMMANDS, redis.commands);
	metric_track(METRIC_REDIS_FAILURES, redis.failures);
	metric_track(METRIC_REDIS_TIMEOUTS, redis.timeouts);
	metric_track(METRIC_REDIS_CONNECTS, redis.connects);
	metric_track(METRIC_REDIS_LOSSES, redis.losses);
	metric_track(METRIC_COROUTINE_ORPHANS, request_orphans());
	metric_track(METRIC_COROUTINE_REFUSED, request_refused());
}
