/*
 * Graceful shutdown. A small patch to Kore (patches/kore) lets the worker
 * loop turn on after SIGTERM, its listeners closed, for as long as
 * kore_worker_drain_hook returns non-zero.
 */
#include <kore/kore.h>
#include <kore/http.h>

#include "loop/loop_priv.h"

#define PROBES_MAX 12

static struct {
	const char *name;
	unsigned (*pending)(void);
} probes[PROBES_MAX];
static unsigned nprobes;
static int64_t timeout, until;

/* Kore's requests: also those whose body is still on its way. */
static unsigned
requests_open(void)
{
	return (http_request_count);
}

/* Connections with a reply that the client has not taken yet. */
static unsigned
replies_unsent(void)
{
	struct connection *c;
	unsigned n = 0;

	TAILQ_FOREACH (c, &connections, list) {
		n +=
		    c->proto == CONN_PROTO_HTTP && !TAILQ_EMPTY(&c->send_queue);
	}
	return (n);
}

static int
drain_step(void)
{
	if (until == 0) {
		until = time_mono_ms() + timeout;
		kore_log(LOG_NOTICE, "draining: %u request(s) under way",
		    request_live());
	}
	for (unsigned i = 0; i < nprobes; i++) {
		if (probes[i].pending() == 0)
			continue;
		if (time_mono_ms() < until)
			return (1);
		kore_log(LOG_ERR, "drain timed out: %u %s left",
		    probes[i].pending(), probes[i].name);
		return (0);
	}
	return (0);
}

void
drain_init(int64_t timeout_ms)
{
	timeout = timeout_ms;
	kore_worker_drain_hook = drain_step;
	drain_probe("requests", requests_open);
	drain_probe("replies", replies_unsent);
	drain_probe("pool jobs", pool_queued);
}

void
drain_probe(const char *name, unsigned (*pending)(void))
{
	if (nprobes == PROBES_MAX)
		fatal("drain: too many probes");
	probes[nprobes].name = name;
	probes[nprobes++].pending = pending;
}

bool
loop_draining(void)
{
	return (until != 0);
}
