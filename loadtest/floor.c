/*
 * The floor of the load test: a Kore module whose one route does the least
 * that a request of the API cannot do without, one Redis script and one
 * prepared primary-key SELECT, with no session, limit, decryption or audit.
 * Run by `./dev bench` as a server of its own (floor.conf), on the same
 * PostgreSQL and Redis. Never part of the server.
 */
#include <stdlib.h>

#include <sodium.h>

#include <kore/kore.h>
#include <kore/hooks.h>
#include <kore/http.h>

#include "io/io.h"

DB_STATEMENT(sql_user, DB_READ,
    "SELECT id, name, role FROM eleusis.app_user WHERE id = $1")

static struct redis_script script_count = { "floor_count",
	"return redis.call('INCR', KEYS[1])", "", NULL };
static struct uuid user;

int floor_route(struct http_request *);

static co_fn enum res
answer(struct env *env, struct buf *out)
{
	const char *argv[] = { "floor" };
	size_t len[] = { 5 };
	struct redisReply *reply;
	struct db_args args;
	struct db_rows *rows;

	if (redis_eval(env, &script_count, 1, 1, argv, len, &reply) != RES_OK)
		return (RES_ERR);
	db_args(&args, env);
	db_uuid(&args, &user);
	if (db_exec(env, &sql_user, &args, &rows) != RES_OK)
		return (RES_ERR);
	if (db_count(rows) != 1)
		return (err_fail(&env->err, PROBLEM_INTERNAL, "no such user"));
	buf_printf(out, "{\"name\":\"%s\"}", db_col_text(rows, 0, 1));
	return (RES_OK);
}

static co_fn void
run(struct http_request *req)
{
	struct env env;
	struct buf out;
	int status = 200;

	env_init(&env, time_mono_ms() + 5000);
	buf_init(&out, env.arena, 256);
	if (answer(&env, &out) != RES_OK) {
		status = problem_row(env.err.problem)->status;
		buf_puts(&out, env.err.private);
	}
	if (request_alive(req))
		http_response(req, status, out.data, out.len);
	env_done(&env);
}

int
floor_route(struct http_request *req)
{
	return (request_run(req, run));
}

void
kore_parent_configure(int argc UNUSED, char **argv UNUSED)
{
	char msg[2000];
	const char *id = getenv("FLOOR_USER");

	if (sodium_init() == -1 ||
	    settings_load(NULL, msg, sizeof(msg)) != RES_OK ||
	    io_load_secrets(msg, sizeof(msg)) != RES_OK)
		fatal("%s", msg);
	if (id == NULL || uuid_parse(id, &user) != RES_OK)
		fatal("FLOOR_USER: the id of a user");
	redis_register(&script_count);
}

void
kore_worker_configure(void)
{
	setenv("HOME", "/", 1);
	timer_init();
	co_init((size_t)setting_int(SETTING_COROUTINE_STACK_KB) * 1024,
	    (unsigned)setting_int(SETTING_COROUTINES_MAX));
	pool_init(1, 4);
	drain_init(setting_int(SETTING_DRAIN_TIMEOUT_MS));
	io_connect();
}
