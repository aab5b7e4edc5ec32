/*
 * error.c: the first failure wins, texts are cut at whole characters, and
 * field mistakes keep their order and their bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/base.h"

static void
first_failure_wins(void **state UNUSED)
{
	struct err err;

	err_clear(&err);
	assert_int_equal(
	    err_fail(&err, PROBLEM_NOT_FOUND, "no patient %d", 7), RES_ERR);
	assert_int_equal(
	    err_fail(&err, PROBLEM_INTERNAL, "something later"), RES_ERR);
	assert_int_equal(err.problem, PROBLEM_NOT_FOUND);
	assert_string_equal(err.detail, "no patient 7");

	err_clear(&err);
	assert_int_equal(err.problem, PROBLEM_UNSET);
	assert_string_equal(err.detail, "");
}

static void
long_detail_stays_utf8(void **state UNUSED)
{
	struct err err;
	char text[600];
	size_t i, shift;

	/* Every way the cut can fall into a three-byte character. */
	for (shift = 0; shift < 3; shift++) {
		memset(text, 'x', shift);
		for (i = shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		text[i] = '\0';
		err_clear(&err);
		err_fail(&err, PROBLEM_CONFLICT, "%s", text);
		assert_true(utf8_valid(err.detail, strlen(err.detail)));
		assert_true(strlen(err.detail) > sizeof(err.detail) - 4);
		assert_true(strlen(err.detail) < sizeof(err.detail));
	}
}

static void
private_texts_add_up(void **state UNUSED)
{
	struct err err;
	int i;

	err_clear(&err);
	err_private(&err, "connect: %s", "refused");
	err_private(&err, "attempt %d", 2);
	assert_string_equal(err.private, "connect: refused; attempt 2");
	for (i = 0; i < 100; i++)
		err_private(&err, "attempt %d", i);
	assert_true(strlen(err.private) < sizeof(err.private));
}

static void
fields_in_order(void **state UNUSED)
{
	struct arena *arena;
	struct err err;
	char pointer[] = "/a";

	arena = arena_new();
	err_clear(&err);
	err_field(&err, arena, pointer, "required", "is %s", "missing");
	pointer[1] = 'b';
	err_field(&err, arena, pointer, "type", "must be a string");

	assert_int_equal(err.nfields, 2);
	assert_int_equal(err.problem, PROBLEM_UNSET);
	assert_string_equal(err.fields->pointer, "/a");
	assert_string_equal(err.fields->detail, "is missing");
	assert_string_equal(err.fields->next->pointer, "/b");
	assert_string_equal(err.fields->next->code, "type");
	assert_null(err.fields->next->next);
	arena_destroy(&arena);
}

static void
fields_are_bounded(void **state UNUSED)
{
	struct arena *arena;
	struct err err;
	struct err_field *f;
	unsigned i, kept;

	arena = arena_new();
	err_clear(&err);
	for (i = 0; i < ERR_FIELDS_MAX * 3; i++)
		err_field(&err, arena, "/x", "unknown", "is not known");
	for (kept = 0, f = err.fields; f != NULL; f = f->next)
		kept++;
	assert_int_equal(kept, ERR_FIELDS_MAX);
	assert_int_equal(err.nfields, ERR_FIELDS_MAX * 3);
	arena_destroy(&arena);
}

static void
rows_are_sound(void **state UNUSED)
{
	int p, q;
	const struct problem_row *row;

	for (p = PROBLEM_UNSET + 1; p < PROBLEM_MAX; p++) {
		row = problem_row((enum problem)p);
		assert_in_range(row->status, 400, 599);
		assert_true(strlen(row->title) > 0);
		for (q = PROBLEM_UNSET + 1; q < p; q++)
			assert_string_not_equal(
			    row->slug, problem_row((enum problem)q)->slug);
	}
	assert_int_equal(problem_row(PROBLEM_VALIDATION)->status, 422);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_failure_wins),
		cmocka_unit_test(long_detail_stays_utf8),
		cmocka_unit_test(private_texts_add_up),
		cmocka_unit_test(fields_in_order),
		cmocka_unit_test(fields_are_bounded),
		cmocka_unit_test(rows_are_sound),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
