/*
 * A coroutine for each HTTP request of Kore.
 *
 * Kore calls the route's handler; we run the coroutine until it suspends, put
 * the request to sleep and return RETRY; when it is ready again the request
 * is woken and Kore calls the handler once more. Resuming happens only there
 * (or in on_free), never inside a callback.
 *
 * When the client goes away Kore wants to free the request and calls on_free.
 * It refrains while an unfinished kore_task hangs on the request, so we hang
 * one there that never runs ("the pin"); each later wake-up comes back to
 * on_free, until the coroutine has ended and the pin is marked finished.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <kore/kore.h>
#include <kore/http.h>
#include <kore/tasks.h>

#include "loop/loop_priv.h"

static unsigned live;
static uint64_t orphans, refused;

static void
request_wake(struct co *c)
{
	http_request_wakeup(c->req);
}

static void
request_main(void *arg)
{
	struct co *c = co_self();
	void (*fn)(struct http_request *);

	/* arg is the function: the coroutine outlives the caller's frame. */
	memcpy(&fn, &arg, sizeof(fn));
	fn(c->req);
}

static struct co *
request_start(struct http_request *req, void (*fn)(struct http_request *))
{
	struct co *c;
	void *arg;

	memcpy(&arg, &fn, sizeof(arg));
	if ((c = co_new("request", request_main, arg, request_wake)) == NULL)
		return (NULL);
	c->req = req;
	req->hdlr_extra = c;
	/* Else Kore would free() the coroutine with the request. */
	req->flags |= HTTP_REQUEST_RETAIN_EXTRA;
	live++;
	return (c);
}

static void
request_end(struct http_request *req, struct co *c)
{
	req->hdlr_extra = NULL;
	live--;
	co_recycle(c);
}

int
request_run(struct http_request *req, void (*fn)(struct http_request *))
{
	struct co *c = req->hdlr_extra;

	if (c == NULL && (c = request_start(req, fn)) == NULL) {
		refused++;
		/* The module's error hook words it. */
		http_response(req, 503, NULL, 0);
		return (KORE_RESULT_OK);
	}
	if (c->ready)
		co_resume(c);
	if (!c->done) {
		http_request_sleep(req);
		return (KORE_RESULT_RETRY);
	}
	request_end(req, c);
	return (KORE_RESULT_OK);
}

/* Keeps Kore from freeing the request under the coroutine. */
static void
pin(struct http_request *req, struct co *c)
{
	struct kore_task *t;

	t = calloc(1, sizeof(*t));
	if (t == NULL)
		fatal("request: no memory to pin");
	t->state = KORE_TASK_STATE_CREATED;
	t->fds[0] = t->fds[1] = -1;
	pthread_rwlock_init(&t->lock, NULL);
	kore_task_bind_request(t, req); /* also puts it to sleep */
	c->pin = t;
}

/* Unhangs the pin and puts the request where Kore's free expects it. */
static void
unpin(struct http_request *req, struct co *c)
{
	struct kore_task *t = c->pin;

	kore_task_set_state(t, KORE_TASK_STATE_FINISHED);
	kore_task_destroy(t);
	free(t);
	c->pin = NULL;
	http_request_wakeup(req);
}

int
request_freed(struct http_request *req)
{
	struct co *c = req->hdlr_extra;

	if (c == NULL)
		return (KORE_RESULT_OK);
	if (c->pin == NULL)
		pin(req, c);
	if (c->ready)
		co_resume(c);
	if (!c->done) {
		http_request_sleep(req);
		return (KORE_RESULT_OK);
	}
	orphans++;
	unpin(req, c);
	request_end(req, c);
	return (KORE_RESULT_OK);
}

bool
request_alive(const struct http_request *req)
{
	return (req->owner != NULL && !(req->flags & HTTP_REQUEST_DELETE) &&
		req->owner->state != CONN_STATE_DISCONNECTING);
}

unsigned
request_live(void)
{
	return (live);
}

uint64_t
request_orphans(void)
{
	return (orphans);
}

uint64_t
request_refused(void)
{
	return (refused);
}
