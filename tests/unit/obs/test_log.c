/*
 * obs/log*.c: every line is one valid JSON object with ECS names, whatever is
 * put into it; processes that share a file or a pipe never split a line; what
 * cannot be written is counted. yajl's tree parser is the judge of JSON.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <yajl/yajl_tree.h>

#include "obs/obs.h"

#define WRITERS 6
#define LINES   3000

static char dir[] = "/tmp/test_log_XXXXXX";
static char path[64];

static void
open_at(const char *file, const char *level)
{
	char msg[200];

	if (log_open(file, level, msg, sizeof(msg)) != RES_OK)
		fail_msg("%s", msg);
}

static int
fresh_file(void **state)
{
	(void)state;
	(void)unlink(path);
	open_at(path, "info");
	return (0);
}

static char *
slurp(void)
{
	struct stat st;
	ssize_t n;
	char *text;
	int fd;

	fd = open(path, O_RDONLY);
	assert_int_not_equal(fd, -1);
	assert_int_equal(fstat(fd, &st), 0);
	text = calloc(1, (size_t)st.st_size + 1);
	assert_non_null(text);
	n = read(fd, text, (size_t)st.st_size);
	assert_int_equal(n, st.st_size);
	(void)close(fd);
	return (text);
}

static yajl_val
parse(const char *line)
{
	char err[200];
	yajl_val v = yajl_tree_parse(line, err, sizeof(err));

	if (v == NULL)
		fail_msg("not JSON: %s: %s", err, line);
	return (v);
}

static const char *
get_str(yajl_val v, const char *key)
{
	const char *where[] = { key, NULL };

	return (YAJL_GET_STRING(yajl_tree_get(v, where, yajl_t_string)));
}

static int64_t
get_int(yajl_val v, const char *key)
{
	const char *where[] = { key, NULL };
	yajl_val n = yajl_tree_get(v, where, yajl_t_number);

	assert_non_null(n);
	return (YAJL_GET_INTEGER(n));
}

static uint64_t
dropped_lines(void)
{
	static const char name[] = "\neleusis_log_lines_dropped_total ";
	struct arena *a = arena_new();
	struct buf b;
	const char *at;
	uint64_t n;

	buf_init(&b, a, 65536);
	metrics_render(&b);
	at = strstr(b.data, name);
	assert_non_null(at);
	n = strtoull(at + strlen(name), NULL, 10);
	arena_destroy(&a);
	return (n);
}

static void
test_event(void **state)
{
	char *text;
	yajl_val v;

	(void)state;
	log_event(LOG_LEVEL_WARN, "db.lost", "connection %d of %s", 3, "x");
	text = slurp();
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_memory_equal(text, "{\"@timestamp\":\"20", 17);
	v = parse(text);
	assert_int_equal(strlen(get_str(v, "@timestamp")), TIME_STRLEN);
	assert_string_equal(get_str(v, "log.level"), "warn");
	assert_string_equal(get_str(v, "message"), "connection 3 of x");
	assert_string_equal(get_str(v, "event.action"), "db.lost");
	assert_string_equal(get_str(v, "service.name"), "eleusis");
	assert_string_equal(get_str(v, "service.version"), ELEUSIS_VERSION);
	assert_string_equal(get_str(v, "ecs.version"), "8.11");
	assert_int_equal(get_int(v, "process.pid"), getpid());
	yajl_tree_free(v);
	free(text);
}

static void
test_levels(void **state)
{
	char msg[100] = "", *text;

	(void)state;
	open_at(path, "warn");
	log_event(LOG_LEVEL_INFO, "a", "below");
	log_event(LOG_LEVEL_DEBUG, "a", "below");
	log_event(LOG_LEVEL_ERROR, "a", "above");
	text = slurp();
	assert_null(strstr(text, "below"));
	assert_non_null(strstr(text, "above"));
	free(text);
	assert_int_equal(log_open(path, "loud", msg, sizeof(msg)), RES_ERR);
	assert_non_null(strstr(msg, "loud"));
	assert_int_equal(
	    log_open("/nowhere/at/all", "info", msg, sizeof(msg)), RES_ERR);
	assert_non_null(strstr(msg, "/nowhere/at/all"));
}

/* What goes in and what a JSON parser gets out. */
static void
test_escapes(void **state)
{
	static const struct {
		const char *in, *out, *raw;
	} rows[] = {
		{ "q\"b\\s/", "q\"b\\s/", "q\\\"b\\\\s/" },
		{ "a\nb\r\tc\x01", "a\nb\r\tc\x01", "\\u000a" },
		{ "del\x7f", "del\x7f", "\\u007f" },
		{ "c1 \xc2\x9b[2J", "c1 \xc2\x9b[2J", "\\u009b" },
		{ "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		    "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		    "\xe2\x82\xac" },
		{ "lone \x80", "lone \xef\xbf\xbd", "\xef\xbf\xbd" },
		{ "over \xc0\xaf", "over \xef\xbf\xbd\xef\xbf\xbd", "over" },
		{ "half \xe2\x82", "half \xef\xbf\xbd\xef\xbf\xbd", "half" },
		{ "sur \xed\xa0\x80",
		    "sur \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "sur" },
		{ "big \xf4\x90\x80\x80",
		    "big \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
		    "big" },
	};
	char *text;
	yajl_val v;

	for (size_t i = 0; i < NELEM(rows); i++) {
		(void)fresh_file(state);
		log_event(LOG_LEVEL_INFO, "t", "%s", rows[i].in);
		text = slurp();
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
		assert_non_null(strstr(text, rows[i].raw));
		v = parse(text);
		assert_string_equal(get_str(v, "message"), rows[i].out);
		yajl_tree_free(v);
		free(text);
	}
}

/* The longest values, all of them needing six bytes a character. */
static void
test_longest_request(void **state)
{
	char huge[8000], *text;
	struct log_request r;
	yajl_val v;

	(void)state;
	memset(huge, '\x02', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	r = (struct log_request){ huge, huge, 503, INT64_MAX / 1000,
		SIZE_MAX / 2, SIZE_MAX / 2, huge, huge, huge, huge, huge, huge,
		huge, huge, true };
	log_request(&r);
	text = slurp();
	assert_in_range(strlen(text), 1000, 4096);
	v = parse(text);
	assert_string_equal(get_str(v, "ecs.version"), "8.11");
	assert_string_equal(get_str(v, "event.outcome"), "unknown");
	assert_string_equal(get_str(v, "labels.orphan"), "true");
	assert_non_null(strstr(get_str(v, "error.message"), "..."));
	yajl_tree_free(v);
	free(text);
}

static void
test_cut_between_characters(void **state)
{
	char in[2000], *text;
	yajl_val v;

	(void)state;
	for (size_t i = 0; i + 3 < sizeof(in); i += 3)
		memcpy(in + i, "\xe2\x82\xac", 4);
	log_request(&(struct log_request){
	    .method = "GET", .route = in, .status = 200 });
	text = slurp();
	v = parse(text);
	assert_null(strstr(get_str(v, "http.route"), "\xef\xbf\xbd"));
	yajl_tree_free(v);
	free(text);
}

static void
test_request(void **state)
{
	struct log_request r = { .method = "POST",
		.route = "/v1/patients/{id}",
		.status = 422,
		.duration_us = 1234,
		.bytes_in = 77,
		.bytes_out = 880,
		.client_ip = "2001:db8::1",
		.client_cert = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822"
			       "CD15D6C15B0F00A08",
		.user_id = "0190c3f4-0000-7000-8000-000000000001",
		.request_id = "r-1",
		.problem = "validation-failed",
		.http_version = "1.1" };
	char *text;
	yajl_val v;

	(void)state;
	log_request(&r);
	text = slurp();
	v = parse(text);
	assert_string_equal(get_str(v, "http.request.method"), "POST");
	assert_string_equal(get_str(v, "http.route"), r.route);
	assert_int_equal(get_int(v, "http.response.status_code"), 422);
	assert_int_equal(get_int(v, "event.duration"), 1234000);
	assert_int_equal(get_int(v, "http.request.body.bytes"), 77);
	assert_int_equal(get_int(v, "http.response.body.bytes"), 880);
	assert_string_equal(get_str(v, "client.ip"), r.client_ip);
	assert_string_equal(
	    get_str(v, "tls.client.hash.sha256"), r.client_cert);
	assert_string_equal(get_str(v, "user.id"), r.user_id);
	assert_string_equal(get_str(v, "http.request.id"), "r-1");
	assert_string_equal(get_str(v, "error.type"), r.problem);
	assert_string_equal(get_str(v, "event.outcome"), "failure");
	assert_string_equal(get_str(v, "log.level"), "info");
	assert_null(strstr(text, "trace.id"));
	assert_null(strstr(text, "error.message"));
	yajl_tree_free(v);
	free(text);
}

/* A worker: its lines are buffered and flushed as they come. */
static pid_t
start_writer(unsigned who)
{
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid != 0)
		return (pid);
	metrics_worker(who);
	for (unsigned i = 0; i < LINES; i++) {
		log_event(LOG_LEVEL_INFO, "test.line", "%u %u", who, i);
		if (i % 100 == 99)
			log_flush();
	}
	exit(0);
}

static void
start_writers(pid_t *pids)
{
	for (unsigned i = 0; i < WRITERS; i++)
		pids[i] = start_writer(i);
}

static void
wait_writers(const pid_t *pids)
{
	int status;

	for (unsigned i = 0; i < WRITERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

/* Counts the lines of a stream; each must be whole, each writer's in order.
 * log.dropped events are not counted. */
static unsigned
check_lines(FILE *f)
{
	int next[WRITERS] = { 0 };
	unsigned who, i, n = 0;
	char line[8192];
	yajl_val v;

	while (fgets(line, sizeof(line), f) != NULL) {
		v = parse(line);
		if (strcmp(get_str(v, "event.action"), "test.line") == 0) {
			assert_int_equal(
			    sscanf(get_str(v, "message"), "%u %u", &who, &i),
			    2);
			assert_true(who < WRITERS && (int)i >= next[who]);
			next[who] = (int)i + 1;
			n++;
		}
		yajl_tree_free(v);
	}
	return (n);
}

static void
test_writers_share_a_file(void **state)
{
	pid_t pids[WRITERS];
	FILE *f;

	(void)state;
	start_writers(pids);
	wait_writers(pids);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(check_lines(f), WRITERS * LINES);
	(void)fclose(f);
}

/* The reader waits until the pipe and a buffer have run full. */
static void
test_writers_share_a_pipe(void **state)
{
	uint64_t before = dropped_lines();
	pid_t pids[WRITERS];
	unsigned n;
	FILE *f;
	int fd;

	(void)state;
	(void)unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	assert_int_not_equal(fd, -1);
	open_at(path, "info");
	start_writers(pids);
	for (int i = 0; i < 1000 && dropped_lines() == before; i++)
		(void)usleep(10000);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	open_at("/dev/null", "info");
	f = fdopen(fd, "r");
	assert_non_null(f);
	n = check_lines(f);
	(void)fclose(f);
	wait_writers(pids);
	assert_true(dropped_lines() > before);
	assert_int_equal(n + dropped_lines() - before, WRITERS * LINES);
}

/* Lines are pending in a worker when it forks: they appear once. */
static void
test_child_drops_parents_lines(void **state)
{
	pid_t worker, child;
	char *text, *first;

	(void)state;
	worker = fork();
	if (worker == 0) {
		metrics_worker(WRITERS);
		log_event(LOG_LEVEL_INFO, "t", "pending");
		child = fork();
		if (child == 0) {
			log_event(LOG_LEVEL_INFO, "t", "of the child");
			exit(0);
		}
		(void)waitpid(child, NULL, 0);
		exit(0);
	}
	(void)waitpid(worker, NULL, 0);
	text = slurp();
	first = strstr(text, "pending");
	assert_non_null(first);
	assert_null(strstr(first + 1, "pending"));
	assert_non_null(strstr(text, "of the child"));
	free(text);
}

static void
limit_file(rlim_t bytes)
{
	struct rlimit rl;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &rl), 0);
	rl.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &rl), 0);
}

