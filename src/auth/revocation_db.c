/*
 * SQL of the ends of sessions, as workers follow them.
 */
#include "auth/auth_priv.h"

DB_STATEMENT(session_ends, DB_READ,
    "SELECT horizon, xact, id, sessions_from"
    " FROM eleusis.session_ends($1, $2, $3, $4)")

co_fn enum res
revocation_db_read(struct env *env, const struct revocation_feed *feed,
    int32_t seconds, struct db_rows **rows)
{
	struct db_args a;

	db_args(&a, env);
	db_int8(&a, feed->xact);
	db_uuid(&a, &feed->id);
	db_int4(&a, seconds);
	db_int4(&a, REVOCATION_ROWS);
	return (db_exec(env, &session_ends, &a, rows));
}

/* One session ends for good, all sessions of a user up to an instant. */
bool
revocation_db_map(const struct db_rows *rows, int row,
    struct revocation_feed *feed, int64_t *from_us)
{
	feed->horizon = db_col_int8(rows, row, 0);
	if (db_is_null(rows, row, 2))
		return (false);
	feed->xact = db_col_int8(rows, row, 1);
	db_col_uuid(rows, row, 2, &feed->id);
	*from_us =
	    db_is_null(rows, row, 3) ? INT64_MAX : db_col_time(rows, row, 3);
	return (true);
}
