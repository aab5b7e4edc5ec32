/*
 * The gate by itself: verdicts do not depend on how the bytes come, hosts are
 * compared in one form, paths are decoded once. The matrix of requests is
 * tests/api/test_gate.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/gate_priv.h"

#define HOST "Host: localhost:8443\r\n"

static char asked_path[GATE_TARGET_MAX + 2], asked_method[16];
static unsigned asked;

static int64_t
limit(const char *method, const char *path)
{
	asked++;
	strcpy(asked_method, method);
	strcpy(asked_path, path);

	return (strcmp(path, "/known") == 0 ? 10 : -1);
}

static struct gate_rules rules = { .body_limit = limit, .body_default = 4 };

static int
setup(void **state UNUSED)
{
	char msg[200];

	return (gate_rules_hosts(&rules, "https://localhost:8443",
		    "api.example [2001:db8::1]:9 ", true, msg,
		    sizeof(msg)) == RES_OK ?
		    0 :
		    -1);
}

static enum gate_verdict
judge(const char *text, struct gate_request *rq)
{
	struct gate_notes notes = { 0 };

	return (gate_judge(
	    &rules, &notes, (const uint8_t *)text, strlen(text), rq));
}

static void
refuses(const char *text, enum gate_reason want)
{
	struct gate_request rq;

	if (judge(text, &rq) != GATE_REFUSE || rq.reason != want)
		fail_msg("%.60s: %s, wanted %s", text,
		    gate_reason_row(rq.reason)->label,
		    gate_reason_row(want)->label);
}

static void
passes(const char *text)
{
	struct gate_request rq;

	if (judge(text, &rq) != GATE_PASS)
		fail_msg("%.60s: %s", text, gate_reason_row(rq.reason)->label);
}

/* ---- in pieces ------------------------------------------------------------
 */

static const char *const samples[] = {
	"GET /a HTTP/1.1\r\n" HOST "\r\n",
	"HEAD /a HTTP/1.1\r\n" HOST "X-A: b\r\n\r\n",
	"POST /known HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
	"POST /known HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n",
	"GET /a HTTP/1.1\r\n" HOST "X-A: b\rc\r\n\r\n",
	"GET /a HTTP/1.1\r\n" HOST "X-A: b\nc\r\n\r\n",
	"GET /a HTTP/1.1\r\n" HOST "X-A: b\r\n c\r\n\r\n",
	"GET /a HTTP/1.1\r\n" HOST "X-A: b\x01\r\n\r\n",
	"GET /a HTTP/1.1\r\n" HOST HOST "\r\n",
	"GET /a HTTP/1.1\r\n\r\n",
	"GET  /a HTTP/1.1\r\n" HOST "\r\n",
	"G(T /a HTTP/1.1\r\n" HOST "\r\n",
	"XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX / HTTP/1.1\r\n\r\n",
};

/* In two pieces at each place, and byte by byte: the same as at once. */
static void
pieces_do_not_matter(void **state UNUSED)
{
	struct gate_request whole, rq;
	struct gate_notes notes;
	enum gate_verdict want, got;
	size_t len, cut, n;

	for (size_t i = 0; i < NELEM(samples); i++) {
		const uint8_t *p = (const uint8_t *)samples[i];

		len = strlen(samples[i]);
		want = judge(samples[i], &whole);
		for (cut = 1; cut <= len; cut++) {
			memset(&notes, 0, sizeof(notes));
			got = GATE_MORE;
			for (n = cut; got == GATE_MORE; n = len) {
				got = gate_judge(&rules, &notes, p, n, &rq);
				if (n == len)
					break;
			}
			assert_int_equal(got, want);
			assert_int_equal(rq.reason, whole.reason);
			assert_int_equal(rq.head, whole.head);
		}
		memset(&notes, 0, sizeof(notes));
		got = GATE_MORE;
		for (n = 1; n <= len && got == GATE_MORE; n++)
			got = gate_judge(&rules, &notes, p, n, &rq);
		assert_true(got == want);
		assert_int_equal(rq.reason, whole.reason);
	}
}

