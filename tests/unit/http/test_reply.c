/*
 * reply.c and problem_reply.c: headers that cannot be split, problem
 * documents with all and only what a client may see, and docs/problems.md.
 */
#include <stdio.h>

#include "http_fixture.h"

static void
headers_are_joined(void **state UNUSED)
{
	const struct reply_header *h;
	struct fixture fx;
	unsigned n;

	fixture_start(&fx, METHOD_GET, "/x");
	reply_header(&fx.cx, "Vary", "Cookie");
	reply_header(&fx.cx, "Set-Cookie", "a=1");
	reply_header(&fx.cx, "vary", "Origin");
	reply_header(&fx.cx, "Set-Cookie", "b=2");
	assert_string_equal(reply_value(&fx.cx, "Vary"), "Cookie, Origin");
	n = 0;
	for (h = fx.cx.headers; h != NULL; h = h->next)
		n += strcasecmp(h->name, "set-cookie") == 0;
	assert_int_equal(n, 2);
	assert_false(fx.cx.broken);
	fixture_end(&fx);
}

static void
headers_cannot_be_split(void **state UNUSED)
{
	static const char *const bad[][2] = { { "X", "a\r\nY: b" },
		{ "X", "a\nb" }, { "X", "a\rb" }, { "X", "\x01" },
		{ "X", "\x7f" }, { "X Y", "a" }, { "X:", "a" }, { "", "a" },
		{ "X\r", "a" } };
	struct fixture fx;

	for (size_t i = 0; i < NELEM(bad); i++) {
		fixture_start(&fx, METHOD_GET, "/x");
		reply_header(&fx.cx, bad[i][0], bad[i][1]);
		assert_true(fx.cx.broken);
		assert_null(fx.cx.headers);
		fixture_end(&fx);
	}
}

static void
problems_are_complete(void **state UNUSED)
{
	char id[UUID_STRLEN + 1], instance[64];
	const struct jval *errors;
	struct fixture fx;
	struct jval *v;

	fixture_start(&fx, METHOD_POST, "/x");
	err_field(&fx.cx.env.err, fx.cx.env.arena, "/a", "type", "must be x");
	err_field(&fx.cx.env.err, fx.cx.env.arena, "/b~1", "min", "must be y");
	err_fail(&fx.cx.env.err, PROBLEM_VALIDATION, "2 mistakes");
	err_private(&fx.cx.env.err, "SECRET");
	reply_header(&fx.cx, "ETag", "\"1\"");
	reply_header(&fx.cx, "Location", "/y");
	reply_header(&fx.cx, "Set-Cookie", "a=1");
	reply_problem(&fx.cx);

	assert_int_equal(fx.cx.status, 422);
	assert_string_equal(fx.cx.content_type, "application/problem+json");
	assert_null(strstr(fx.cx.reply, "SECRET"));
	assert_null(reply_value(&fx.cx, "ETag"));
	assert_null(reply_value(&fx.cx, "Location"));
	assert_non_null(reply_value(&fx.cx, "Set-Cookie"));
	assert_int_equal(strlen(fx.cx.reply), fx.cx.reply_len);
	v = parse_json(fx.cx.env.arena, fx.cx.reply);
	assert_int_equal(v->n, 6);
	assert_string_equal(
	    json_get_str(v, "type"), "/problems/validation-failed");
	assert_string_equal(
	    json_get_str(v, "title"), "The body does not fit its schema");
	assert_int_equal(json_get(v, "status")->i, 422);
	assert_string_equal(json_get_str(v, "detail"), "2 mistakes");
	uuid_format(&fx.cx.request_id, id);
	snprintf(instance, sizeof(instance), "urn:uuid:%s", id);
	assert_string_equal(json_get_str(v, "instance"), instance);
	errors = json_get(v, "errors");
	assert_int_equal(errors->n, 2);
	assert_string_equal(json_get_str(errors->child, "pointer"), "/a");
	assert_string_equal(json_get_str(errors->last, "code"), "min");
	assert_string_equal(json_get_str(errors->last, "detail"), "must be y");
	fixture_end(&fx);
}

