/*
 * schema.c: every code, its pointer, the cap, merge patches, and that no
 * value comes back in a detail.
 */
#include <math.h>

#include "http_fixture.h"

static const struct field inner_fields[] = {
	{ "a/b", FIELD_INTEGER, F_REQUIRED, 0, 0, NULL, NULL, "t" },
	{ "c~d", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL, "t" },
};
static const struct schema inner = { "Inner", "t", inner_fields, 2 };
static const struct field fields[] = {
	{ "name", FIELD_STRING, F_REQUIRED, 2, 5, NULL, NULL, "t" },
	{ "count", FIELD_INTEGER, 0, 1, 10, NULL, NULL, "t" },
	{ "level", FIELD_NUMBER, 0, -INFINITY, 2.5, NULL, NULL, "t" },
	{ "flag", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL, "t" },
	{ "id", FIELD_UUID, 0, 0, 0, NULL, NULL, "t" },
	{ "day", FIELD_DATE, 0, 0, 0, NULL, NULL, "t" },
	{ "at", FIELD_TIME, 0, 0, 0, NULL, NULL, "t" },
	{ "kind", FIELD_ENUM, 0, 0, 0, "red|green|blue", NULL, "t" },
	{ "inner", FIELD_OBJECT, 0, 0, 0, NULL, &inner, "t" },
	{ "free", FIELD_OBJECT, 0, 0, 0, NULL, NULL, "t" },
	{ "map", FIELD_NUMBER_MAP, 0, 0, 0, NULL, NULL, "t" },
	{ "values", FIELD_VALUE_MAP, 0, -5, 5, NULL, NULL, "t" },
	{ "list", FIELD_ARRAY, 0, 1, 3, NULL, &inner, "t" },
	{ "tags", FIELD_ARRAY, 0, 0, 0, NULL, NULL, "t" },
	{ "note", FIELD_STRING, F_NULLABLE, 0, 0, NULL, NULL, "t" },
	{ "made", FIELD_TIME, F_REQUIRED | F_REPLY_ONLY, 0, 0, NULL, NULL,
	    "t" },
};
static const struct schema schema = { "All", "t", fields, NELEM(fields) };

static struct arena *arena;
static struct err err;

static int
start(void **state UNUSED)
{
	arena = arena_new();

	return (0);
}

static int
stop(void **state UNUSED)
{
	arena_destroy(&arena);

	return (0);
}

static enum res
check_as(const char *text, bool patch)
{
	err_clear(&err);

	return (schema_check(&schema, parse_json(arena, text), patch,
	    PROBLEM_UNSET, arena, &err));
}

static void
accepted(const char *text)
{
	if (check_as(text, false) != RES_OK)
		fail_msg("%s: %s %s %s", text, err.fields->pointer,
		    err.fields->code, err.fields->detail);
}

/* Exactly one mistake, this one. */
static void
refused(const char *text, const char *pointer, const char *code)
{
	assert_int_equal(check_as(text, false), RES_ERR);
	assert_int_equal(err.problem, PROBLEM_VALIDATION);
	if (err.nfields != 1)
		fail_msg("%s: %u mistakes", text, err.nfields);
	assert_string_equal(err.fields->pointer, pointer);
	assert_string_equal(err.fields->code, code);
}

#define WITH(member) "{\"name\":\"abc\"," member "}"

static void
right_values_pass(void **state UNUSED)
{
	accepted("{\"name\":\"abc\"}");
	accepted("{\"name\":\"\xc3\xa4\xf0\x9f\x98\x80\"}");
	accepted("{\"name\":\"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xe2\x82\xac\"}");
	accepted(WITH("\"count\":1"));
	accepted(WITH("\"count\":10"));
	accepted(WITH("\"level\":2.5"));
	accepted(WITH("\"level\":-1e300"));
	accepted(WITH("\"level\":2"));
	accepted(WITH("\"id\":\"01890000-0000-7000-8000-0000000000ab\""));
	accepted(WITH("\"day\":\"2024-02-29\""));
	accepted(WITH("\"at\":\"2024-02-29T23:59:59+01:00\""));
	accepted(WITH("\"kind\":\"red\""));
	accepted(WITH("\"kind\":\"blue\""));
	accepted(WITH("\"inner\":{\"a/b\":1}"));
	accepted(WITH("\"free\":{\"x\":[1,{\"y\":\"z\\n\"}]}"));
	accepted(WITH("\"map\":{\"a\":1,\"b\":null,\"c\":1.5}"));
	accepted(WITH("\"values\":{\"a\":1,\"b\":null,\"c\":true,"
		      "\"d\":\"male\",\"e\":\"\"}"));
	accepted(WITH("\"list\":[{\"a/b\":1}]"));
	accepted(WITH("\"tags\":[\"a\",\"\"]"));
	accepted(WITH("\"note\":null"));
	accepted(WITH("\"note\":\"a\\n\\tb\""));
}