static void
bytes_that_no_block_has(void **state UNUSED)
{
#define FIELD(bytes, why) \
	refuses("GET / HTTP/1.1\r\n" HOST "X-A: b" bytes "c\r\n\r\n", why)
	FIELD("\n", GATE_LINE_END);
	FIELD("\r", GATE_LINE_END);
	FIELD("\r\r\n", GATE_LINE_END);
	FIELD("\n\r", GATE_LINE_END);
	FIELD("\r\n ", GATE_FOLDED);
	FIELD("\r\n\t", GATE_FOLDED);
	FIELD("\x01", GATE_CONTROL);
	FIELD("\x1f", GATE_CONTROL);
	FIELD("\x7f", GATE_CONTROL);
#undef FIELD
	refuses("GET / HTTP/1.1\n" HOST "\r\n", GATE_LINE_END);
	refuses("GET / HTTP/1.1\r\n" HOST "\n", GATE_LINE_END);
	refuses("GET / HTTP/1.1\r\n" HOST "X A: b\r\n\r\n", GATE_FIELD_NAME);
	refuses("GET / HTTP/1.1\r\n" HOST "X-A : b\r\n\r\n", GATE_FIELD_NAME);
	passes("GET / HTTP/1.1\r\n" HOST "X-A:\tb\tc\xff\r\n\r\n");
}

/* Nothing is scanned again: the notes stand where the bytes end. */
static void
bytes_are_scanned_once(void **state UNUSED)
{
	static uint8_t block[GATE_HEAD_MAX];
	static const char top[] = "GET / HTTP/1.1\r\nX-A: ";
	struct gate_notes notes = { 0 };
	struct gate_request rq;

	memset(block, 'a', sizeof(block));
	memcpy(block, top, sizeof(top) - 1);
	for (size_t n = 1; n < GATE_HEAD_MAX; n++) {
		assert_int_equal(
		    gate_judge(&rules, &notes, block, n, &rq), GATE_MORE);
		assert_int_equal(notes.seen, n);
	}
	assert_int_equal(
	    gate_judge(&rules, &notes, block, GATE_HEAD_MAX, &rq), GATE_REFUSE);
	assert_int_equal(rq.reason, GATE_HEADERS_LARGE);
}

static void
sizes_end_where_they_say(void **state UNUSED)
{
	static char text[3 * GATE_HEAD_MAX];
	struct gate_request rq;
	int n;

	for (int pad = 16300; pad < 16400; pad++) {
		n = snprintf(text, sizeof(text),
		    "GET / HTTP/1.1\r\n" HOST "X: %0*d\r\n\r\n", pad, 0);
		assert_int_equal(judge(text, &rq),
		    n <= GATE_HEAD_MAX ? GATE_PASS : GATE_REFUSE);
	}
	for (int pad = 1990; pad < 2100; pad++) {
		(void)snprintf(text, sizeof(text),
		    "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", pad, 0);
		assert_int_equal(judge(text, &rq),
		    pad + 1 <= GATE_TARGET_MAX ? GATE_PASS : GATE_REFUSE);
		if (pad + 1 > GATE_TARGET_MAX)
			assert_int_equal(rq.reason, GATE_TARGET_LONG);
	}
}

/* ---- hosts ----------------------------------------------------------------
 */

