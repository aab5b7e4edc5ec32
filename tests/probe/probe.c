/*
 * A module for the tests of the request runtime: one route per mechanism of
 * loop/ and io/, run by a Kore of its own (probe.conf) with the sandbox on.
 * Never part of the server.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <kore/kore.h>
#include <kore/hooks.h>
#include <kore/http.h>

#include "crypto/crypto.h"
#include "io/io.h"
#include "obs/obs.h"

#define PROBE(name)                                             \
	static co_fn enum res do_##name(                        \
	    struct env *, struct http_request *, struct buf *); \
	static void start_##name(struct http_request *req)      \
	{                                                       \
		run(req, do_##name);                            \
	}                                                       \
	int probe_##name(struct http_request *);                \
	int probe_##name(struct http_request *req)              \
	{                                                       \
		return (request_run(req, start_##name));        \
	}                                                       \
	static co_fn enum res do_##name(struct env *env UNUSED, \
	    struct http_request *req UNUSED, struct buf *out UNUSED)

DB_STATEMENT(sql_sleep, DB_READ, "SELECT pg_sleep($1)::text")
DB_STATEMENT(sql_xid, DB_WRITE, "SELECT txid_current()::text")
DB_STATEMENT(sql_fail, DB_READ, "SELECT (1 / ($1::int4))::text")

static struct redis_script script_echo = { "echo", "return {KEYS[1], ARGV[1]}",
	"", NULL };

/* The value of ?name=, as a number. */
static double
arg(struct http_request *req, const char *name, double def)
{
	const char *p = req->query_string;
	size_t n = strlen(name);

	while (p != NULL) {
		if (strncmp(p, name, n) == 0 && p[n] == '=')
			return (strtod(p + n + 1, NULL));
		if ((p = strchr(p, '&')) != NULL)
			p++;
	}
	return (def);
}

static co_fn void
run(struct http_request *req,
    enum res (*fn)(struct env *, struct http_request *, struct buf *))
{
	struct env env;
	struct buf out;
	int status = 200;

	env_init(&env, time_mono_ms() + 5000);
	buf_init(&out, env.arena, 256);
	if (fn(&env, req, &out) != RES_OK) {
		status = problem_row(env.err.problem)->status;
		buf_printf(&out, "%s: %s", env.err.detail, env.err.private);
	}
	if (request_alive(req))
		http_response(req, status, out.data, out.len);
	env_done(&env);
}

/* Answers after ?ms=: for clients that leave meanwhile. */
PROBE(sleep)
{
	co_sleep((int64_t)arg(req, "ms", 100));
	buf_puts(out, "slept");
	return (RES_OK);
}

static void
hash_job(void *p)
{
	password_hash_job(p);
}

PROBE(pool)
{
	struct password_job *job = arena_alloc(env->arena, sizeof(*job));

	job->password = "correct horse battery staple";
	job->ops = 1;
	job->mem_bytes = 64 * 1024 * 1024;
	env->deadline = time_mono_ms() + (int64_t)arg(req, "ms", 5000);
	if (pool_run(env, hash_job, job) != RES_OK)
		return (RES_ERR);
	buf_puts(out, job->ok ? "hashed" : "no memory");
	return (RES_OK);
}

/* pg_sleep(?s=) under a deadline of ?ms=. */
PROBE(db)
{
	struct db_args a;
	struct db_rows *r;

	env->deadline = time_mono_ms() + (int64_t)arg(req, "ms", 5000);
	db_args(&a, env);
	db_float8(&a, arg(req, "s", 0));
	if (db_exec(env, &sql_sleep, &a, &r) != RES_OK)
		return (RES_ERR);
	buf_printf(out, "rows %d", db_count(r));
	return (RES_OK);
}

/* A failing statement between two good ones on the same pipeline. */
PROBE(isolation)
{
	struct db_args a;
	struct db_op *op[3];
	struct db_rows *r;
	int good = 0, bad = 0;

	for (int i = 0; i < 3; i++) {
		db_args(&a, env);
		db_int4(&a, i == 1 ? 0 : 1);
		if (db_start(env, &sql_fail, &a, &op[i]) != RES_OK)
			return (RES_ERR);
	}
	for (int i = 0; i < 3; i++) {
		err_clear(&env->err);
		if (db_wait(env, op[i], &r) == RES_OK)
			good++;
		else if (strcmp(db_sqlstate(env), "22012") == 0)
			bad++;
	}
	err_clear(&env->err);
	buf_printf(out, "good %d bad %d", good, bad);
	return (RES_OK);
}

