/*
 * app/: where everything meets. The endpoint table, the pipeline that every
 * request goes through, Kore's hooks and start-up checks.
 */
#ifndef APP_H
#define APP_H

#include "http/http.h"

/* endpoints.c: the table of tbl/endpoints.def. */
const struct endpoint *endpoints(unsigned *n);

/* pipeline.c: runs on the request's coroutine. resource: which route of
 * kore.conf brought it here; NULL: the catch-all. */
co_fn void pipeline_run(struct http_request *, const char *resource);

/* idempotency.c: runs the row's handler, at most once for an Idempotency-Key.
 * MALFORMED_REQUEST, IDEMPOTENCY_IN_FLIGHT, IDEMPOTENCY_MISMATCH. The other
 * starts the sweeping of old replies, in a worker. */
co_fn enum res idempotency_run(struct ctx *);
enum res idempotency_init(void);

/* routes.c: every row must be reached by the route of its resource. */
enum res routes_check(char *msg, size_t msglen);

#endif