static void
host(const char *name, enum gate_reason want)
{
	char text[600];

	(void)snprintf(
	    text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", name);
	if (want == GATE_UNSET)
		passes(text);
	else
		refuses(text, want);
}

static void
hosts_of_ours(void **state UNUSED)
{
	host("localhost:8443", GATE_UNSET);
	host("LocalHost:08443", GATE_UNSET);
	host("127.0.0.1:8443", GATE_UNSET);
	host("[::1]:8443", GATE_UNSET);
	host("[0:0::1]:8443", GATE_UNSET);
	host("[::0.0.0.1]:8443", GATE_UNSET);
	host("api.example", GATE_UNSET);
	host("API.example:443", GATE_UNSET);
	host("api.example:", GATE_UNSET);
	host("[2001:DB8:0::1]:9", GATE_UNSET);
	host("localhost", GATE_HOST_OTHER);
	host("localhost:443", GATE_HOST_OTHER);
	host("api.example:8443", GATE_HOST_OTHER);
	host("api.example.", GATE_HOST_OTHER);
	host("127.0.0.2:8443", GATE_HOST_OTHER);
	host("127.1:8443", GATE_HOST_OTHER);
	host("[::2]:8443", GATE_HOST_OTHER);
	host("[2001:db8::1]", GATE_HOST_OTHER);
	host("%6cocalhost:8443", GATE_HOST_OTHER);
	host("[::ffff:127.0.0.1]:8443", GATE_HOST_OTHER);
	host("[v1.x]:8443", GATE_HOST_FORM);
	host("[]:8443", GATE_HOST_FORM);
	host("[", GATE_HOST_FORM);
	host("]", GATE_HOST_FORM);
	host("a b", GATE_HOST_FORM);
	host("a%2", GATE_HOST_FORM);
	host("a:99999999999999999999", GATE_HOST_FORM);
}

static void
lists_of_hosts(void **state UNUSED)
{
	struct gate_rules r = { 0 };
	char msg[200];

	assert_int_equal(
	    gate_rules_hosts(&r, "https://a.example", "", false, msg, 200),
	    RES_OK);
	assert_int_equal(r.nhosts, 1);
	assert_int_equal(
	    gate_rules_hosts(&r, "ftp://a.example", "", false, msg, 200),
	    RES_ERR);
	assert_int_equal(
	    gate_rules_hosts(&r, "https://a.example/", "", false, msg, 200),
	    RES_ERR);
	assert_int_equal(gate_rules_hosts(&r, "https://a.example",
			     "b.example c/d", false, msg, 200),
	    RES_ERR);
	assert_non_null(strstr(msg, "c/d"));
	assert_int_equal(gate_rules_hosts(&r, "http://a.example",
			     "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 "
			     "20 21 22 23 24 25 26 27 28 29 30 31 32",
			     false, msg, 200),
	    RES_ERR);
}

static bool
ours(const struct gate_rules *r, const char *text)
{
	struct gate_host h;

	assert_int_equal(gate_host_parse(text, strlen(text), &h), RES_OK);

	return (gate_host_ours(r, &h));
}

/* What one listener answers for the other one never does. */
static void
hosts_of_two_listeners(void **state UNUSED)
{
	static const char more[] = "b.example M.example:9 m.example [::1]:8";
	static struct gate_rules open, own;
	char msg[200];

	assert_int_equal(gate_rules_hosts(&open, "https://a.example:7", more,
			     true, msg, sizeof(msg)),
	    RES_OK);
	assert_int_equal(
	    gate_rules_without(&open, "m.Example", msg, sizeof(msg)), RES_OK);
	assert_true(ours(&open, "a.example:7"));
	assert_true(ours(&open, "b.example"));
	assert_true(ours(&open, "localhost:7"));
	assert_true(ours(&open, "[::1]:8"));
	assert_false(ours(&open, "m.example:9"));
	assert_false(ours(&open, "m.example"));

	assert_int_equal(
	    gate_rules_own(&own, "m.example:10", more, msg, sizeof(msg)),
	    RES_OK);
	assert_int_equal(
	    gate_rules_own(&own, "m.example:11", more, msg, sizeof(msg)),
	    RES_OK);
	assert_true(ours(&own, "m.example:9"));
	assert_true(ours(&own, "m.example:10"));
	assert_true(ours(&own, "m.example:11"));
	assert_true(ours(&own, "M.example:443"));
	assert_false(ours(&own, "m.example:12"));
	assert_false(ours(&own, "a.example:7"));
	assert_false(ours(&own, "b.example"));
	assert_false(ours(&own, "localhost:7"));
	assert_false(ours(&own, "[::1]:8"));
}

static void
names_of_two_listeners_differ(void **state UNUSED)
{
	static struct gate_rules r;
	char msg[200];

	assert_int_equal(gate_rules_hosts(&r, "https://a.example:7", "", false,
			     msg, sizeof(msg)),
	    RES_OK);
	assert_int_equal(
	    gate_rules_without(&r, "A.example", msg, sizeof(msg)), RES_ERR);
	assert_non_null(strstr(msg, "A.example"));
	assert_int_equal(
	    gate_rules_without(&r, "a b", msg, sizeof(msg)), RES_ERR);
	assert_int_equal(
	    gate_rules_own(&r, "m.example:http", "", msg, sizeof(msg)),
	    RES_ERR);
}

/* ---- targets --------------------------------------------------------------
 */

static void
path_becomes(const char *target, const char *want)
{
	char text[300], copy[200];

	(void)snprintf(text, sizeof(text),
	    "POST %s HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", target);
	asked = 0;
	passes(text);
	assert_int_equal(asked, 1);
	assert_string_equal(asked_path, want);
	/* And Kore is given the same. */
	strcpy(copy, target);
	copy[strcspn(copy, "?")] = '\0';
	assert_string_equal(gate_target_path(copy), want);
}

static void
paths_are_decoded_once(void **state UNUSED)
{
	path_becomes("/a/b", "/a/b");
	path_becomes("/", "/");
	path_becomes("/a?b=%zz", "/a");
	path_becomes("/%61%2562", "/a%62");
	path_becomes("/a%20b%3Fc%23", "/a b?c#");
	path_becomes("/%c3%ad", "/\xc3\xad");
	path_becomes("/...", "/...");
	path_becomes("/.a/..b/c../d.", "/.a/..b/c../d.");
	path_becomes("https://localhost:8443/x%79", "/xy");
	path_becomes("HTTPS://LOCALHOST:8443", "/");
	path_becomes("https://localhost:8443?a/b", "/");
	assert_string_equal(asked_method, "POST");
}

static void
other_targets(void **state UNUSED)
{
	static const struct {
		const char *target;
		enum gate_reason why;
	} of[] = {
		{ "/..", GATE_DOT_SEGMENT },
		{ "/a/.", GATE_DOT_SEGMENT },
		{ "/%2e/", GATE_DOT_SEGMENT },
		{ "/a/%2E./b", GATE_DOT_SEGMENT },
		{ "/%", GATE_ESCAPE },
		{ "/%1", GATE_ESCAPE },
		{ "/%g0", GATE_ESCAPE },
		{ "/%2?f", GATE_ESCAPE },
		{ "/%00", GATE_PATH_BYTES },
		{ "/%2f", GATE_PATH_BYTES },
		{ "/%5C", GATE_PATH_BYTES },
		{ "/%1f", GATE_PATH_BYTES },
		{ "/%7f", GATE_PATH_BYTES },
		{ "/%ff", GATE_PATH_BYTES },
		{ "/%c0%80", GATE_PATH_BYTES },
		{ "/a#b", GATE_TARGET },
		{ "/\\", GATE_TARGET },
		{ "/?\\", GATE_TARGET },
		{ "a", GATE_TARGET },
		{ "*", GATE_TARGET },
		{ "?", GATE_TARGET },
		{ "://x", GATE_TARGET },
		{ "localhost:8443", GATE_TARGET },
		{ "https://a@localhost:8443/", GATE_TARGET },
		{ "http://localhost:8443/", GATE_HOST_OTHER },
		{ "https://x/", GATE_HOST_OTHER },
		{ "https://api.example/", GATE_HOST_DIFFERS },
	};
	char text[300];

	for (size_t i = 0; i < NELEM(of); i++) {
		(void)snprintf(text, sizeof(text),
		    "GET %s HTTP/1.1\r\n" HOST "\r\n", of[i].target);
		refuses(text, of[i].why);
	}
	passes("OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
}

/* ---- framing --------------------------------------------------------------
 */

static void
bodies(void **state UNUSED)
{
	struct gate_request rq;

	asked = 0;
	assert_int_equal(
	    judge("GET /known HTTP/1.1\r\n" HOST "\r\n", &rq), GATE_PASS);
	assert_int_equal(asked, 0); /* costs nothing without a body */
	assert_int_equal(
	    judge("POST /known HTTP/1.1\r\n" HOST "Content-Length: 10\r\n"
		  "Expect: 100-continue\r\n\r\n",
		&rq),
	    GATE_PASS);
	assert_true(rq.go_on && rq.known);
	assert_int_equal(rq.body_len, 10);
	assert_int_equal(
	    judge("POST /else HTTP/1.1\r\n" HOST "Content-Length: 4\r\n"
		  "Expect: 100-continue\r\n\r\n",
		&rq),
	    GATE_PASS);
	assert_true(rq.go_on && !rq.known);
	assert_int_equal(
	    judge("POST /known HTTP/1.0\r\n" HOST "Content-Length: 10\r\n"
		  "Expect: 100-continue\r\n\r\n",
		&rq),
	    GATE_PASS);
	assert_false(rq.go_on);
	refuses("POST /known HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n",
	    GATE_BODY_LARGE);
	refuses("POST /else HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n",
	    GATE_BODY_LARGE);
	refuses("POST /known HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nab",
	    GATE_SURPLUS);
	passes("GET / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n\r\n");
	refuses("PUT / HTTP/1.1\r\n" HOST "\r\n", GATE_LENGTH_MISSING);
	passes("DELETE / HTTP/1.1\r\n" HOST "\r\n");
}

static void
codings(void **state UNUSED)
{
#define TE(value, why)                                                     \
	refuses("POST /known HTTP/1.1\r\n" HOST "Transfer-Encoding:" value \
		"\r\n\r\n",                                                \
	    why)
	TE("chunked", GATE_LENGTH_MISSING);
	TE(" \tChunked ", GATE_LENGTH_MISSING);
	TE(" gzip , chunked", GATE_CODING);
	TE(" gzip;q=1, chunked", GATE_CODING);
	TE(" gzip", GATE_CODING_FORM);
	TE("", GATE_CODING_FORM);
	TE(" ,chunked", GATE_CODING_FORM);
	TE(" chunked,", GATE_CODING_FORM);
	TE(" chunked, chunked", GATE_CODING_FORM);
	TE(" chunked x", GATE_CODING_FORM);
	TE(" \"chunked\"", GATE_CODING_FORM);
	TE(" chunked\r\nContent-Length: 1", GATE_LENGTH_CODING);
#undef TE
}

static void
every_reason_says_what_is_wrong(void **state UNUSED)
{
	for (unsigned r = GATE_UNSET + 1; r < GATE_REASON_MAX; r++) {
		const struct gate_reason_row *row =
		    gate_reason_row((enum gate_reason)r);

		assert_true(row->problem != PROBLEM_UNSET);
		assert_true(problem_row(row->problem)->status >= 400);
		assert_true(strlen(row->detail) > 20);
		assert_true(strspn(row->label, "abcdefghijklmnopqrstuvwxyz-") ==
			    strlen(row->label));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_do_not_matter),
		cmocka_unit_test(bytes_that_no_block_has),
		cmocka_unit_test(bytes_are_scanned_once),
		cmocka_unit_test(sizes_end_where_they_say),
		cmocka_unit_test(hosts_of_ours),
		cmocka_unit_test(lists_of_hosts),
		cmocka_unit_test(hosts_of_two_listeners),
		cmocka_unit_test(names_of_two_listeners_differ),
		cmocka_unit_test(paths_are_decoded_once),
		cmocka_unit_test(other_targets),
		cmocka_unit_test(bodies),
		cmocka_unit_test(codings),
		cmocka_unit_test(every_reason_says_what_is_wrong),
	};

	return (cmocka_run_group_tests(tests, setup, NULL));
}
