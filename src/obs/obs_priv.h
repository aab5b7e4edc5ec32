/*
 * Private to obs/: how a log line is put together and where it goes, and how
 * the shared metric cells are laid out.
 */
#ifndef OBS_PRIV_H
#define OBS_PRIV_H

#include <stdatomic.h>

#include "obs/obs.h"

/* ---- log_line.c: one JSON object without allocation --------------------- */

/* A write of at most PIPE_BUF bytes to a pipe is never interleaved, so no
 * line is longer, newline included. */
#define LOG_LINE_MAX	4096
/* Room that fields leave for what log_end() adds. */
#define LOG_LINE_TAIL	192

struct log_line {
	char	*p;		/* LOG_LINE_MAX bytes */
	size_t	 len;
};
void	 log_line_raw(struct log_line *, const char *);
/* "key":value with a comma before; a field that does not fit is left out.
 * NULL values are left out too. max: bytes of escaped text; more is cut. */
void	 log_line_str(struct log_line *, const char *key, const char *,
	    size_t max);
void	 log_line_int(struct log_line *, const char *key, int64_t);

/* ---- log_sink.c: the buffer of this process ----------------------------- */

/* A new line, or NULL: below the level, or no room (counted as dropped). */
struct log_line *log_begin(enum log_level);
void	 log_end(struct log_line *);

/* ---- metrics.c ---------------------------------------------------------- */
enum metric_kind {
	KIND_UNSET = 0,
	KIND_COUNTER,
	KIND_GAUGE,
	KIND_SECONDS,
	KIND_MICROS,
	KIND_ROWS,
	KIND_REQUESTS,
	KIND_ROUTES,
	KIND_INFO
};
struct metric_row {
	enum metric_kind	 kind;
	const char		*name;	/* family, perhaps with {labels} */
	const char		*help;
};

/* A histogram is BUCKETS_MAX counts, the last one past every bound, and the
 * sum of what was observed. Bounds are in the unit of metric_observe(). */
#define BUCKETS_MAX	16
#define HIST_CELLS	(BUCKETS_MAX + 1)
struct metric_bounds {
	unsigned	 n;
	int64_t		 bound[BUCKETS_MAX - 1];
	double		 scale;		/* to the unit that is shown */
};

#define STATUSES_MAX	64
#define STATUS_OTHER	0		/* shown as "other" */

struct metrics {
	_Atomic uint64_t	*cells;		/* nslots * slot_cells */
	size_t			 slot_cells;
	unsigned		 nslots;	/* workers, and the parent */
	const char *const	*routes;
	unsigned		 nroutes;	/* "unmatched" comes after */
	unsigned		 nstatuses;
	int			 status[STATUSES_MAX];
	size_t			 offset[METRIC_MAX];	/* within a slot */
};
extern struct metrics		 metrics;
extern const struct metric_row	 metric_rows[METRIC_MAX];
extern const char *const	 metric_methods[];	/* last: "other" */
extern const unsigned		 metric_nmethods;
const struct metric_bounds	*metric_bounds(enum metric_kind);
/* True once metrics_worker() has run in this process. */
bool	 metrics_is_worker(void);

#endif
