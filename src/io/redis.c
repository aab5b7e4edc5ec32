/*
 * One pipelined connection to Redis: hiredis' asynchronous API on Kore's
 * events. Commands are answered in order; what is lost with the connection
 * fails at once, and the connection comes back by itself.
 *
 * Recipes for hiredis 0.14: replies are kept past their callback by giving
 * the reader a freeObject that does nothing; there is no command timeout, so
 * waiters have their own deadline and a connection that lets one pass is
 * dropped; the context must not be freed inside a write we started.
 */
#include <sys/epoll.h>

#include <stdlib.h>
#include <string.h>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <kore/kore.h>

#include "io/io.h"
#include "obs/obs.h"

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 1000
#define CONNECT_MS   3000

/* Held by the waiter and by hiredis' queue; the last one frees it. */
struct op {
	struct wait *wait;
	redisReply *reply;
	bool queued, held, done;
};

static struct {
	struct kore_event evt; /* must be first */
	redisAsyncContext *ac;
	redisReplyObjectFunctions functions;
	struct redis_config cfg;
	struct timer retry, watch;
	struct deferred flush;
	unsigned backoff_ms;
	int fd, events;
	bool up, ready, writing, refused;
} rd;
static struct redis_script *scripts;
static struct redis_stats counters;

static void redis_connect(void *);

void
redis_register(struct redis_script *s)
{
	s->next = scripts;
	scripts = s;
}

static void
redis_events(int events)
{
	if (rd.events == events)
		return;
	rd.events = events;
	kore_platform_event_schedule(rd.fd, events, 0, &rd);
}

/* hiredis' event hooks: reading is registered once, writing happens once a
 * turn. */
static void
hook_read(void *arg UNUSED)
{
}

/* The end of a loop's turn: one write for all commands of it. */
static void
redis_flush(void *arg UNUSED)
{
	if (rd.ac == NULL || !rd.up)
		return;
	rd.writing = true;
	redisAsyncHandleWrite(rd.ac); /* may end in redis_closed() */
	rd.writing = false;
}

static void
hook_add_write(void *arg UNUSED)
{
	if (!rd.up || rd.writing) {
		redis_events(EPOLLIN | EPOLLRDHUP | EPOLLOUT);
		return;
	}
	rd.flush.fn = redis_flush;
	loop_defer(&rd.flush);
}

static void
hook_del_write(void *arg UNUSED)
{
	if (rd.ac != NULL && (rd.events & EPOLLOUT))
		redis_events(EPOLLIN | EPOLLRDHUP);
}

static void
hook_cleanup(void *arg UNUSED)
{
	/* Called just before hiredis closes the socket. */
	if (rd.events != 0)
		kore_platform_disable_read(rd.fd);
	rd.events = 0;
}

static void
redis_event(void *arg UNUSED, int error)
{
	int flags = rd.evt.flags;

	rd.evt.flags = 0;
	if (rd.ac == NULL)
		return;
	if ((flags & KORE_EVENT_WRITE) || (error && !rd.up)) {
		rd.writing = true;
		redisAsyncHandleWrite(rd.ac);
		rd.writing = false;
	}
	if (rd.ac != NULL && rd.up && ((flags & KORE_EVENT_READ) || error))
		redisAsyncHandleRead(rd.ac);
}

static void
redis_down(const char *why)
{
	if (rd.ready) {
		counters.losses++;
		log_event(LOG_LEVEL_WARN, "redis.lost",
		    "the connection to Redis was lost: %s", why);
	}
	rd.ac = NULL;
	rd.up = rd.ready = false;
	timer_cancel(&rd.watch);
	timer_set(
	    &rd.retry, time_mono_ms() + rd.backoff_ms, redis_connect, NULL);
	rd.backoff_ms *= 2;
	if (rd.backoff_ms > RETRY_MAX_MS)
		rd.backoff_ms = RETRY_MAX_MS;
}

/* hiredis has run every pending callback with a NULL reply by now. */
static void
redis_closed(const redisAsyncContext *ac UNUSED, int status UNUSED)
{
	redis_down("closed");
}

static void
redis_drop(void *arg UNUSED)
{
	redisAsyncContext *ac = rd.ac;

	if (ac == NULL)
		return;
	redisAsyncFree(ac); /* fails what is queued, calls redis_closed */
	if (rd.ac == ac)
		redis_down("dropped");
}