static void
wrong_types_are_named(void **state UNUSED)
{
	refused("{\"name\":1}", "/name", "type");
	refused(WITH("\"count\":\"1\""), "/count", "type");
	refused(WITH("\"count\":1.5"), "/count", "type");
	refused(WITH("\"count\":1e0"), "/count", "type");
	refused(WITH("\"level\":true"), "/level", "type");
	refused(WITH("\"flag\":0"), "/flag", "type");
	refused(WITH("\"id\":5"), "/id", "type");
	refused(WITH("\"inner\":[]"), "/inner", "type");
	refused(WITH("\"free\":[]"), "/free", "type");
	refused(WITH("\"map\":{\"a\":\"1\"}"), "/map/a", "type");
	refused(WITH("\"map\":{\"a\":true}"), "/map/a", "type");
	refused(WITH("\"map\":[]"), "/map", "type");
	refused(WITH("\"values\":[]"), "/values", "type");
	refused(WITH("\"values\":{\"a\":[]}"), "/values/a", "type");
	refused(WITH("\"values\":{\"a\":{}}"), "/values/a", "type");
	refused(WITH("\"values\":{\"a\":6}"), "/values/a", "max");
	refused(WITH("\"values\":{\"a\":\"x\\u0000\"}"), "/values/a", "format");
	refused(WITH("\"list\":{}"), "/list", "type");
	refused(WITH("\"tags\":[\"a\",1]"), "/tags/1", "type");
	refused(WITH("\"flag\":null"), "/flag", "null");
	refused(WITH("\"tags\":[null]"), "/tags/0", "null");
	refused("[]", "", "type");
	refused("null", "", "type");
}

static void
limits_and_formats_are_named(void **state UNUSED)
{
	refused("{\"name\":\"a\"}", "/name", "min_length");
	refused("{\"name\":\"abcdef\"}", "/name", "max_length");
	refused("{\"name\":\"\xc3\xa4\"}", "/name", "min_length");
	refused(WITH("\"count\":0"), "/count", "min");
	refused(WITH("\"count\":11"), "/count", "max");
	refused(WITH("\"level\":2.6"), "/level", "max");
	refused(WITH("\"list\":[]"), "/list", "min_length");
	refused(WITH("\"kind\":\"re\""), "/kind", "enum");
	refused(WITH("\"kind\":\"red|green\""), "/kind", "enum");
	refused(WITH("\"kind\":\"\""), "/kind", "enum");
	refused(WITH("\"id\":\"x\""), "/id", "format");
	refused(WITH("\"day\":\"2023-02-29\""), "/day", "format");
	refused(WITH("\"at\":\"2023-01-01\""), "/at", "format");
	refused("{\"name\":\"a\\u0000b\"}", "/name", "format");
	refused(WITH("\"kind\":\"red\\u0000\""), "/kind", "format");
	refused(WITH("\"note\":\"a\\u001bb\""), "/note", "format");
	refused(WITH("\"note\":\"a\\rb\""), "/note", "format");
	refused(WITH("\"free\":{\"x\":[\"\\u0000\"]}"), "/free", "format");
	refused(WITH("\"map\":{\"\\u0001\":1}"), "/map", "format");
}

static void
unknown_and_missing_members_are_named(void **state UNUSED)
{
	refused("{}", "/name", "required");
	refused(WITH("\"inner\":{}"), "/inner/a~1b", "required");
	refused(WITH("\"inner\":{\"a/b\":1,\"c~d\":2}"), "/inner/c~0d", "type");
	refused(WITH("\"list\":[{\"a/b\":1},{\"a/b\":\"\"}]"), "/list/1/a~1b",
	    "type");
	refused(WITH("\"x/y~z\":1"), "/x~1y~0z", "unknown");
	refused(WITH("\"\":1"), "/", "unknown");
	refused(WITH("\"made\":\"2024-01-01T00:00:00Z\""), "/made", "unknown");
}

