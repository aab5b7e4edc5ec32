/*
 * json_parse.c: which texts are taken and which refused (RFC 8259 and our
 * bounds), and that what was taken says what the text said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

struct text {
	const char *s;
	size_t len;
};
#define TEXT(s)                  \
	{                        \
		s, sizeof(s) - 1 \
	}

static const struct text good[] = {
	TEXT("null"),
	TEXT(" true "),
	TEXT("false"),
	TEXT("0"),
	TEXT("-0"),
	TEXT("12"),
	TEXT("-1.5e-3"),
	TEXT("1E+2"),
	TEXT("1e-400"),
	TEXT("9223372036854775808"),
	TEXT("\"\""),
	TEXT("\"a\\u0000b\""),
	TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
	TEXT("\"\\ud83d\\ude00\""),
	TEXT("\"\\uD7FF\\uE000\""),
	TEXT("\"\\\\ud800\""),
	TEXT("\"\xf0\x9f\x98\x80\""),
	TEXT("\"\x7f\""),
	TEXT("[]"),
	TEXT("[ ]"),
	TEXT("{}"),
	TEXT("\t\r\n{ \"a\" : [ 1 , 2 ] }\n"),
	TEXT("[[[[[[[[[[]]]]]]]]]]"),
	TEXT("{\"\":0}"),
	TEXT("{\"a\":1,\"A\":1}"),
	TEXT("[{\"a\":1},{\"a\":1}]"),
	TEXT("{\"a\":{\"a\":{\"a\":1}}}"),
};

static const struct text bad[] = {
	TEXT(""),
	TEXT(" "),
	TEXT("nul"),
	TEXT("nulll"),
	TEXT("True"),
	TEXT("NaN"),
	TEXT("Infinity"),
	TEXT("-Infinity"),
	TEXT("[NaN]"),
	TEXT("01"),
	TEXT("-"),
	TEXT("+1"),
	TEXT(".5"),
	TEXT("1."),
	TEXT("1e"),
	TEXT("0x10"),
	TEXT("1e400"),
	TEXT("-1e400"),
	TEXT("\""),
	TEXT("\"a"),
	TEXT("'a'"),
	TEXT("\"\\x41\""),
	TEXT("\"\\u12\""),
	TEXT("\"\\u12g4\""),
	TEXT("\"\\ud800\""),
	TEXT("\"\\ud800x\""),
	TEXT("\"\\ud800\\n\""),
	TEXT("\"\\ud800\\u0041\""),
	TEXT("\"\\ud800\\ud800\""),
	TEXT("\"\\udc00\""),
	TEXT("\"\\ud83d\\ude00\\udc00\""),
	TEXT("\"\\ud800"),
	TEXT("\"\\ud800\\u"),
	TEXT("\"\\"),
	TEXT("\"\n\""),
	TEXT("\"\x01\""),
	TEXT("\"\xff\""),
	TEXT("\"\xc0\xaf\""),
	TEXT("\"\xed\xa0\x80\""),
	TEXT("\xef\xbb\xbf{}"),
	TEXT("{\"a\":1}\0"),
	TEXT("["),
	TEXT("]"),
	TEXT("[1,]"),
	TEXT("[,1]"),
	TEXT("[1 2]"),
	TEXT("[1}"),
	TEXT("{"),
	TEXT("{\"a\"}"),
	TEXT("{\"a\":}"),
	TEXT("{\"a\":1,}"),
	TEXT("{a:1}"),
	TEXT("{1:1}"),
	TEXT("{\"a\" 1}"),
	TEXT("{\"a\":1}{}"),
	TEXT("{} x"),
	TEXT("1 2"),
	TEXT("/* c */ 1"),
	TEXT("1 // c"),
	TEXT("{\"a\":1,\"a\":1}"),
	TEXT("{\"a\":1,\"\\u0061\":2}"),
	TEXT("{\"a\\u0000b\":1}"),
	TEXT("[[[[[[[[[[[]]]]]]]]]]]"),
	TEXT("{\"a\":[[[[[[[[[[]]]]]]]]]]}"),
};

static enum res
parse(struct arena *arena, const void *s, size_t len, struct jval **v,
    struct err *err)
{
	enum res res;
	void *exact;

	/* A heap copy of the exact size: the sanitizer sees any overrun. */
	exact = malloc(len > 0 ? len : 1);
	assert_non_null(exact);
	memcpy(exact, s, len);
	err_clear(err);
	*v = NULL;
	res = json_parse(arena, exact, len, JSON_DEPTH_MAX, v, err);
	free(exact);