static void
op_free(struct op *op)
{
	if (op->queued || op->held)
		return;
	if (op->reply != NULL)
		freeReplyObject(op->reply);
	free(op);
}

static void
op_callback(redisAsyncContext *ac UNUSED, void *reply, void *arg)
{
	struct op *op = arg;

	counters.in_flight--;
	op->reply = reply;
	op->queued = false;
	op->done = true;
	if (op->wait != NULL)
		wait_signal(op->wait);
	op_free(op);
}

static void
op_release(void *arg)
{
	struct op *op = arg;

	op->held = false;
	op->wait = NULL;
	op_free(op);
}

static void
script_loaded(redisAsyncContext *ac UNUSED, void *reply, void *arg)
{
	struct redis_script *s = arg;
	redisReply *r = reply;

	if (r == NULL)
		return;
	if (r->type == REDIS_REPLY_STRING && r->len == 40)
		memcpy(s->sha, r->str, sizeof(s->sha));
	else
		log_event(LOG_LEVEL_ERROR, "redis.script",
		    "Redis refused the script %s", s->name);
	if (r->type == REDIS_REPLY_ERROR)
		rd.refused = true;
	freeReplyObject(r);
	if (s->next == NULL && rd.refused)
		timer_set(&rd.watch, time_mono_ms(), redis_drop, NULL);
	else if (s->next == NULL && !rd.ready && rd.ac != NULL) {
		rd.ready = true;
		rd.backoff_ms = RETRY_MIN_MS;
		counters.connects++;
		timer_cancel(&rd.watch);
	}
}

static void
authenticated(redisAsyncContext *ac UNUSED, void *reply, void *arg UNUSED)
{
	redisReply *r = reply;

	if (r == NULL)
		return;
	if (r->type == REDIS_REPLY_ERROR) {
		rd.refused = true;
		log_event(LOG_LEVEL_ERROR, "redis.auth",
		    "Redis refused the password");
	}
	freeReplyObject(r);
}

static void
redis_connected(const redisAsyncContext *ac UNUSED, int status)
{
	if (status != REDIS_OK) {
		redis_down("cannot connect"); /* hiredis frees ac */
		return;
	}
	rd.up = true;
	if (rd.cfg.password != NULL)
		redisAsyncCommand(
		    rd.ac, authenticated, NULL, "AUTH %s", rd.cfg.password);
	/* Ready when the last script is known to Redis. */
	for (struct redis_script *s = scripts; s != NULL && rd.ac != NULL;
	     s = s->next)
		redisAsyncCommand(
		    rd.ac, script_loaded, s, "SCRIPT LOAD %s", s->lua);
}

static void
keep_reply(void *reply UNUSED)
{
}

static void
redis_open(const char *address)
{
	rd.evt.handle = redis_event;
	rd.evt.flags = 0;
	rd.events = 0;
	rd.up = rd.ready = rd.refused = false;
	rd.ac = rd.cfg.host[0] == '/' ? redisAsyncConnectUnix(rd.cfg.host) :
					redisAsyncConnect(address, rd.cfg.port);
	if (rd.ac == NULL || rd.ac->err != 0) {
		if (rd.ac != NULL)
			redisAsyncFree(rd.ac);
		redis_down("cannot connect");
		return;
	}
	rd.fd = rd.ac->c.fd;
	rd.functions = *rd.ac->c.reader->fn;
	rd.functions.freeObject = keep_reply;
	rd.ac->c.reader->fn = &rd.functions;
	rd.ac->ev.data = &rd;
	rd.ac->ev.addRead = hook_read;
	rd.ac->ev.delRead = hook_read;
	rd.ac->ev.addWrite = hook_add_write;
	rd.ac->ev.delWrite = hook_del_write;
	rd.ac->ev.cleanup = hook_cleanup;
	timer_set(&rd.watch, time_mono_ms() + CONNECT_MS, redis_drop, NULL);
	redis_events(EPOLLIN | EPOLLRDHUP | EPOLLOUT);
	redisAsyncSetConnectCallback(rd.ac, redis_connected);
	redisAsyncSetDisconnectCallback(rd.ac, redis_closed);
}

static void
redis_resolve(void *arg UNUSED)
{
	struct env env;
	char address[64];

	env_init(&env, time_mono_ms() + CONNECT_MS);
	if (resolve_host(&env, rd.cfg.host, address) == RES_OK)
		redis_open(address);
	else
		redis_down("the host name does not resolve");
	env_done(&env);
}

