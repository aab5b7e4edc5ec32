/*
 * loop/ is the request runtime: stackful coroutines on Kore's event loop,
 * waiting with deadlines, timers and a thread pool for CPU work.
 *
 * A function marked co_fn may suspend its coroutine: nothing shared is to be
 * assumed unchanged across the call. Everything here belongs to one worker's
 * event-loop thread, except the function that pool_run() runs.
 */
#ifndef LOOP_H
#define LOOP_H

#include <sys/queue.h>

#include "base/base.h"

#define co_fn         /* may suspend */
#define DEADLINE_NONE INT64_MAX

struct co;
struct http_request;

/*
 * What a coroutine's calls share: the arena that holds everything they make,
 * the error of the first that failed, and the instant (time_mono_ms()) after
 * which no await of it goes on. First member of struct ctx.
 */
struct db_tx;
struct env {
	struct arena *arena;
	struct db_tx *tx; /* writes join this transaction; see io.h */
	struct err err;
	int64_t deadline;
	char sqlstate[6]; /* of the last failed statement; see io.h */
};
void env_init(struct env *, int64_t deadline);
void env_done(struct env *); /* destroys the arena */

/* timer.c: a hashed wheel, O(1) to set and cancel; 4 ms steps. */
struct timer {
	TAILQ_ENTRY(timer) entry;
	int64_t at; /* time_mono_ms(); 0: not set */
	unsigned slot;
	void (*fn)(void *);
	void *arg;
};
void timer_init(void);
void timer_set(struct timer *, int64_t at, void (*fn)(void *), void *arg);
void timer_cancel(struct timer *); /* harmless when not set */

/* coroutine.c: pooled, guard-paged stacks. */
void co_init(size_t stack_bytes, unsigned max);
struct co *co_self(void); /* NULL on the loop's stack */
unsigned co_live(void);   /* started, not finished */
/* Starts fn(arg) as a background coroutine at the next turn of the loop.
 * RES_ERR when the limit is reached. name: static, for diagnostics. */
enum res co_spawn(const char *name, void (*fn)(void *), void *arg);
co_fn void co_sleep(int64_t ms);
/*
 * Makes the event loop turn at once instead of after its next event: Kore
 * computes its wait before it knows that a coroutine readied another one.
 */
void loop_kick(void);

/*
 * Runs fn(arg) once at the loop's next turn, after the coroutines that are
 * ready now: what they send until then can go out in one system call.
 */
struct deferred {
	TAILQ_ENTRY(deferred) entry;
	void (*fn)(void *);
	void *arg;
	bool queued;
};
void loop_defer(struct deferred *);

/*
 * request.c: the bridge to Kore. request_run() is what a route's handler
 * returns; the first call starts fn on a coroutine. The route's on_free must
 * be request_freed. When the client goes away fn runs on to its end; then
 * request_alive() is false and its reply is dropped.
 */
int request_run(struct http_request *, void (*fn)(struct http_request *));
int request_freed(struct http_request *);
bool request_alive(const struct http_request *);
/* Requests whose coroutine has not finished, orphans included. */
unsigned request_live(void);
/* How many ran to their end after their client had gone (for metrics). */
uint64_t request_orphans(void);
/* How many were answered 503 for want of a coroutine (for metrics). */
uint64_t request_refused(void);

/* await.c: one coroutine waits, one callback signals; in any order. */
struct wait {
	struct co *co;
	struct timer timer;
	bool signalled, expired;
};
void wait_init(struct wait *);
/* RES_OK when signalled, RES_ERR when the deadline passed first. */
co_fn enum res wait_for(struct wait *, int64_t deadline);
void wait_signal(struct wait *);

/*
 * pool.c: a bounded queue and a few threads for CPU work. fn must not touch
 * the loop, Kore or an arena in use elsewhere. PROBLEM_BUSY when the queue is
 * full or the deadline passes before a thread is free; work once started is
 * waited for (so arg may live on the caller's stack).
 */
void pool_init(unsigned threads, unsigned queue);
void pool_stop(void);
co_fn enum res pool_run(struct env *, void (*fn)(void *), void *arg);
unsigned pool_queued(void);

/* sandbox.c: the syscalls the module needs beyond Kore's own filter, and
 * dying with the parent. Called through Kore's kore_seccomp_hook. */
void sandbox_extend(void);

/*
 * drain.c: graceful shutdown. A part that has work in flight registers a
 * probe; after SIGTERM the worker serves on until every probe returns 0 or
 * the time is up. loop_draining() fails readiness and stops keep-alive.
 */
void drain_init(int64_t timeout_ms);
void drain_probe(const char *name, unsigned (*pending)(void));
bool loop_draining(void);

#endif
