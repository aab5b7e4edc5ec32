/*
 * obs/: structured logs and metrics. Log lines are JSON in Elastic Common
 * Schema names; metrics live in memory shared by all workers, mapped before
 * they fork, and are summed when scraped. No PHI ever enters either: log
 * fields come from the closed list of functions below.
 */
#ifndef OBS_H
#define OBS_H

#include "base/base.h"

/* The build passes -DELEUSIS_VERSION='"1.2.3"'; the value is only for logs
 * and metrics. */
#ifndef ELEUSIS_VERSION
#define ELEUSIS_VERSION "0.0.0"
#endif

/* ---- log.c, log_sink.c: not thread-safe, event-loop thread only -------- */
enum log_level {
	LOG_LEVEL_UNSET = 0,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR
};
/*
 * Opens the file (NULL or "": standard output) in the parent, before the
 * chroot; workers inherit it. level: debug, info, warn or error. Before it
 * is called lines go to standard error. Rotate with copytruncate: the file
 * is only ever appended to, so a truncated one goes on from its start.
 */
enum res log_open(const char *file, const char *level, char *msg, size_t);
/* One event: {"@timestamp","log.level","event.action","message",...}.
 * action is a static dotted name; the text must carry no PHI. */
void	 log_event(enum log_level, const char *action, const char *, ...)
	    PRINTF(3, 4);
/*
 * A worker's lines are gathered and written in one call: from its timer
 * (every 50 ms), when 32 KiB are full, after an ERROR event, and at exit. A
 * line is never split between processes. Lines that find the 64 KiB buffer
 * full (full disk, slow reader) are dropped and counted, and a log.dropped
 * event tells how many. Processes that are not workers write at once.
 */
void	 log_flush(void);
/* The line of one finished request. Strings may be NULL. */
struct log_request {
	const char	*method, *route;	/* route: template, not path */
	int		 status;
	int64_t		 duration_us;
	size_t		 bytes_in, bytes_out;
	const char	*client_ip;
	const char	*client_cert;	/* SHA-256 of its certificate, or NULL */
	const char	*user_id;	/* UUID, not a name */
	const char	*request_id, *trace_id;
	const char	*problem;	/* slug */
	const char	*private_detail;
	const char	*http_version;
	bool		 orphan;	/* the client had gone */
};
void	 log_request(const struct log_request *);

/* ---- metrics.c: tbl/metrics.def names them all -------------------------- */
enum metric {
	METRIC_UNSET = 0,
#define METRIC(id, type, name, help)	METRIC_##id,
#include "obs/tbl/metrics.def"
#undef METRIC
	METRIC_MAX
};
/* Maps the shared pages, in the parent; routes: labels of route templates,
 * whose strings must stay. Until then every metric_ call does nothing. */
void	 metrics_init(unsigned workers, const char *const *routes,
	    unsigned nroutes);
/* In a worker, once: index 0 to workers - 1, the same again after a restart.
 * Counters of the slot go on, its gauges start at 0. */
void	 metrics_worker(unsigned index);
void	 metric_add(enum metric, uint64_t);
/* For a total kept elsewhere since this process began (db_stats and the
 * like): adds what it has grown by since the last call. */
void	 metric_track(enum metric, uint64_t total);
void	 metric_set(enum metric, int64_t);	/* gauge, per worker */
/* Histogram: microseconds for SECONDS and MICROS, a count for ROWS. */
void	 metric_observe(enum metric, int64_t value);
/* A finished request: count by method, route and status, and its time. A
 * route of nroutes or more counts under route="unmatched". */
void	 metric_request(unsigned route, const char *method, int status,
	    int64_t us);
/* Prometheus text format 0.0.4, summed over workers. */
void	 metrics_render(struct buf *);

#endif