static void
redis_connect(void *arg UNUSED)
{
	if (rd.cfg.host[0] == '/')
		redis_open(NULL);
	else if (co_spawn("redis-resolve", redis_resolve, NULL) != RES_OK)
		redis_down("no coroutine to resolve the host name");
}

void
redis_init(const struct redis_config *cfg)
{
	rd.cfg = *cfg;
	rd.backoff_ms = RETRY_MIN_MS;
	redis_connect(NULL);
}

bool
redis_ready(void)
{
	return (rd.ready);
}

static enum res
redis_unavailable(struct env *env, const char *why)
{
	counters.failures++;
	err_private(&env->err, "Redis: %s", why);
	env->err.retry_after = 1;
	return (err_fail(&env->err, PROBLEM_UNAVAILABLE,
	    "Sessions and limits cannot be looked up just now."));
}

static co_fn enum res
op_await(struct env *env, struct op *op)
{
	int64_t limit = time_mono_ms() + rd.cfg.timeout_ms;
	struct wait w;
	enum res rc;

	if (limit > env->deadline)
		limit = env->deadline;
	wait_init(&w);
	op->wait = &w;
	rc = op->done ? RES_OK : wait_for(&w, limit);
	op->wait = NULL;
	if (rc == RES_OK)
		return (op->reply != NULL ?
			    RES_OK :
			    redis_unavailable(env, "connection lost"));
	counters.timeouts++;
	/* Replies come in order: one that is late holds up all others. */
	if (op->queued && limit < env->deadline)
		redis_drop(NULL);
	return (redis_unavailable(env, "deadline"));
}

static co_fn enum res
redis_run(struct env *env, int argc, const char **argv, const size_t *len,
    redisReply **out)
{
	struct op *op;

	*out = NULL;
	if (!rd.ready)
		return (redis_unavailable(env, "not connected"));
	if ((op = calloc(1, sizeof(*op))) == NULL)
		fatal("redis: no memory");
	op->held = op->queued = true;
	arena_defer(env->arena, op_release, op);
	counters.commands++;
	counters.in_flight++;
	if (redisAsyncCommandArgv(rd.ac, op_callback, op, argc, argv, len) !=
	    REDIS_OK) {
		counters.in_flight--;
		op->queued = false;
		return (redis_unavailable(env, "cannot send"));
	}
	if (op_await(env, op) != RES_OK)
		return (RES_ERR);
	*out = op->reply;
	return (RES_OK);
}

static enum res
check_reply(struct env *env, redisReply *r)
{
	if (r->type != REDIS_REPLY_ERROR)
		return (RES_OK);
	counters.failures++;
	/* The text names commands and keys' hashes, no values. */
	err_private(&env->err, "Redis: %.100s", r->str);
	return (err_fail(&env->err, PROBLEM_INTERNAL,
	    "The request could not be carried out."));
}

co_fn enum res
redis_command(struct env *env, int argc, const char **argv, const size_t *len,
    struct redisReply **out)
{
	if (redis_run(env, argc, argv, len, out) != RES_OK)
		return (RES_ERR);
	return (check_reply(env, *out));
}

co_fn enum res
redis_eval(struct env *env, struct redis_script *script, int nkeys, int argc,
    const char **argv, const size_t *len, struct redisReply **out)
{
	const char **v = arena_alloc(env->arena, (argc + 3) * sizeof(*v));
	size_t *l = arena_alloc(env->arena, (argc + 3) * sizeof(*l));

	v[0] = "EVALSHA";
	v[1] = script->sha;
	v[2] = arena_printf(env->arena, "%d", nkeys);
	for (int i = 0; i < 3; i++)
		l[i] = strlen(v[i]);
	memcpy(v + 3, argv, argc * sizeof(*v));
	memcpy(l + 3, len, argc * sizeof(*l));
	if (redis_run(env, argc + 3, v, l, out) != RES_OK)
		return (RES_ERR);
	if ((*out)->type == REDIS_REPLY_ERROR &&
	    strncmp((*out)->str, "NOSCRIPT", 8) == 0) {
		/* Redis forgot its scripts: SCRIPT FLUSH, or a fail-over. */
		v[0] = "EVAL";
		v[1] = script->lua;
		l[0] = strlen(v[0]);
		l[1] = strlen(v[1]);
		if (redis_run(env, argc + 3, v, l, out) != RES_OK)
			return (RES_ERR);
	}
	return (check_reply(env, *out));
}

void
redis_stats(struct redis_stats *out)
{
	*out = counters;
}