static void
problems_have_their_headers(void **state UNUSED)
{
	struct fixture fx;

	fixture_start(&fx, METHOD_GET, "/x");
	err_fail(&fx.cx.env.err, PROBLEM_UNAUTHENTICATED, "%s", "");
	reply_problem(&fx.cx);
	assert_int_equal(fx.cx.status, 401);
	assert_string_equal(reply_value(&fx.cx, "WWW-Authenticate"), "Bearer");
	assert_null(strstr(fx.cx.reply, "detail"));
	assert_null(strstr(fx.cx.reply, "errors"));
	fixture_end(&fx);

	fixture_start(&fx, METHOD_GET, "/x");
	err_fail(&fx.cx.env.err, PROBLEM_UNAVAILABLE, "%s", "");
	fx.cx.env.err.retry_after = 3;
	reply_problem(&fx.cx);
	assert_int_equal(fx.cx.status, 503);
	assert_string_equal(reply_value(&fx.cx, "Retry-After"), "3");
	fixture_end(&fx);
}

/* A handler that fails without a word must not send what it had prepared. */
static void
failing_in_silence_is_internal(void **state UNUSED)
{
	static const struct endpoint ep = { .method = METHOD_GET };
	struct fixture fx;

	fixture_start(&fx, METHOD_GET, "/x");
	fx.cx.ep = &ep;
	reply_text(&fx.cx, 200, "text/plain", "SECRET", 6);
	reply_problem(&fx.cx);
	assert_int_equal(fx.cx.status, 500);
	assert_null(strstr(fx.cx.reply, "SECRET"));
	fixture_end(&fx);
}

static void
refusals_are_problems(void **state UNUSED)
{
	static const int statuses[] = { 400, 404, 405, 408, 411, 413, 414, 417,
		421, 431, 500, 501, 503, 505 };
	struct refusal r;
	struct arena *arena;
	struct jval *v;
	struct uuid id;

	assert_int_equal(settings_load(NULL, (char[512]){ 0 }, 512), RES_OK);
	security_init();
	arena = arena_new();
	uuid_v7(&id);
	for (size_t i = 0; i < NELEM(statuses); i++) {
		refusal_make(
		    problem_of_status(statuses[i]), "so it is", &id, &r);
		assert_int_equal(strlen(r.body), r.body_len);
		v = parse_json(arena, r.body);
		assert_int_equal(json_get(v, "status")->i, statuses[i]);
		assert_non_null(json_get_str(v, "title"));
		assert_non_null(strstr(json_get_str(v, "type"), "/problems/"));
		assert_string_equal(json_get_str(v, "detail"), "so it is");
		assert_non_null(strstr(r.lines, "\r\nx-request-id: "));
		assert_memory_equal(r.lines, "date: ", 6);
	}
	assert_int_equal(problem_of_status(503), PROBLEM_BUSY);
	assert_int_equal(problem_of_status(200), PROBLEM_INTERNAL);
	arena_destroy(&arena);
}

/* The document, found from where this source is. */
static char *
read_docs(struct arena *arena)
{
	char path[400], block[4096];
	struct buf b;
	FILE *f;
	size_t n;

	n = strlen(__FILE__) - strlen("tests/unit/http/test_reply.c");
	snprintf(path, sizeof(path), "%.*sdocs/problems.md", (int)n, __FILE__);
	if ((f = fopen(path, "r")) == NULL)
		fail_msg(
		    "%s cannot be read: run from the project's root", path);
	buf_init(&b, arena, 16384);
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		buf_append(&b, block, n);
	fclose(f);

	return (b.data);
}

static void
every_problem_is_documented(void **state UNUSED)
{
	const struct problem_row *row;
	struct arena *arena;
	const char *docs, *p;
	char heading[128];
	int n;

	arena = arena_new();
	docs = read_docs(arena);
	for (enum problem id = PROBLEM_UNSET + 1; id < PROBLEM_MAX; id++) {
		row = problem_row(id);
		snprintf(heading, sizeof(heading), "\n### %s (%d)\n", row->slug,
		    row->status);
		if (strstr(docs, heading) == NULL)
			fail_msg("docs/problems.md lacks:%s", heading);
	}
	/* And nothing that there is not. */
	n = 0;
	for (p = docs; (p = strstr(p, "\n### ")) != NULL; p++)
		n++;
	assert_int_equal(n, PROBLEM_MAX - 1);
	arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_joined),
		cmocka_unit_test(headers_cannot_be_split),
		cmocka_unit_test(problems_are_complete),
		cmocka_unit_test(problems_have_their_headers),
		cmocka_unit_test(failing_in_silence_is_internal),
		cmocka_unit_test(refusals_are_problems),
		cmocka_unit_test(every_problem_is_documented),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
