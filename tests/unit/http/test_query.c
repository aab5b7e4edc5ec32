/*
 * query.c: typed values out of a query string, and everything in it that two
 * parsers could read differently.
 */
#include "http_fixture.h"

static const struct field fields[] = {
	{ "limit", FIELD_INTEGER, 0, 1, 100, NULL, NULL, "t" },
	{ "text", FIELD_STRING, 0, 1, 20, NULL, NULL, "t" },
	{ "level", FIELD_NUMBER, 0, 0, 0, NULL, NULL, "t" },
	{ "flag", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL, "t" },
	{ "id", FIELD_UUID, 0, 0, 0, NULL, NULL, "t" },
};
static const struct schema schema = { "Query", "t", fields, NELEM(fields) };
static const struct endpoint with = { .method = METHOD_GET, .query = &schema };
static const struct endpoint without = { .method = METHOD_GET };

static enum res
read_query(struct fixture *fx, const struct endpoint *ep, const char *query)
{
	fixture_start(fx, METHOD_GET, "/x");
	fx->cx.ep = ep;
	fx->cx.query_string = query;

	return (ctx_read_query(&fx->cx));
}

static void
values_are_typed(void **state UNUSED)
{
	const struct jval *v;
	struct fixture fx;

	assert_int_equal(read_query(&fx, &with,
			     "limit=20&text=a+b%2Bc%C3%A4&"
			     "level=-1.5e1&flag=true"),
	    RES_OK);
	v = json_get(fx.cx.query, "limit");
	assert_int_equal(v->type, J_INT);
	assert_int_equal(v->i, 20);
	assert_string_equal(v->s, "20");
	assert_string_equal(json_get_str(fx.cx.query, "text"), "a b+c\xc3\xa4");
	v = json_get(fx.cx.query, "level");
	assert_true(v->d == -15.0);
	v = json_get(fx.cx.query, "flag");
	assert_int_equal(v->type, J_BOOL);
	assert_true(v->b);
	assert_null(json_get(fx.cx.query, "id"));
	fixture_end(&fx);
}

static void
no_query_is_an_empty_one(void **state UNUSED)
{
	static const char *const queries[] = { NULL, "", "&&" };
	struct fixture fx;

	for (size_t i = 0; i < NELEM(queries); i++) {
		assert_int_equal(read_query(&fx, &with, queries[i]), RES_OK);
		assert_int_equal(fx.cx.query->n, 0);
		fixture_end(&fx);
		assert_int_equal(read_query(&fx, &without, queries[i]), RES_OK);
		assert_non_null(fx.cx.query);
		fixture_end(&fx);
	}
}

static void
refused(const char *query, const char *pointer, const char *code)
{
	struct fixture fx;

	assert_int_equal(read_query(&fx, &with, query), RES_ERR);
	assert_int_equal(fx.cx.env.err.problem, PROBLEM_INVALID_QUERY);
	assert_null(fx.cx.query);
	if (pointer != NULL)
		assert_mistake(&fx.cx.env.err, pointer, code);
	else
		assert_int_equal(fx.cx.env.err.nfields, 0);
	fixture_end(&fx);
}

static void
mistakes_have_pointers(void **state UNUSED)
{
	struct fixture fx;

	refused("limit=0", "?limit", "min");
	refused("limit=101", "?limit", "max");
	refused("limit=99999999999999999999", "?limit", "type");
	refused("limit=", "?limit", "type");
	refused("limit", "?limit", "type");
	refused("limit=%2B5", "?limit", "type");
	refused("limit=5%00", "?limit", "type");
	refused("level=nan", "?level", "type");
	refused("flag=1", "?flag", "type");
	refused("id=x", "?id", "format");
	refused("text=", "?text", "min_length");
	refused("text=a%00b", "?text", "format");
	refused("colour=red", "?colour", "unknown");
	refused("limit=1&limit=1", "?limit", "duplicate");

	assert_int_equal(
	    read_query(&fx, &with, "limit=x&colour=1&id=2"), RES_ERR);
	assert_int_equal(fx.cx.env.err.nfields, 3);
	fixture_end(&fx);
	assert_int_equal(read_query(&fx, &without, "a=1"), RES_ERR);
	assert_mistake(&fx.cx.env.err, "?a", "unknown");
	fixture_end(&fx);
}

static void
malformed_encodings_are_refused(void **state UNUSED)
{
	refused("text=%", NULL, NULL);
	refused("text=%4", NULL, NULL);
	refused("text=%4g", NULL, NULL);
	refused("text=%C3", NULL, NULL);
	refused("text=%ED%A0%80", NULL, NULL);
	refused("text=\xc3\xa4", NULL, NULL);
	refused("text=a b", NULL, NULL);
	refused("te%00xt=1", NULL, NULL);
	refused("=1", NULL, NULL);
	refused("=", NULL, NULL);
	refused("a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v&w&x&y&z&"
		"a0&a1&a2&a3&a4&a5&a6",
	    NULL, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_typed),
		cmocka_unit_test(no_query_is_an_empty_one),
		cmocka_unit_test(mistakes_have_pointers),
		cmocka_unit_test(malformed_encodings_are_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