	return (res);
}

static void
conformance(void **state UNUSED)
{
	struct arena *arena;
	struct jval *v;
	struct err err;
	size_t i;

	for (i = 0; i < NELEM(good); i++) {
		arena = arena_new();
		if (parse(arena, good[i].s, good[i].len, &v, &err) != RES_OK)
			fail_msg("refused: %s: %s", good[i].s, err.detail);
		assert_non_null(v);
		arena_destroy(&arena);
	}
	for (i = 0; i < NELEM(bad); i++) {
		arena = arena_new();
		if (parse(arena, bad[i].s, bad[i].len, &v, &err) != RES_ERR)
			fail_msg("accepted: %s", bad[i].s);
		assert_int_equal(err.problem, PROBLEM_MALFORMED_JSON);
		assert_non_null(strstr(err.detail, "at byte"));
		arena_destroy(&arena);
	}
}

/* Every proper prefix of an object is refused, whatever it cuts. */
static void
prefixes_refused(void **state UNUSED)
{
	static const char text[] =
	    "{\"name\":\"\\ud83d\\ude00\xe2\x82\xac\",\"x\":[-1.5e3,true,"
	    "null,{\"y\":\"\\\"\"}]}";
	struct arena *arena;
	struct jval *v;
	struct err err;
	size_t len;

	for (len = 0; len < sizeof(text); len++) {
		arena = arena_new();
		if ((parse(arena, text, len, &v, &err) == RES_OK) !=
		    (len == sizeof(text) - 1))
			fail_msg("wrong at %zu", len);
		arena_destroy(&arena);
	}
}

static void
tree_is_right(void **state UNUSED)
{
	static const char text[] =
	    "{\"name\":\"A\\u00e9\\ud83d\\ude00\",\"n\":-7,\"x\":2.5,"
	    "\"big\":9223372036854775808,\"min\":-9223372036854775808,"
	    "\"whole\":1.0,\"nul\":\"a\\u0000b\",\"list\":[true,null,[],{}]}";
	struct arena *arena;
	struct jval *v;
	const struct jval *m;
	struct err err;

	arena = arena_new();
	assert_int_equal(
	    parse(arena, text, sizeof(text) - 1, &v, &err), RES_OK);
	assert_int_equal(v->type, J_OBJ);
	assert_int_equal(v->n, 8);
	assert_string_equal(
	    json_get_str(v, "name"), "A\xc3\xa9\xf0\x9f\x98\x80");
	m = json_get(v, "n");
	assert_true(m->type == J_INT && m->i == -7 && m->d == -7);
	m = json_get(v, "x");
	assert_true(m->type == J_NUM && m->d == 2.5);
	m = json_get(v, "big");
	assert_true(m->type == J_NUM && m->d == 9223372036854775808.0);
	m = json_get(v, "min");
	assert_true(m->type == J_INT && m->i == INT64_MIN);
	assert_int_equal(json_get(v, "whole")->type, J_NUM);
	m = json_get(v, "nul");
	assert_int_equal(m->slen, 3);
	assert_memory_equal(m->s, "a\0b", 4);
	assert_null(json_get_str(v, "n"));
	assert_null(json_get(v, "absent"));
	assert_null(json_get(NULL, "x"));

	m = json_get(v, "list");
	assert_int_equal(m->n, 4);
	assert_true(m->child->type == J_BOOL && m->child->b);
	assert_int_equal(m->child->next->type, J_NULL);
	assert_ptr_equal(m->last, m->child->next->next->next);
	assert_null(m->last->next);
	assert_null(json_get(m, "x"));
	arena_destroy(&arena);
}

