/*
 * obs/metrics*.c: what forked workers count is summed exactly; a restarted
 * worker goes on; histograms are cumulative; the text is valid Prometheus
 * exposition (one HELP and TYPE a family, families in one piece).
 */
#include <sys/wait.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "obs/obs.h"

#define WORKERS 4
#define ROUNDS  20000

enum {
	ROUTE_LIVE,
	ROUTE_PATIENT,
	ROUTE_ODD,
	ROUTE_SILENT,
	ROUTES
};
static const char *const routes[ROUTES] = { "/health/live", "/v1/patients/{id}",
	"/odd\"\\\n", "/silent" };

static struct arena *arena;

static int
setup(void **state)
{
	(void)state;
	arena = arena_new();
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	arena_destroy(&arena);
	return (0);
}

static const char *
render(void)
{
	struct buf b;

	buf_init(&b, arena, 4096);
	metrics_render(&b);
	return (b.data);
}

/* The value of one series; a series that is not there fails the test. */
static double
value(const char *series)
{
	const char *at, *text = render();
	char start[256];

	(void)snprintf(start, sizeof(start), "\n%s ", series);
	at = strstr(text, start);
	if (at == NULL)
		fail_msg("no series %s in:\n%s", series, text);
	return (strtod(at + strlen(start), NULL));
}

static void
in_worker(unsigned index, void (*fn)(unsigned))
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		metrics_worker(index);
		fn(index);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
busy(unsigned index)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		metric_add(METRIC_DB_STATEMENTS, 3);
		metric_observe(METRIC_DB_SECONDS, i % 2 == 0 ? 400 : 600);
		metric_request(
		    ROUTE_PATIENT, "GET", i % 4 == 0 ? 404 : 200, 2000);
	}
	metric_set(METRIC_COROUTINES, 10 + index);
}

/* All workers at once, while the parent renders. */
static void
test_sums(void **state)
{
	pid_t pids[WORKERS];

	(void)state;
	for (unsigned w = 0; w < WORKERS; w++) {
		pids[w] = fork();
		if (pids[w] == 0) {
			metrics_worker(w);
			busy(w);
			_exit(0);
		}
	}
	for (int i = 0; i < 20; i++)
		assert_non_null(render());
	for (unsigned w = 0; w < WORKERS; w++)
		(void)waitpid(pids[w], NULL, 0);
	assert_true(
	    value("eleusis_db_statements_total") == 3.0 * WORKERS * ROUNDS);
	assert_true(value("eleusis_http_requests_total{method=\"GET\","
			  "route=\"/v1/patients/{id}\",status=\"404\"}") ==
		    WORKERS * ROUNDS / 4.0);
	assert_true(value("eleusis_http_requests_total{method=\"GET\","
			  "route=\"/v1/patients/{id}\",status=\"200\"}") ==
		    WORKERS * ROUNDS * 3 / 4.0);
	assert_true(value("eleusis_coroutines") == 10 + 11 + 12 + 13);
	assert_true(value("eleusis_workers") == WORKERS);
	assert_true(value("eleusis_worker_restarts_total") == 0);
}

#define DB_HIST "eleusis_db_query_duration_seconds"
static void
test_histogram(void **state)
{
	double all = WORKERS * ROUNDS;

	(void)state;
	assert_true(value(DB_HIST "_bucket{le=\"0.0005\"}") == all / 2);
	assert_true(value(DB_HIST "_bucket{le=\"0.001\"}") == all);
	assert_true(value(DB_HIST "_bucket{le=\"10\"}") == all);
	assert_true(value(DB_HIST "_bucket{le=\"+Inf\"}") == all);
	assert_true(value(DB_HIST "_count") == all);
	assert_float_equal(value(DB_HIST "_sum"), all * 500e-6, 1e-6);
}

#define ROWS_HIST "eleusis_audit_batch_rows"
static void
bounds(unsigned index)
{
	(void)index;
	metric_observe(METRIC_AUDIT_BATCH_ROWS, 1);
	metric_observe(METRIC_AUDIT_BATCH_ROWS, 256);
	metric_observe(METRIC_AUDIT_BATCH_ROWS, 257);
	metric_observe(METRIC_AUDIT_BATCH_ROWS, -5);
	metric_observe(METRIC_PREDICTION_SECONDS, 7);
}

/* A bound belongs to its bucket; past the last only +Inf counts. */
static void
test_bounds(void **state)
{
	(void)state;
	in_worker(0, bounds);
	assert_true(value(ROWS_HIST "_bucket{le=\"1\"}") == 2);
	assert_true(value(ROWS_HIST "_bucket{le=\"128\"}") == 2);
	assert_true(value(ROWS_HIST "_bucket{le=\"256\"}") == 3);
	assert_true(value(ROWS_HIST "_bucket{le=\"+Inf\"}") == 4);
	assert_true(value(ROWS_HIST "_sum") == 514);
	assert_true(value("eleusis_prediction_score_seconds_bucket"
			  "{le=\"5e-06\"}") == 0);
	assert_true(value("eleusis_prediction_score_seconds_bucket"
			  "{le=\"1e-05\"}") == 1);
}

