/*
 * What the files of loop/ share with each other and with nobody else.
 */
#ifndef LOOP_PRIV_H
#define LOOP_PRIV_H

#include "loop/loop.h"

struct co {
	TAILQ_ENTRY(co) entry; /* idle pool or run queue */
	void *sp, *caller;     /* saved stack pointers */
	char *map;             /* guard page, then stack */
	void (*fn)(void *);
	void *arg;
	void (*wake)(struct co *);
	const char *name;
	struct http_request *req; /* NULL: background */
	void *pin;                /* request.c: struct kore_task */
	bool done, ready, queued;
#if defined(__SANITIZE_ADDRESS__)
	void *fake;
	const void *caller_bottom;
	size_t caller_size;
#endif
#if !defined(__x86_64__)
	void *uc; /* struct of two ucontext_t */
#endif
};

/* coroutine.c. co_new: NULL past the limit. The coroutine starts ready. */
struct co *co_new(
    const char *name, void (*fn)(void *), void *arg, void (*wake)(struct co *));
void co_resume(struct co *);  /* runs it until it suspends or ends */
void co_recycle(struct co *); /* a finished one, back to the pool */
co_fn void co_suspend(void);
void co_ready(struct co *); /* let it go on; any context */

#endif
