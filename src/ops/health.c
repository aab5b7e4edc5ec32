/*
 * GET /health/live and /health/ready. Live: the loop turns. Ready: the
 * database and Redis answer this worker, and it is not draining.
 */
#include "io/io.h"
#include "ops/ops.h"

static const struct field check_fields[] = {
	{ "postgresql", FIELD_ENUM, 0, 0, 0, "ok|down", NULL, "the database" },
	{ "redis", FIELD_ENUM, 0, 0, 0, "ok|down", NULL, "sessions, limits" },
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

co_fn enum res
health_ready(struct ctx *cx)
{
	bool db = db_ready(), redis = redis_ready();
	bool ok = db && redis && !loop_draining();
	struct json_out *o = json_out_new(cx->env.arena);

	json_obj(o);
	json_kstr(o, "status", ok ? "ok" : "unavailable");
	json_key(o, "checks");
	json_obj(o);
	json_kstr(o, "postgresql", db ? "ok" : "down");
	json_kstr(o, "redis", redis ? "ok" : "down");
	json_kbool(o, "draining", loop_draining());
	json_obj_end(o);
	json_obj_end(o);
	reply_json(cx, ok ? 200 : 503, o);
	return (RES_OK);
}
