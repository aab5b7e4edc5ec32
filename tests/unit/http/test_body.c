/*
 * body.c: when a body is read, by which media types, and how it is refused.
 */
#include "http_fixture.h"

static const struct field fields[] = {
	{ "a", FIELD_STRING, F_REQUIRED, 1, 10, NULL, NULL, "t" },
	{ "b", FIELD_INTEGER, F_NULLABLE, 0, 0, NULL, NULL, "t" },
};
static const struct schema schema = { "Body", "t", fields, 2 };
static const struct endpoint post = {
	.method = METHOD_POST, .body = &schema, .body_max = 40
};
static const struct endpoint put = {
	.method = METHOD_PUT, .body = &schema, .body_max = 40
};
static const struct endpoint patch = { .method = METHOD_PATCH,
	.body = &schema,
	.body_max = 40,
	.flags = EP_MERGE_PATCH };
static const struct endpoint get = { .method = METHOD_GET };

static void
start(struct fixture *fx, const struct endpoint *ep, const char *type,
    const char *body)
{
	fixture_start(fx, ep->method, "/x");
	fx->cx.ep = ep;
	if (type != NULL)
		fixture_header(fx, "Content-Type", type);
	if (body != NULL)
		fixture_body(fx, body);
}

static void
accepted(const struct endpoint *ep, const char *type, const char *body)
{
	struct fixture fx;

	start(&fx, ep, type, body);
	if (ctx_read_body(&fx.cx) != RES_OK)
		fail_msg("%s %s: %s", type, body, fx.cx.env.err.detail);
	assert_non_null(fx.cx.body);
	fixture_end(&fx);
}

static void
refused(const struct endpoint *ep, const char *type, const char *body,
    enum problem problem, const char *header)
{
	struct fixture fx;

	start(&fx, ep, type, body);
	assert_int_equal(ctx_read_body(&fx.cx), RES_ERR);
	assert_int_equal(fx.cx.env.err.problem, problem);
	assert_null(fx.cx.body);
	if (header != NULL)
		assert_non_null(reply_value(&fx.cx, header));
	fixture_end(&fx);
}

#define JSON "application/json"
#define GOOD "{\"a\":\"x\"}"

static void
json_bodies_are_read(void **state UNUSED)
{
	struct fixture fx;

	start(&fx, &post, JSON, "{\"a\":\"x\",\"b\":-3}");
	assert_int_equal(ctx_read_body(&fx.cx), RES_OK);
	assert_string_equal(json_get_str(fx.cx.body, "a"), "x");
	assert_int_equal(json_get(fx.cx.body, "b")->i, -3);
	fixture_end(&fx);
}

static void
media_types_are_json(void **state UNUSED)
{
	accepted(&post, JSON, GOOD);
	accepted(&post, "Application/JSON", GOOD);
	accepted(&post, JSON ";charset=utf-8", GOOD);
	accepted(&post, JSON " ; charset=UTF-8 ", GOOD);
	accepted(&post, JSON "; charset=\"utf-8\"", GOOD);
	accepted(&patch, JSON, "{}");
	accepted(&patch, "application/merge-patch+json", "{\"b\":null}");
	refused(
	    &post, NULL, GOOD, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "Accept-Post");
	refused(&post, "text/plain", GOOD, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
	    "Accept-Post");
	refused(&post, "application/jsonx", GOOD,
	    PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL);
	refused(&post, JSON "; charset=latin1", GOOD,
	    PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL);
	refused(&post, JSON "; charset=utf-8x", GOOD,
	    PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL);
	refused(&post, JSON " x", GOOD, PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL);
	refused(&post, "application/merge-patch+json", GOOD,
	    PROBLEM_UNSUPPORTED_MEDIA_TYPE, "Accept-Post");
	refused(&patch, "text/plain", GOOD, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
	    "Accept-Patch");
	refused(
	    &put, "text/plain", GOOD, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "Accept");
}

static void
codings_are_refused(void **state UNUSED)
{
	struct fixture fx;

	start(&fx, &post, JSON, GOOD);
	fixture_header(&fx, "content-encoding", "gzip");
	assert_int_equal(ctx_read_body(&fx.cx), RES_ERR);
	assert_int_equal(fx.cx.env.err.problem, PROBLEM_UNSUPPORTED_MEDIA_TYPE);
	assert_string_equal(reply_value(&fx.cx, "Accept-Encoding"), "identity");
	fixture_end(&fx);
}

static void
bad_bodies_are_refused(void **state UNUSED)
{
	struct fixture fx;

	refused(&post, JSON, NULL, PROBLEM_MALFORMED_JSON, NULL);
	refused(&post, JSON, "{", PROBLEM_MALFORMED_JSON, NULL);
	refused(&post, JSON, "{\"a\":\"x\"}}", PROBLEM_MALFORMED_JSON, NULL);
	refused(&post, JSON, "{\"a\":1}", PROBLEM_VALIDATION, NULL);
	refused(&post, JSON, "{}", PROBLEM_VALIDATION, NULL);
	refused(&post, JSON, "{\"a\":\"12345678901234567890123456789012\"}",
	    PROBLEM_VALIDATION, NULL);
	refused(&post, JSON, "{\"a\":\"123456789012345678901234567890123\"} ",
	    PROBLEM_CONTENT_TOO_LARGE, NULL);
	refused(&get, JSON, "{}", PROBLEM_MALFORMED_REQUEST, NULL);

	start(&fx, &get, NULL, NULL);
	assert_int_equal(ctx_read_body(&fx.cx), RES_OK);
	assert_null(fx.cx.body);
	fixture_end(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_bodies_are_read),
		cmocka_unit_test(media_types_are_json),
		cmocka_unit_test(codings_are_refused),
		cmocka_unit_test(bad_bodies_are_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