static co_fn enum res
xid(struct env *env, struct db_tx *tx, const char **id)
{
	struct db_rows *r;

	if ((tx != NULL ? db_tx_exec(env, tx, &sql_xid, NULL, &r) :
			  db_exec(env, &sql_xid, NULL, &r)) != RES_OK)
		return (RES_ERR);
	*id = db_col_text(r, 0, 0);
	return (RES_OK);
}

/* Two statements of a transaction share its id; others have their own. */
PROBE(tx)
{
	struct db_tx *tx;
	const char *first, *second, *outside;

	if (db_begin(env, &tx) != RES_OK || xid(env, tx, &first) != RES_OK)
		return (RES_ERR);
	co_sleep((int64_t)arg(req, "ms", 0));
	if (xid(env, tx, &second) != RES_OK)
		return (RES_ERR);
	if (arg(req, "leave", 0) > 0) {
		buf_puts(out, "left open"); /* the arena cleans up */
		return (RES_OK);
	}
	if (db_commit(env, tx) != RES_OK || xid(env, NULL, &outside) != RES_OK)
		return (RES_ERR);
	buf_printf(out, "%s %s", strcmp(first, second) == 0 ? "same" : "split",
	    strcmp(first, outside) != 0 ? "apart" : "shared");
	return (RES_OK);
}

PROBE(redis)
{
	const char *argv[] = { "key", "value" };
	size_t len[] = { 3, 5 };
	struct redisReply *r;

	if (redis_eval(env, &script_echo, 1, 2, argv, len, &r) != RES_OK)
		return (RES_ERR);
	buf_puts(out, "echoed");
	return (RES_OK);
}

/* A redis command that takes ?ms= in the server. */
PROBE(redis_slow)
{
	const char *argv[] = { "BLPOP", "probe:none", "2" };
	size_t len[] = { 5, 10, 1 };
	struct redisReply *r;

	env->deadline = time_mono_ms() + (int64_t)arg(req, "ms", 100);
	return (redis_command(env, 3, argv, len, &r));
}

/* GET http://127.0.0.1:?port=/ within ?ms=. */
PROBE(fetch)
{
	struct fetch_request f = { .method = "GET", .reply_max = 65536 };
	struct fetch_reply reply;

	f.url = arena_printf(
	    env->arena, "http://127.0.0.1:%d/probe", (int)arg(req, "port", 0));
	env->deadline = time_mono_ms() + (int64_t)arg(req, "ms", 3000);
	if (fetch(env, &f, &reply) != RES_OK)
		return (RES_ERR);
	buf_printf(
	    out, "%d %.*s", reply.status, (int)reply.body_len, reply.body);
	return (RES_OK);
}

PROBE(resolve)
{
	char address[64];

	if (resolve_host(env, "localhost", address) != RES_OK)
		return (RES_ERR);
	buf_puts(out, address);
	return (RES_OK);
}

/* Echoes the length of a large body after a suspension. */
PROBE(body)
{
	co_sleep(5);
	buf_printf(out, "%zu",
	    req->http_body != NULL ? (size_t)req->http_body_length : 0);
	return (RES_OK);
}

static int
descend(const volatile char *above, int depth)
{
	volatile char frame[1024];

	frame[0] = above[0];
	if (depth > 0)
		frame[1] = (char)descend(frame, depth - 1);
	return (frame[0] + frame[1]);
}

/* Runs off the coroutine's stack: the guard page must stop it. */
PROBE(overflow)
{
	volatile char c = 1;

	buf_printf(out, "%d", descend(&c, 100000));
	return (RES_OK);
}

PROBE(stats)
{
	struct db_stats db;
	struct redis_stats redis;

	db_stats(&db);
	redis_stats(&redis);
	buf_printf(out,
	    "{\"co\":%u,\"requests\":%u,\"orphans\":%llu,\"pool\":%u,"
	    "\"db_in_flight\":%u,\"db_waiting\":%u,\"redis_in_flight\":%u}",
	    co_live(), request_live(), (unsigned long long)request_orphans(),
	    pool_queued(), db.in_flight, db.waiting, redis.in_flight);
	return (RES_OK);
}

void
kore_parent_configure(int argc UNUSED, char **argv UNUSED)
{
	char msg[2000];

	if (sodium_init() == -1 ||
	    settings_load(NULL, msg, sizeof(msg)) != RES_OK ||
	    io_load_secrets(msg, sizeof(msg)) != RES_OK)
		fatal("%s", msg);
	password_init(1, 8 * 1024 * 1024);
	redis_register(&script_echo);
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
