/*
 * SQL of readiness.
 */
#include "ops/ops.h"

DB_STATEMENT(health_ping, DB_READ, "SELECT 1")

co_fn enum res
health_db_ping(struct env *env)
{
	struct db_rows *rows;

	return (db_exec(env, &health_ping, NULL, &rows));
}
