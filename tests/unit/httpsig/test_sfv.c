/*
 * sfv.c, sfv_write.c: structured fields as RFC 9651 has them, and the points
 * in which this parser is stricter.
 */
#include "signature_fixture.h"

static struct arena *arena;

static int
setup(void **state UNUSED)
{
	arena = arena_new();

	return (0);
}

static int
teardown(void **state UNUSED)
{
	arena_destroy(&arena);

	return (0);
}

/* The member "a" of a dictionary, written anew; NULL: refused. */
static const char *
again(const char *text)
{
	const struct sfv_member *first;
	struct buf b;

	if (sfv_dictionary(arena, text, &first) != RES_OK)
		return (NULL);
	buf_init(&b, arena, 16);
	if (sfv_get(first, "a") != NULL)
		sfv_write(&b, sfv_get(first, "a"));

	return (b.data);
}

static void
test_canonical_forms(void **state UNUSED)
{
	static const char *const rows[][2] = {
		{ "a=1", "1" },
		{ "a=-0", "0" },
		{ "a=007", "7" },
		{ "a=-42", "-42" },
		{ "a=999999999999999", "999999999999999" },
		{ "a=1.5", "1.5" },
		{ "a=1.50", "1.5" },
		{ "a=-0.25", "-0.25" },
		{ "a=10.000", "10.0" },
		{ "a=999999999999.125", "999999999999.125" },
		{ "a=\"x\"", "\"x\"" },
		{ "a=\"\"", "\"\"" },
		{ "a=\"q\\\"b\\\\\"", "\"q\\\"b\\\\\"" },
		{ "a=tok/en:*", "tok/en:*" },
		{ "a=*t", "*t" },
		{ "a=:aGk=:", ":aGk=:" },
		{ "a=::", "::" },
		{ "a=?0", "?0" },
		{ "a=?1", "?1" },
		{ "a", "?1" },
		{ "a;x", "?1;x" },
		{ "a;  x=?1;y=?0", "?1;x;y=?0" },
		{ "a=1;x=2;y=\"z\"", "1;x=2;y=\"z\"" },
		{ "a=()", "()" },
		{ "a=(  )", "()" },
		{ "a=( \"x\"   \"y\" )", "(\"x\" \"y\")" },
		{ "a=(\"x\";p \"y\";q=1);created=5",
		    "(\"x\";p \"y\";q=1);created=5" },
		{ " a=1 ,\tb=2 ", "1" },
		{ "b=(1 2), a=:AQID:", ":AQID:" },
		{ "", "" },
		{ "   ", "" },
	};

	for (size_t i = 0; i < NELEM(rows); i++) {
		if (again(rows[i][0]) == NULL)
			fail_msg("refused: %s", rows[i][0]);
		assert_string_equal(again(rows[i][0]), rows[i][1]);
	}
}

static void
test_refused(void **state UNUSED)
{
	static const char *const rows[] = { "a=", "a=1,", "a=1,,b=2", ",a=1",
		"A=1", "1a=1", "a=1 b=2", "a=1;", "a=1;X", "a=1;=2", "a = 1",
		"a= 1", "a=1; ;x", "a=--1", "a=-", "a=+1", "a=1.", "a=.5",
		"a=1.2345", "a=1000000000000000", "a=1000000000000.1", "a=1e3",
		"a=\"", "a=\"x", "a=\"\\x\"", "a=\"\\", "a=\"\t\"",
		"a=\"\x7f\"", "a=\"\xc3\xa4\"", "a=:aGk=", "a=:aGk:",
		"a=:aGk= :", "a=:a-k=:", "a=:aGl=:", "a=?", "a=?2", "a=?true",
		"a=(", "a=(1", "a=(1 2", "a=(1,2)", "a=(1\t2)", "a=(1\"x\")",
		"a=((1))", "a=(1)x", "a=@1", "a=%\"x\"", "a=\x01", "a=1\x01",
		";", "\xc3\xa4=1", "a=1\n", "\ta=1" };

	for (size_t i = 0; i < NELEM(rows); i++)
		if (again(rows[i]) != NULL)
			fail_msg("taken: %s", rows[i]);
}

/* RFC 9651 lets the last one win; two readers might not agree. */
static void
test_no_key_twice(void **state UNUSED)
{
	assert_null(again("a=1, a=1"));
	assert_null(again("a, b=2, a=?1"));
	assert_null(again("a=1;x=1;x=1"));
	assert_null(again("a=(1;x;x)"));
	assert_non_null(again("a=(1 1)"));
	assert_non_null(again("a=1;x=1, b=1;x=1"));
}

static const char *
many(const char *format, unsigned n, const char *before, const char *after)
{
	struct buf b;

	buf_init(&b, arena, 1024);
	buf_puts(&b, before);
	for (unsigned i = 0; i < n; i++) {
		buf_puts(&b, i > 0 && *before == '\0' ? "," : "");
		buf_printf(&b, "%s%u ", format, i);
	}
	buf_puts(&b, after);

	return (b.data);
}

static void
test_sizes_are_bounded(void **state UNUSED)
{
	assert_non_null(again(many("k", 64, "", "")));
	assert_null(again(many("k", 65, "", "")));
	assert_non_null(again(many("", 64, "a=(", ")")));
	assert_null(again(many("", 65, "a=(", ")")));
}

static void
test_decoded_values(void **state UNUSED)
{
	const struct sfv_member *first;
	const struct sfv_value *v;

	assert_int_equal(
	    sfv_dictionary(arena, "a=:AAH/:, b=\"x\\\"\", c=-3", &first),
	    RES_OK);
	v = sfv_get(first, "a");
	assert_int_equal(v->len, 3);
	assert_memory_equal(v->s, "\x00\x01\xff", 3);
	assert_string_equal(sfv_get(first, "b")->s, "x\"");
	assert_int_equal(sfv_get(first, "c")->i, -3);
	assert_null(sfv_get(first, "d"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_forms),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_key_twice),
		cmocka_unit_test(test_sizes_are_bounded),
		cmocka_unit_test(test_decoded_values),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