/* The reply names the place but never repeats what the body held. */
static void
details_are_distinct_and_silent(void **state UNUSED)
{
	static const struct {
		const char *text, *detail;
	} rows[] = {
		{ "", "it is empty at byte 0." },
		{ "{\"ssn\":1,\"ssn\":2}", "name occurs twice at byte 14." },
		{ "{\"ssn\":\"\xff\"}", "it is not UTF-8 at byte 8." },
		{ "[\"\\ud800\"]", "surrogate pair at byte 2." },
		{ "[1e999]", "a number is out of range at byte 6." },
		{ "{\"ssn\":NaN}", "a syntax error at byte 8." },
		{ "{\"ssn\":1", "it ends too early at byte 8." },
		{ "[[[[[[[[[[[", "nested too deep at byte 11." },
		{ "{\"ssn\\u0000\":1}", "holds U+0000 at byte 12." },
	};
	struct arena *arena;
	struct jval *v;
	struct err err;
	size_t i;

	for (i = 0; i < NELEM(rows); i++) {
		arena = arena_new();
		assert_int_equal(
		    parse(arena, rows[i].text, strlen(rows[i].text), &v, &err),
		    RES_ERR);
		if (strstr(err.detail, rows[i].detail) == NULL)
			fail_msg("%s: %s", rows[i].text, err.detail);
		assert_null(strstr(err.detail, "ssn"));
		arena_destroy(&arena);
	}
}

/* An object of n members, the last one named like member twin. */
static enum res
parse_wide(struct arena *arena, unsigned n, unsigned twin, struct err *err)
{
	struct buf buf;
	struct jval *v;
	unsigned i;

	buf_init(&buf, arena, 0);
	buf_putc(&buf, '{');
	for (i = 0; i < n; i++)
		buf_printf(&buf, "\"m%u\":%u,", i, i);
	buf_printf(&buf, "\"m%u\":0}", twin);

	return (parse(arena, buf.data, buf.len, &v, err));
}

static void
twins_found_among_many(void **state UNUSED)
{
	static const unsigned sizes[] = { 1, 7, 8, 9, 15, 16, 17, 63, 64, 65,
		1000, 50000 };
	struct arena *arena;
	struct err err;
	size_t i;

	for (i = 0; i < NELEM(sizes); i++) {
		arena = arena_new();
		assert_int_equal(
		    parse_wide(arena, sizes[i], sizes[i], &err), RES_OK);
		assert_int_equal(parse_wide(arena, sizes[i], 0, &err), RES_ERR);
		assert_int_equal(
		    parse_wide(arena, sizes[i], sizes[i] - 1, &err), RES_ERR);
		assert_int_equal(
		    parse_wide(arena, sizes[i], sizes[i] / 2, &err), RES_ERR);
		assert_non_null(strstr(err.detail, "twice"));
		arena_destroy(&arena);
	}
}

static void
nodes_are_bounded(void **state UNUSED)
{
	struct arena *arena;
	struct buf buf;
	struct jval *v;
	struct err err;
	unsigned i, n;

	/* The array itself is a node too. */
	for (n = 99999; n <= 100000; n++) {
		arena = arena_new();
		buf_init(&buf, arena, 256 * 1024);
		buf_puts(&buf, "[1");
		for (i = 1; i < n; i++)
			buf_puts(&buf, ",1");
		buf_puts(&buf, "]");
		assert_int_equal(parse(arena, buf.data, buf.len, &v, &err),
		    n == 99999 ? RES_OK : RES_ERR);
		arena_destroy(&arena);
	}
}

static void
digits_are_bounded(void **state UNUSED)
{
	struct arena *arena;
	struct jval *v;
	struct err err;
	char text[200];

	arena = arena_new();
	memset(text, '1', sizeof(text));
	assert_int_equal(parse(arena, text, 128, &v, &err), RES_OK);
	assert_int_equal(v->type, J_NUM);
	assert_int_equal(parse(arena, text, 129, &v, &err), RES_ERR);
	assert_non_null(strstr(err.detail, "digits"));
	arena_destroy(&arena);
}

static void
depth_is_the_callers(void **state UNUSED)
{
	struct arena *arena;
	struct jval *v;
	struct err err;

	arena = arena_new();
	err_clear(&err);
	assert_int_equal(json_parse(arena, "1", 1, 0, &v, &err), RES_OK);
	assert_int_equal(json_parse(arena, "[1]", 3, 1, &v, &err), RES_OK);
	assert_int_equal(json_parse(arena, "[]", 2, 0, &v, &err), RES_ERR);
	err_clear(&err);
	assert_int_equal(json_parse(arena, "[[]]", 4, 1, &v, &err), RES_ERR);
	arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conformance),
		cmocka_unit_test(prefixes_refused),
		cmocka_unit_test(tree_is_right),
		cmocka_unit_test(details_are_distinct_and_silent),
		cmocka_unit_test(twins_found_among_many),
		cmocka_unit_test(nodes_are_bounded),
		cmocka_unit_test(digits_are_bounded),
		cmocka_unit_test(depth_is_the_callers),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
