/*
 * json_write.c: exact texts, escapes, bytes that are not UTF-8, round trips
 * through the parser, and that calls out of order abort.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

static void
exact_text(void **state UNUSED)
{
	struct arena *arena;
	struct json_out *out;
	struct uuid u;
	const char *text;
	size_t len;

	arena = arena_new();
	out = json_out_new(arena);
	assert_int_equal(
	    uuid_parse("0190163d-8694-739b-aea5-966c26f8ad91", &u), RES_OK);
	json_obj(out);
	json_kstr(out, "s", "a\"b\\c/\n\t\x01\x7f");
	json_kstr(out, "none", NULL);
	json_kint(out, "i", INT64_MIN);
	json_knum(out, "d", 0.1);
	json_knum(out, "w", 3);
	json_kbool(out, "t", true);
	json_kuuid(out, "u", &u);
	json_ktime(out, "at", 1);
	json_key(out, "a");
	json_arr(out);
	json_bool(out, false);
	json_null(out);
	json_obj(out);
	json_obj_end(out);
	json_strn(out, "cut here", 3);
	json_arr_end(out);
	json_obj_end(out);
	json_finish(out, &text, &len);

	assert_string_equal(text,
	    "{\"s\":\"a\\\"b\\\\c/\\n\\t\\u0001\x7f\",\"none\":null,"
	    "\"i\":-9223372036854775808,\"d\":0.1,\"w\":3,\"t\":true,"
	    "\"u\":\"0190163d-8694-739b-aea5-966c26f8ad91\","
	    "\"at\":\"1970-01-01T00:00:00.000001Z\","
	    "\"a\":[false,null,{},\"cut\"]}");
	assert_int_equal(len, strlen(text));
	arena_destroy(&arena);
}

static void
what_json_cannot_hold(void **state UNUSED)
{
	struct arena *arena;
	struct json_out *out;
	const char *text;
	size_t len;

	arena = arena_new();
	out = json_out_new(arena);
	json_arr(out);
	json_num(out, NAN);
	json_num(out, -INFINITY);
	json_str(out, "a\xff"
		      "b\xe2\x82");
	json_str(out, "\xed\xa0\x80");
	json_strn(out, "x\0y", 3);
	json_arr_end(out);
	json_finish(out, &text, &len);
	assert_string_equal(text,
	    "[null,null,\"a\xef\xbf\xbd"
	    "b\xef\xbf\xbd\xef\xbf\xbd\","
	    "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"x\\u0000y\"]");
	arena_destroy(&arena);
}

/* Parsed, written and parsed again: the second text equals the first. */
static void
round_trip(void **state UNUSED)
{
	static const char text[] =
	    "{\"a\":[1,-2.5,1e+300,true,false,null,\"\\u0000\\u001F\"],"
	    "\"b\":{\"c\":{},\"d\":[]},\"\":\"\xf0\x9f\x98\x80\","
	    "\"f\":0.30000000000000004}";
	struct arena *arena;
	struct json_out *out;
	struct jval *v;
	struct err err;
	const char *again;
	size_t len;

	arena = arena_new();
	err_clear(&err);
	assert_int_equal(
	    json_parse(arena, text, sizeof(text) - 1, JSON_DEPTH_MAX, &v, &err),
	    RES_OK);
	out = json_out_new(arena);
	json_value(out, v);
	json_finish(out, &again, &len);
	assert_string_equal(again, text);
	arena_destroy(&arena);
}

/* Random bytes as text: always valid JSON, always the same length in. */
static void
any_bytes_give_valid_json(void **state UNUSED)
{
	struct arena *arena;
	struct json_out *out;
	struct jval *v;
	struct err err;
	const char *text;
	char bytes[40];
	size_t i, j, len;

	srand48(7);
	for (i = 0; i < 20000; i++) {
		for (j = 0; j < sizeof(bytes); j++)
			bytes[j] = (char)mrand48();
		arena = arena_new();
		out = json_out_new(arena);
		json_strn(out, bytes, sizeof(bytes));
		json_finish(out, &text, &len);
		err_clear(&err);
		if (json_parse(arena, text, len, 0, &v, &err) != RES_OK)
			fail_msg("round %zu: %s", i, err.detail);
		assert_int_equal(v->type, J_STR);
		arena_destroy(&arena);
	}
}

static void
value_without_key(struct json_out *out)
{
	json_obj(out);
	json_str(out, "a");
}

static void
key_without_value(struct json_out *out)
{
	json_obj(out);
	json_key(out, "a");
	json_obj_end(out);
}

static void
key_twice(struct json_out *out)
{
	json_obj(out);
	json_key(out, "a");
	json_key(out, "b");
}

static void
key_in_array(struct json_out *out)
{
	json_arr(out);
	json_key(out, "a");
}

static void
wrong_end(struct json_out *out)
{
	json_obj(out);
	json_arr_end(out);
}

static void
end_of_nothing(struct json_out *out)
{
	json_arr_end(out);
}

static void
two_values(struct json_out *out)
{
	json_int(out, 1);
	json_int(out, 2);
}

static void
finish(struct json_out *out)
{
	const char *text;
	size_t len;

	json_finish(out, &text, &len);
}

static void
finish_open(struct json_out *out)
{
	json_arr(out);
	finish(out);
}

static bool
aborts(void (*fn)(struct json_out *))
{
	struct arena *arena;
	pid_t pid;
	int status;

	fflush(NULL);
	if ((pid = fork()) == 0) {
		signal(SIGABRT, SIG_DFL);
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(2);
		arena = arena_new();
		fn(json_out_new(arena));
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);

	return (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void
misuse_aborts(void **state UNUSED)
{
	assert_true(aborts(value_without_key));
	assert_true(aborts(key_without_value));
	assert_true(aborts(key_twice));
	assert_true(aborts(key_in_array));
	assert_true(aborts(wrong_end));
	assert_true(aborts(end_of_nothing));
	assert_true(aborts(two_values));
	assert_true(aborts(finish));
	assert_true(aborts(finish_open));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_text),
		cmocka_unit_test(what_json_cannot_hold),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(any_bytes_give_valid_json),
		cmocka_unit_test(misuse_aborts),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
