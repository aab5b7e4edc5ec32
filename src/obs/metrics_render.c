/*
 * /metrics: Prometheus' text exposition format 0.0.4, summed over all slots.
 * A histogram's count is taken from the same reading as its buckets, so the
 * two always agree. Routes and statuses never seen have no line.
 */
#include <stdio.h>
#include <string.h>

#include "obs/obs_priv.h"

static uint64_t
sum(size_t at)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < metrics.nslots; i++)
		n += atomic_load_explicit(
		    metrics.cells + i * metrics.slot_cells + at,
		    memory_order_relaxed);
	return (n);
}

static size_t
family_len(const char *name)
{
	return (strcspn(name, "{"));
}

static const char *
type_name(enum metric_kind kind)
{
	switch (kind) {
	case KIND_COUNTER:
	case KIND_REQUESTS:
		return ("counter");
	case KIND_GAUGE:
	case KIND_INFO:
		return ("gauge");
	default:
		return ("histogram");
	}
}

static bool
same_family(const char *a, const char *b)
{
	size_t n = family_len(a);

	return (b != NULL && n == family_len(b) && strncmp(a, b, n) == 0);
}

static void
render_head(struct buf *b, const struct metric_row *row)
{
	int n = (int)family_len(row->name);

	buf_printf(b, "# HELP %.*s %s\n# TYPE %.*s %s\n", n, row->name,
	    row->help, n, row->name, type_name(row->kind));
}

/* A label value: backslash, quote and newline are escaped. */
static void
put_label(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\' || *s == '"')
			buf_putc(b, '\\');
		if (*s == '\n')
			buf_puts(b, "\\n");
		else
			buf_putc(b, *s);
	}
}

static const char *
route_name(unsigned route)
{
	return (route < metrics.nroutes ? metrics.routes[route] : "unmatched");
}

/* One line of a histogram: its name's suffix, the route (NULL: none) and the
 * bound (NULL: none) as labels. */
static void
put_series(struct buf *b, const char *name, const char *suffix,
    const char *route, const char *le)
{
	buf_printf(b, "%s_%s", name, suffix);
	if (route == NULL && le == NULL)
		return;
	buf_putc(b, '{');
	if (route != NULL) {
		buf_puts(b, "route=\"");
		put_label(b, route);
		buf_putc(b, '"');
	}
	if (le != NULL)
		buf_printf(b, "%sle=\"%s\"", route != NULL ? "," : "", le);
	buf_putc(b, '}');
}

static void
render_histogram(
    struct buf *b, const struct metric_row *row, size_t at, const char *route)
{
	const struct metric_bounds *bounds = metric_bounds(row->kind);
	uint64_t count = 0;
	char le[32];

	for (unsigned i = 0; i <= bounds->n; i++) {
		if (i < bounds->n)
			(void)snprintf(le, sizeof(le), "%.9g",
			    (double)bounds->bound[i] * bounds->scale);
		else
			(void)snprintf(le, sizeof(le), "+Inf");
		count += sum(at + i);
		put_series(b, row->name, "bucket", route, le);
		buf_printf(b, " %llu\n", (unsigned long long)count);
	}
	put_series(b, row->name, "sum", route, NULL);
	buf_printf(b, " %.9g\n", (double)sum(at + BUCKETS_MAX) * bounds->scale);
	put_series(b, row->name, "count", route, NULL);
	buf_printf(b, " %llu\n", (unsigned long long)count);
}

static void
render_request(struct buf *b, const char *name, unsigned route, unsigned method,
    unsigned status, uint64_t n)
{
	buf_printf(
	    b, "%s{method=\"%s\",route=\"", name, metric_methods[method]);
	put_label(b, route_name(route));
	if (metrics.status[status] == STATUS_OTHER)
		buf_puts(b, "\",status=\"other\"}");
	else
		buf_printf(b, "\",status=\"%d\"}", metrics.status[status]);
	buf_printf(b, " %llu\n", (unsigned long long)n);
}

static void
render_requests(struct buf *b, const struct metric_row *row, size_t at)
{
	unsigned route, method, status;
	uint64_t n;

	for (route = 0; route <= metrics.nroutes; route++)
		for (method = 0; method < metric_nmethods; method++)
			for (status = 0; status < metrics.nstatuses; status++) {
				n = sum(at++);
				if (n != 0)
					render_request(b, row->name, route,
					    method, status, n);
			}
}

static bool
seen(size_t at)
{
	for (unsigned i = 0; i < BUCKETS_MAX; i++)
		if (sum(at + i) != 0)
			return (true);
	return (false);
}

static void
render_routes(struct buf *b, const struct metric_row *row, size_t at)
{
	for (unsigned route = 0; route <= metrics.nroutes; route++) {
		if (seen(at))
			render_histogram(b, row, at, route_name(route));
		at += HIST_CELLS;
	}
}

static void
render_metric(struct buf *b, const struct metric_row *row, size_t at)
{
	switch (row->kind) {
	case KIND_REQUESTS:
		render_requests(b, row, at);
		break;
	case KIND_ROUTES:
		render_routes(b, row, at);
		break;
	case KIND_SECONDS:
	case KIND_MICROS:
	case KIND_ROWS:
		render_histogram(b, row, at, NULL);
		break;
	case KIND_INFO:
		buf_printf(
		    b, "%s{version=\"%s\"} 1\n", row->name, ELEUSIS_VERSION);
		break;
	default:
		buf_printf(b, "%s %lld\n", row->name, (long long)sum(at));
		break;
	}
}

void
metrics_render(struct buf *b)
{
	const struct metric_row *row, *before = NULL;

	if (metrics.cells == NULL)
		return;
	for (unsigned m = METRIC_UNSET + 1; m < METRIC_MAX; m++) {
		row = &metric_rows[m];
		if (before == NULL || !same_family(row->name, before->name))
			render_head(b, row);
		render_metric(b, row, metrics.offset[m]);
		before = row;
	}
}
