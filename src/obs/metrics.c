/*
 * Counters, gauges and histograms in pages that all workers share. Each
 * worker adds to a slot of its own (whole cache lines, relaxed atomics); one
 * more slot is for the parent and whatever else it forks. Any worker can
 * render the sums. A slot outlives its worker: one that is started again
 * goes on counting, so totals never fall.
 */
#include <sys/mman.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obs/obs_priv.h"

#define CELLS_A_LINE (64 / sizeof(uint64_t))
/* METRIC_UNSET's cell: how often the slot's worker has started. */
#define STARTS METRIC_UNSET

struct metrics metrics;

static struct {
	_Atomic uint64_t *slot; /* NULL: not set up */
	bool worker;
	uint64_t seen[METRIC_MAX]; /* metric_track() */
} self;

const struct metric_row metric_rows[METRIC_MAX] = {
#define METRIC(id, type, name, help) { KIND_##type, name, help },
	{ KIND_UNSET, NULL, NULL },
#include "obs/tbl/metrics.def"
#undef METRIC
};

const char *const metric_methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH",
	"DELETE", "OPTIONS", "other" };
const unsigned metric_nmethods = NELEM(metric_methods);

static const struct metric_bounds seconds = { 14,
	{ 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
	    1000000, 2500000, 5000000, 10000000 },
	1e-6 };
static const struct metric_bounds micros = { 13,
	{ 1, 2, 5, 10, 20, 30, 50, 100, 250, 500, 1000, 2500, 10000 }, 1e-6 };
static const struct metric_bounds rows = { 9,
	{ 1, 2, 4, 8, 16, 32, 64, 128, 256 }, 1 };

const struct metric_bounds *
metric_bounds(enum metric_kind kind)
{
	if (kind == KIND_MICROS)
		return (&micros);
	return (kind == KIND_ROWS ? &rows : &seconds);
}

bool
metrics_is_worker(void)
{
	return (self.worker);
}

static void
status_add(int status)
{
	for (unsigned i = 0; i < metrics.nstatuses; i++)
		if (metrics.status[i] == status)
			return;
	assert(metrics.nstatuses < STATUSES_MAX);
	metrics.status[metrics.nstatuses++] = status;
}

/* Every status a handler can answer, Kore's own included; the first entry
 * gathers any other. */
static void
statuses_init(void)
{
	static const int known[] = { STATUS_OTHER, 200, 201, 202, 204, 206, 301,
		302, 303, 304, 307, 308, 101, 100,
#define PROBLEM(id, status, slug, title) status,
#include "base/tbl/problems.def"
#undef PROBLEM
		502, 504 };

	metrics.nstatuses = 0;
	for (unsigned i = 0; i < NELEM(known); i++)
		status_add(known[i]);
}

static size_t
cells_of(enum metric_kind kind)
{
	switch (kind) {
	case KIND_REQUESTS:
		return ((size_t)(metrics.nroutes + 1) * metric_nmethods *
			metrics.nstatuses);
	case KIND_ROUTES:
		return ((size_t)(metrics.nroutes + 1) * HIST_CELLS);
	case KIND_SECONDS:
	case KIND_MICROS:
	case KIND_ROWS:
		return (HIST_CELLS);
	default:
		return (1);
	}
}

static void
layout(void)
{
	size_t at = 0;

	for (unsigned m = 0; m < METRIC_MAX; m++) {
		metrics.offset[m] = at;
		at += cells_of(metric_rows[m].kind);
	}
	metrics.slot_cells =
	    (at + CELLS_A_LINE - 1) / CELLS_A_LINE * CELLS_A_LINE;
}

void
metrics_init(unsigned workers, const char *const *routes, unsigned nroutes)
{
	size_t bytes;
	void *pages;

	assert(metrics.cells == NULL);
	metrics.nslots = workers + 1;
	metrics.routes = routes;
	metrics.nroutes = nroutes;
	statuses_init();
	layout();
	bytes = metrics.nslots * metrics.slot_cells * sizeof(uint64_t);
	pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED) {
		perror("metrics: mmap");
		abort();
	}
	metrics.cells = pages;
	self.slot = metrics.cells + workers * metrics.slot_cells;
	metric_set(METRIC_START_TIME, time_now_us() / 1000000);
}

static void
cell_add(size_t at, uint64_t n)
{
	(void)atomic_fetch_add_explicit(
	    self.slot + at, n, memory_order_relaxed);
}

void
metrics_worker(unsigned index)
{
	if (metrics.cells == NULL)
		return;
	assert(index < metrics.nslots - 1);
	self.slot = metrics.cells + index * metrics.slot_cells;
	self.worker = true;
	memset(self.seen, 0, sizeof(self.seen));
	for (unsigned m = METRIC_UNSET + 1; m < METRIC_MAX; m++)
		if (metric_rows[m].kind == KIND_GAUGE)
			metric_set((enum metric)m, 0);
	if (atomic_fetch_add_explicit(self.slot + metrics.offset[STARTS], 1,
		memory_order_relaxed) != 0)
		metric_add(METRIC_WORKER_RESTARTS, 1);
	metric_set(METRIC_WORKERS, 1);
}

void
metric_add(enum metric m, uint64_t n)
{
	assert(metric_rows[m].kind == KIND_COUNTER);
	if (self.slot != NULL)
		cell_add(metrics.offset[m], n);
}

void
metric_track(enum metric m, uint64_t total)
{
	if (total <= self.seen[m])
		return;
	metric_add(m, total - self.seen[m]);
	self.seen[m] = total;
}

void
metric_set(enum metric m, int64_t value)
{
	assert(metric_rows[m].kind == KIND_GAUGE);
	if (self.slot != NULL)
		atomic_store_explicit(self.slot + metrics.offset[m],
		    (uint64_t)value, memory_order_relaxed);
}

/* Counts in one bucket only; rendering makes them cumulative. */
static void
observe(size_t at, const struct metric_bounds *b, int64_t value)
{
	unsigned i = 0;

	if (value < 0)
		value = 0;
	while (i < b->n && value > b->bound[i])
		i++;
	cell_add(at + i, 1);
	cell_add(at + BUCKETS_MAX, (uint64_t)value);
}

void
metric_observe(enum metric m, int64_t value)
{
	enum metric_kind kind = metric_rows[m].kind;

	assert(
	    kind == KIND_SECONDS || kind == KIND_MICROS || kind == KIND_ROWS);
	if (self.slot != NULL)
		observe(metrics.offset[m], metric_bounds(kind), value);
}

static unsigned
method_index(const char *method)
{
	unsigned i, other = metric_nmethods - 1;

	if (method == NULL)
		return (other);
	for (i = 0; i < other; i++)
		if (strcmp(metric_methods[i], method) == 0)
			break;
	return (i);
}

static unsigned
status_index(int status)
{
	for (unsigned i = 1; i < metrics.nstatuses; i++)
		if (metrics.status[i] == status)
			return (i);
	return (0);
}

void
metric_request(unsigned route, const char *method, int status, int64_t us)
{
	size_t at;

	if (self.slot == NULL)
		return;
	if (route > metrics.nroutes)
		route = metrics.nroutes;
	at = (size_t)route * metric_nmethods + method_index(method);
	at = at * metrics.nstatuses + status_index(status);
	cell_add(metrics.offset[METRIC_HTTP_REQUESTS] + at, 1);
	observe(metrics.offset[METRIC_HTTP_SECONDS] + route * HIST_CELLS,
	    metric_bounds(KIND_ROUTES), us);
}
