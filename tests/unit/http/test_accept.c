/*
 * accept.c: which Accept headers leave room for JSON, which codings for gzip.
 */
#include "http_fixture.h"

static const struct schema thing = { "Thing", "t", NULL, 0 };

static void
ranges(void **state UNUSED)
{
	static const struct {
		const char *value;
		bool json;
	} rows[] = {
		{ "", true },
		{ " , ,", true },
		{ "*/*", true },
		{ "application/json", true },
		{ "Application/JSON ; charset=utf-8", true },
		{ "application/*", true },
		{ "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", true },
		{ "text/html;q=1, application/json;q=0.001", true },
		{ "application/json;q=1.000", true },
		{ "*/*;q=0, application/json", true },
		{ "application/json, */*;q=0", true },
		{ "application/*;q=0,application/json;q=0.1", true },
		{ "text/html", false },
		{ "application/xml, text/*", false },
		{ "application/problem+json", false },
		{ "application/jsonp", false },
		{ "application/jso", false },
		{ "application/json;q=0", false },
		{ "application/json; Q=0.000 , */*", false },
		{ "*/*, application/json;x=1;q=0.", false },
		{ "application/*;q=0, */*", false },
		{ "*/*;q=0", false },
		{ "json", false },
	};

	for (size_t i = 0; i < NELEM(rows); i++)
		if (accept_has_json(rows[i].value) != rows[i].json)
			fail_msg("wrong about \"%s\"", rows[i].value);
}

static void
codings(void **state UNUSED)
{
	static const struct {
		const char *value;
		bool gzip;
	} rows[] = {
		{ "gzip, deflate, br, zstd", true },
		{ "GZip", true },
		{ "br;q=1.0, gzip;q=0.5", true },
		{ "*", true },
		{ "identity, *;q=0.1", true },
		{ "*;q=0, gzip", true },
		{ "", false },
		{ "br", false },
		{ "identity", false },
		{ "gzip;q=0, *", false },
		{ "gzip;q=0.000", false },
		{ "*;q=0", false },
		{ "gzipped", false },
	};

	for (size_t i = 0; i < NELEM(rows); i++)
		if (accept_has_gzip(rows[i].value) != rows[i].gzip)
			fail_msg("wrong about \"%s\"", rows[i].value);
}

static enum problem
answer(const struct schema *reply, const char *one, const char *two)
{
	struct endpoint ep = { .reply = reply };
	struct fixture fx;
	enum problem problem;

	fixture_start(&fx, METHOD_GET, "/x");
	if (one != NULL)
		fixture_header(&fx, "Accept", one);
	if (two != NULL)
		fixture_header(&fx, "accept", two);
	fx.cx.ep = &ep;
	if (accept_check(&fx.cx) == RES_OK)
		assert_int_equal(fx.cx.env.err.problem, PROBLEM_UNSET);
	problem = fx.cx.env.err.problem;
	fixture_end(&fx);

	return (problem);
}

static void
rows_that_answer_in_json(void **state UNUSED)
{
	assert_int_equal(answer(&thing, NULL, NULL), PROBLEM_UNSET);
	assert_int_equal(
	    answer(&thing, "text/html", NULL), PROBLEM_NOT_ACCEPTABLE);
	assert_int_equal(
	    answer(&thing, "text/html", "application/json"), PROBLEM_UNSET);
	assert_int_equal(
	    answer(&thing, "text/html", "text/plain"), PROBLEM_NOT_ACCEPTABLE);
	assert_int_equal(answer(NULL, "text/html", NULL), PROBLEM_UNSET);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(codings),
		cmocka_unit_test(rows_that_answer_in_json),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