static void
long_unknown_names_are_not_repeated(void **state UNUSED)
{
	char *text;

	text = arena_printf(arena, "{\"name\":\"abc\",\"%0100d\":1}", 7);
	refused(text, "", "unknown");
	text =
	    arena_printf(arena, "{\"name\":\"abc\",\"map\":{\"%0100d\":1}}", 7);
	refused(text, "/map", "max_length");
	text = arena_printf(
	    arena, "{\"name\":\"abc\",\"values\":{\"a\":\"%065d\"}}", 7);
	refused(text, "/values/a", "max_length");
}

static void
all_mistakes_come_at_once(void **state UNUSED)
{
	assert_int_equal(check_as("{\"count\":0,\"x\":1,\"flag\":\"\","
				  "\"inner\":{\"a/b\":null}}",
			     false),
	    RES_ERR);
	assert_int_equal(err.nfields, 5);
	assert_mistake(&err, "/count", "min");
	assert_mistake(&err, "/x", "unknown");
	assert_mistake(&err, "/flag", "type");
	assert_mistake(&err, "/inner/a~1b", "null");
	assert_mistake(&err, "/name", "required");
}

static void
at_most_50_mistakes_are_kept(void **state UNUSED)
{
	const struct err_field *f;
	struct buf b;
	unsigned n;

	buf_init(&b, arena, 1000);
	buf_puts(&b, "{\"x\":0");
	for (int i = 0; i < 200; i++)
		buf_printf(&b, ",\"x%d\":0", i);
	buf_puts(&b, "}");
	assert_int_equal(check_as(b.data, false), RES_ERR);
	n = 0;
	for (f = err.fields; f != NULL; f = f->next)
		n++;
	assert_int_equal(n, 50);
	assert_int_equal(err.nfields, 50);
}

static void
maps_are_bounded(void **state UNUSED)
{
	struct buf b;

	buf_init(&b, arena, 1000);
	buf_puts(&b, "{\"name\":\"abc\",\"map\":{\"x\":0");
	for (int i = 0; i < 255; i++)
		buf_printf(&b, ",\"x%d\":0", i);
	accepted(arena_printf(arena, "%s}}", b.data));
	refused(
	    arena_printf(arena, "%s,\"y\":0}}", b.data), "/map", "max_length");
}

static void
merge_patches_need_nothing(void **state UNUSED)
{
	assert_int_equal(check_as("{}", true), RES_OK);
	assert_int_equal(check_as("{\"note\":null}", true), RES_OK);
	assert_int_equal(check_as("{\"inner\":{}}", true), RES_OK);
	assert_int_equal(check_as("{\"name\":null}", true), RES_ERR);
	assert_mistake(&err, "/name", "null");
	/* An array is replaced as a whole. */
	assert_int_equal(check_as("{\"list\":[{}]}", true), RES_ERR);
	assert_mistake(&err, "/list/0/a~1b", "required");
}

static void
details_repeat_no_value(void **state UNUSED)
{
	const struct err_field *f;

	assert_int_equal(
	    check_as(
		"{\"name\":\"SECRET\",\"count\":77777,"
		"\"level\":99999,\"id\":\"SECRET\",\"day\":\"SECRET\","
		"\"at\":\"SECRET\",\"kind\":\"SECRET\",\"flag\":\"SECRET\"}",
		false),
	    RES_ERR);
	assert_int_equal(err.nfields, 8);
	assert_null(strstr(err.detail, "SECRET"));
	for (f = err.fields; f != NULL; f = f->next) {
		assert_null(strstr(f->detail, "SECRET"));
		assert_null(strstr(f->detail, "77777"));
		assert_null(strstr(f->detail, "99999"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(right_values_pass, start, stop),
		cmocka_unit_test_setup_teardown(
		    wrong_types_are_named, start, stop),
		cmocka_unit_test_setup_teardown(
		    limits_and_formats_are_named, start, stop),
		cmocka_unit_test_setup_teardown(
		    unknown_and_missing_members_are_named, start, stop),
		cmocka_unit_test_setup_teardown(
		    long_unknown_names_are_not_repeated, start, stop),
		cmocka_unit_test_setup_teardown(
		    all_mistakes_come_at_once, start, stop),
		cmocka_unit_test_setup_teardown(
		    at_most_50_mistakes_are_kept, start, stop),
		cmocka_unit_test_setup_teardown(maps_are_bounded, start, stop),
		cmocka_unit_test_setup_teardown(
		    merge_patches_need_nothing, start, stop),
		cmocka_unit_test_setup_teardown(
		    details_repeat_no_value, start, stop),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