static void
again(unsigned index)
{
	(void)index;
	metric_add(METRIC_DB_STATEMENTS, 1);
}

/* Worker 0 started twice before this (sums, bounds). */
static void
test_restart(void **state)
{
	double before = value("eleusis_worker_restarts_total");

	(void)state;
	in_worker(1, again);
	assert_true(
	    value("eleusis_db_statements_total") == 3.0 * WORKERS * ROUNDS + 1);
	assert_true(value("eleusis_worker_restarts_total") == before + 1);
	assert_true(value("eleusis_workers") == WORKERS);
	/* gauges of workers 0 and 1 started anew */
	assert_true(value("eleusis_coroutines") == 12 + 13);
}

static void
odd(unsigned index)
{
	(void)index;
	metric_request(ROUTES, "GET", 404, 1);
	metric_request(UINT32_MAX, NULL, 404, 1);
	metric_request(ROUTE_LIVE, "BREW", 418, 1);
	metric_request(ROUTE_ODD, "GET", 200, 1);
	for (uint64_t total = 0; total <= 30; total += 10)
		metric_track(METRIC_REDIS_COMMANDS, total);
	metric_track(METRIC_REDIS_COMMANDS, 25);
}

static void
test_odd_labels(void **state)
{
	(void)state;
	in_worker(2, odd);
	assert_true(value("eleusis_http_requests_total{method=\"GET\","
			  "route=\"unmatched\",status=\"404\"}") == 1);
	assert_true(value("eleusis_http_requests_total{method=\"other\","
			  "route=\"unmatched\",status=\"404\"}") == 1);
	assert_true(value("eleusis_http_requests_total{method=\"other\","
			  "route=\"/health/live\",status=\"other\"}") == 1);
	assert_true(value("eleusis_http_requests_total{method=\"GET\","
			  "route=\"/odd\\\"\\\\\\n\",status=\"200\"}") == 1);
	assert_true(value("eleusis_redis_commands_total") == 30);
	assert_null(strstr(render(), "/silent"));
}

static void
more(unsigned index)
{
	(void)index;
	metric_track(METRIC_REDIS_COMMANDS, 4);
}

/* A total that starts anew in a new process is added in full. */
static void
test_track_after_restart(void **state)
{
	(void)state;
	metric_track(METRIC_REDIS_COMMANDS, 100);
	in_worker(2, more);
	assert_true(value("eleusis_redis_commands_total") == 30 + 100 + 4);
}

static void
test_start_and_build(void **state)
{
	double now = (double)(time_now_us() / 1000000);

	(void)state;
	assert_true(value("process_start_time_seconds") > now - 600);
	assert_true(value("process_start_time_seconds") <= now);
	assert_true(
	    value("eleusis_build_info{version=\"" ELEUSIS_VERSION "\"}") == 1);
}

/* Every sample follows its family's TYPE, which comes once, after HELP. */
static void
test_exposition(void **state)
{
	char *copy = arena_strdup(arena, render()), *line, *rest;
	char family[128] = "", type[32] = "", mark[160];
	unsigned samples = 0;

	(void)state;
	assert_int_equal(copy[strlen(copy) - 1], '\n');
	for (line = strtok_r(copy, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_int_equal(
			    sscanf(line, "# HELP %127s", family), 1);
			(void)snprintf(
			    mark, sizeof(mark), "# HELP %s ", family);
			assert_null(strstr(rest, mark));
			continue;
		}
		if (line[0] == '#') {
			assert_int_equal(
			    sscanf(line, "# TYPE %127s %31s", mark, type), 2);
			assert_string_equal(mark, family);
			continue;
		}
		assert_int_equal(strncmp(line, family, strlen(family)), 0);
		assert_non_null(strchr("{_ ", line[strlen(family)]));
		if (strcmp(type, "counter") == 0)
			assert_string_equal(
			    family + strlen(family) - 6, "_total");
		samples++;
	}
	assert_true(samples > 80);
}

/* With a file name: writes the text there, for other tools to judge. */
int
main(int argc, char **argv)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_sums),
		T(test_histogram),
		T(test_bounds),
		T(test_restart),
		T(test_odd_labels),
		T(test_track_after_restart),
		T(test_start_and_build),
		T(test_exposition),
	};
	FILE *f;
	int rc;

	metric_add(METRIC_DB_STATEMENTS, 1); /* not set up: no harm */
	metrics_init(WORKERS, routes, ROUTES);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	if (argc < 2)
		return (rc);
	f = fopen(argv[1], "w");
	if (f == NULL)
		return (1);
	(void)setup(NULL);
	(void)fputs(render(), f);
	(void)teardown(NULL);
	return (fclose(f) == 0 ? rc : 1);
}