/* The file takes half a line and no more, as on a full disk; when there is
 * room again, the half line stands alone and the loss is told. */
static void
test_full_disk(void **state)
{
	uint64_t before = dropped_lines();
	char *text, *line, *rest;
	yajl_val v;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	limit_file(100);
	log_event(LOG_LEVEL_INFO, "t", "torn");
	for (unsigned i = 0; i < 1000; i++)
		log_event(LOG_LEVEL_INFO, "t", "kept or dropped");
	assert_true(dropped_lines() > before + 500);
	limit_file(RLIM_INFINITY);
	log_event(LOG_LEVEL_INFO, "t", "room again");
	text = slurp();
	line = strtok_r(text, "\n", &rest);
	assert_int_equal(strlen(line), 100);
	while ((line = strtok_r(NULL, "\n", &rest)) != NULL) {
		v = parse(line);
		if (strcmp(get_str(v, "event.action"), "log.dropped") == 0)
			before = UINT64_MAX;
		yajl_tree_free(v);
	}
	assert_true(before == UINT64_MAX);
	free(text);
}

/* logrotate's copytruncate. */
static void
test_truncated_file(void **state)
{
	char *text;

	(void)state;
	log_event(LOG_LEVEL_INFO, "t", "old");
	assert_int_equal(truncate(path, 0), 0);
	log_event(LOG_LEVEL_INFO, "t", "new");
	text = slurp();
	assert_int_equal(text[0], '{');
	assert_null(strstr(text, "old"));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_event, fresh_file),
		cmocka_unit_test_setup(test_levels, fresh_file),
		cmocka_unit_test_setup(test_escapes, fresh_file),
		cmocka_unit_test_setup(test_longest_request, fresh_file),
		cmocka_unit_test_setup(test_cut_between_characters, fresh_file),
		cmocka_unit_test_setup(test_request, fresh_file),
		cmocka_unit_test_setup(test_writers_share_a_file, fresh_file),
		cmocka_unit_test_setup(test_writers_share_a_pipe, fresh_file),
		cmocka_unit_test_setup(
		    test_child_drops_parents_lines, fresh_file),
		cmocka_unit_test_setup(test_full_disk, fresh_file),
		cmocka_unit_test_setup(test_truncated_file, fresh_file),
	};
	int rc;

	if (mkdtemp(dir) == NULL)
		return (1);
	(void)snprintf(path, sizeof(path), "%s/log", dir);
	metrics_init(WRITERS + 1, NULL, 0);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)rmdir(dir);
	return (rc);
}
