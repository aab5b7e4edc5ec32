/*
 * The floor of the load test: a module with one route, which does what no
 * request can do without (one Redis script, one prepared SELECT by primary
 * key) over the same loop/ and io/ as the server, and nothing else: no
 * session, no decryption, no audit. It is loaded into a Kore of its own
 * (loadtest/floor.conf) and never into the server. Settings as the server's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kore/kore.h>
#include <kore/hooks.h>
#include <kore/http.h>

#include "io/io.h"
#include "obs/obs.h"

#define SECRET_MAX 512
#define KEYS       1024 /* of the script: as many clients */

int route_floor(struct http_request *);

DB_STATEMENT(
    floor_any, DB_READ, "SELECT id FROM eleusis.app_user ORDER BY id LIMIT 1")
DB_STATEMENT(
    floor_row, DB_READ, "SELECT name, role FROM eleusis.app_user WHERE id = $1")

/* A counter with an expiry, as every limiter has one. */
static struct redis_script counter = { "floor",
	"local n = redis.call('INCR', KEYS[1]) "
	"if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end "
	"return n",
	"", NULL };

static char db_password[SECRET_MAX], redis_password[SECRET_MAX];
static struct uuid row; /* of this worker's first request; nil before */

static void
secret_read(const char *path, char out[SECRET_MAX])
{
	FILE *f;

	if (*path == '\0')
		return;
	f = fopen(path, "r");
	if (f == NULL || fgets(out, SECRET_MAX, f) == NULL)
		fatal("cannot read %s", path);
	(void)fclose(f);
	out[strcspn(out, "\r\n")] = '\0';
}

/* As root and outside the chroot: files are read here. */
void
kore_parent_configure(int argc UNUSED, char **argv UNUSED)
{
	char msg[2000];

	if (settings_load(NULL, msg, sizeof(msg)) != RES_OK)
		fatal("%s", msg);
	secret_read(setting_str(SETTING_DB_PASSWORD_FILE), db_password);
	secret_read(setting_str(SETTING_REDIS_PASSWORD_FILE), redis_password);
	redis_register(&counter);
}

static void
connect_all(void)
{
	const struct db_config db = { .host = setting_str(SETTING_DB_HOST),
		.port = (int)setting_int(SETTING_DB_PORT),
		.name = setting_str(SETTING_DB_NAME),
		.user = setting_str(SETTING_DB_USER),
		.password = db_password,
		.sslmode = setting_str(SETTING_DB_SSLMODE),
		.nread = (int)setting_int(SETTING_DB_READ_CONNS),
		.nwrite = 1,
		.timeout_ms = (int)setting_int(SETTING_DB_TIMEOUT_MS) };
	const struct redis_config redis = { .host =
						setting_str(SETTING_REDIS_HOST),
		.port = (int)setting_int(SETTING_REDIS_PORT),
		.password = *redis_password != '\0' ? redis_password : NULL,
		.timeout_ms = (int)setting_int(SETTING_REDIS_TIMEOUT_MS) };

	db_init(&db);
	redis_init(&redis);
}

void
kore_worker_configure(void)
{
	timer_init();
	co_init((size_t)setting_int(SETTING_COROUTINE_STACK_KB) * 1024,
	    (unsigned)setting_int(SETTING_COROUTINES_MAX));
	pool_init(1, (unsigned)setting_int(SETTING_POOL_QUEUE));
	drain_init(setting_int(SETTING_DRAIN_TIMEOUT_MS));
	connect_all();
}

static co_fn enum res
count(struct env *env)
{
	static unsigned next;
	char key[32];
	const char *argv[] = { key, "60000" };
	size_t len[] = { 0, 5 };
	struct redisReply *reply;

	(void)snprintf(key, sizeof(key), "bench:floor:%u", next++ % KEYS);
	len[0] = strlen(key);
	return (redis_eval(env, &counter, 1, 2, argv, len, &reply));
}

static co_fn enum res
find_row(struct env *env)
{
	struct db_args args;
	struct db_rows *rows;

	db_args(&args, env);
	if (db_exec(env, &floor_any, &args, &rows) != RES_OK)
		return (RES_ERR);
	if (db_count(rows) != 1)
		return (err_fail(&env->err, PROBLEM_NOT_FOUND, "No user yet."));
	db_col_uuid(rows, 0, 0, &row);
	return (RES_OK);
}

static co_fn enum res
select_row(struct env *env, const char **name)
{
	struct db_args args;
	struct db_rows *rows;

	if (uuid_is_nil(&row) && find_row(env) != RES_OK)
		return (RES_ERR);
	db_args(&args, env);
	db_uuid(&args, &row);
	if (db_exec(env, &floor_row, &args, &rows) != RES_OK)
		return (RES_ERR);
	if (db_count(rows) != 1)
		return (err_fail(&env->err, PROBLEM_NOT_FOUND, "No such row."));
	*name = db_col_text(rows, 0, 0);
	return (RES_OK);
}

static co_fn void
floor_run(struct http_request *req)
{
	struct env env;
	const char *name = "";
	int status = 200;

	env_init(
	    &env, time_mono_ms() + setting_int(SETTING_REQUEST_TIMEOUT_MS));
	if (count(&env) != RES_OK || select_row(&env, &name) != RES_OK) {
		status = problem_row(env.err.problem)->status;
		name = env.err.detail;
	}
	if (request_alive(req))
		http_response(req, status, name, strlen(name));
	env_done(&env);
}

int
route_floor(struct http_request *req)
{
	return (request_run(req, floor_run));
}
