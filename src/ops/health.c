/*
 * GET /health/live and /health/ready. Live: the loop turns. Ready: the
 * database and Redis answer this worker, it knows the network rules, and it
 * is not draining.
 */
#include "auth/auth.h"
#include "guard/guard.h"
#include "io/io.h"
#include "ops/ops.h"

static const struct field check_fields[] = {
	{ "postgresql", FIELD_ENUM, 0, 0, 0, "ok|down", NULL, "the database" },
	{ "redis", FIELD_ENUM, 0, 0, 0, "ok|down", NULL, "sessions, limits" },
	{ "network_rules", FIELD_ENUM, 0, 0, 0, "ok|unread", NULL,
	    "whether this worker has read them" },
	{ "session_ends", FIELD_ENUM, 0, 0, 0, "ok|unread", NULL,
	    "likewise: which sessions were ended" },
	{ "draining", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL,
	    "true while shutting down" },
};
static const struct schema schema_checks = { "HealthChecks",
	"What readiness depends on.", check_fields, NELEM(check_fields) };

static const struct field health_fields[] = {
	{ "status", FIELD_ENUM, F_REQUIRED, 0, 0, "ok|unavailable", NULL,
	    "the sum of the checks" },
	{ "checks", FIELD_OBJECT, 0, 0, 0, NULL, &schema_checks,
	    "readiness only" },
};
const struct schema schema_health = { "Health", "The state of a worker.",
	health_fields, NELEM(health_fields) };

co_fn enum res
health_live(struct ctx *cx)
{
	static const char body[] = "{\"status\":\"ok\"}";

	reply_text(cx, 200, "application/json", body, sizeof(body) - 1);
	return (RES_OK);
}

#define PING_MS 1000

/* Round trips, for a connection that is up may lead to a server that hangs. */
static co_fn bool
postgresql_answers(struct ctx *cx)
{
	bool ok;

	cx->env.deadline = time_mono_ms() + PING_MS;
	ok = db_ready() && health_db_ping(&cx->env) == RES_OK;
	err_clear(&cx->env.err);
	return (ok);
}

static co_fn bool
redis_answers(struct ctx *cx)
{
	const char *argv[] = { "PING" };
	const size_t len[] = { 4 };
	struct redisReply *reply;
	bool ok;

	cx->env.deadline = time_mono_ms() + PING_MS;
	ok = redis_ready() &&
	     redis_command(&cx->env, 1, argv, len, &reply) == RES_OK;
	err_clear(&cx->env.err);
	return (ok);
}

co_fn enum res
health_ready(struct ctx *cx)
{
	bool db = postgresql_answers(cx), redis = redis_answers(cx);
	bool rules = guard_network_ready(), ends = revocations_ready();
	bool ok = db && redis && rules && ends && !loop_draining();
	struct json_out *o = json_out_new(cx->env.arena);

	json_obj(o);
	json_kstr(o, "status", ok ? "ok" : "unavailable");
	json_key(o, "checks");
	json_obj(o);
	json_kstr(o, "postgresql", db ? "ok" : "down");
	json_kstr(o, "redis", redis ? "ok" : "down");
	json_kstr(o, "network_rules", rules ? "ok" : "unread");
	json_kstr(o, "session_ends", ends ? "ok" : "unread");
	json_kbool(o, "draining", loop_draining());
	json_obj_end(o);
	json_obj_end(o);
	reply_json(cx, ok ? 200 : 503, o);
	return (RES_OK);
}
