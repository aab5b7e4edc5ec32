/*
 * ops/: what an operator and her tools ask. Liveness, readiness, metrics and
 * the API description.
 */
#ifndef OPS_H
#define OPS_H

#include "http/http.h"
#include "io/io.h"

co_fn enum res health_live(struct ctx *);
co_fn enum res health_ready(struct ctx *);
/* health_db.c: one round trip to PostgreSQL. */
co_fn enum res health_db_ping(struct env *);
co_fn enum res metrics_get(struct ctx *);
co_fn enum res openapi_get(struct ctx *);
co_fn enum res service_get(struct ctx *);
extern const struct schema schema_health, schema_service;

/* Reads the metrics token, if one is set. In the parent, before chroot. */
enum res ops_init(char *msg, size_t msglen);
/* Copies the runtime's counters into metrics; from a worker's timer. */
void ops_gauges(void);

#endif
