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

/* door.c: what may come in, and the replies to what may not; in the parent. */
enum res door_init(char *msg, size_t msglen);

/* idempotency.c: runs the row's handler, at most once for an Idempotency-Key.
 * MALFORMED_REQUEST, IDEMPOTENCY_IN_FLIGHT, IDEMPOTENCY_MISMATCH. The other
 * starts the sweeping of old replies, in a worker. */
co_fn enum res idempotency_run(struct ctx *);
enum res idempotency_init(void);

/* routes.c: every row must be reached by the route of its resource. */
enum res routes_check(char *msg, size_t msglen);

/* Domains without routes of their own get those of the first. */
enum res routes_share(char *msg, size_t msglen);

/* tls.c: in the parent, before it forks; RES_ERR: no shared memory. */
enum res tls_init(void);
/* From each worker's timer: keys replaced in time, handshakes counted. */
void tls_periodic(void);

#endif
