/*
 * obs/: structured logs and metrics. Log lines are JSON in Elastic Common
 * Schema names; metrics live in memory shared by all workers, mapped before
 * they fork, and are summed when scraped. No PHI ever enters either: log
 * fields come from the closed list of functions below.
 */
#ifndef OBS_H
#define OBS_H

#include "base/base.h"

/* ---- log.c ------------------------------------------------------------- */
enum log_level {
	LOG_LEVEL_UNSET = 0,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR
};
/* Opens the file (or uses standard output) in the parent; workers inherit. */
enum res log_open(const char *file, const char *level, char *msg, size_t);
/* One event: {"@timestamp","log.level","event.action","message",...}.
 * action is a static dotted name; the text must carry no PHI. */
void	 log_event(enum log_level, const char *action, const char *, ...)
	    PRINTF(3, 4);
/* Lines are gathered and written in one call; runs from a worker's timer
 * (50 ms), when 32 KiB are full, and at exit. A line is never split. */
void	 log_flush(void);
/* The line of one finished request. Strings may be NULL. */
struct log_request {
	const char	*method, *route;	/* route: template, not path */
	int		 status;
	int64_t		 duration_us;
	size_t		 bytes_in, bytes_out;
	const char	*client_ip;
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
/* Maps the shared pages; nroutes labels of route templates. In the parent. */
void	 metrics_init(unsigned workers, const char *const *routes,
	    unsigned nroutes);
void	 metrics_worker(unsigned index);	/* in a worker: which slot */
void	 metric_add(enum metric, uint64_t);
void	 metric_set(enum metric, int64_t);	/* gauge, per worker */
void	 metric_observe(enum metric, int64_t us);	/* histogram */
/* A finished request: count by method, route and status, and its time. */
void	 metric_request(unsigned route, const char *method, int status,
	    int64_t us);
/* Prometheus text format 0.0.4, summed over workers. */
void	 metrics_render(struct buf *);

#endif
