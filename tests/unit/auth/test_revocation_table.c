/*
 * revocation_table.c: no end is lost while it matters, and none stays longer
 * than room is short.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/auth_priv.h"

#define MANY 20000

static void
the_latest_end_counts(void **state UNUSED)
{
	struct revocation_table *t = revocation_table_new();
	struct uuid one, other, nil = { { 0 } };

	uuid_v7(&one);
	uuid_v7(&other);
	assert_int_equal(revocation_table_from(t, &one), 0);
	revocation_table_put(t, &one, 50, 1000, 10);
	revocation_table_put(t, &one, 40, 900, 10);
	assert_int_equal(revocation_table_from(t, &one), 50);
	revocation_table_put(t, &one, 60, 1000, 10);
	assert_int_equal(revocation_table_from(t, &one), 60);
	assert_int_equal(revocation_table_from(t, &other), 0);
	assert_int_equal(revocation_table_from(t, &nil), 0);
	assert_int_equal(revocation_table_count(t), 1);
	revocation_table_put(t, &other, 70, 10, 10);
	revocation_table_put(t, &nil, 70, 1000, 10);
	assert_int_equal(revocation_table_count(t), 1);
	revocation_table_destroy(&t);
	assert_null(t);
}

static void
it_grows_and_loses_nothing(void **state UNUSED)
{
	static struct uuid ids[MANY];
	struct revocation_table *t = revocation_table_new();

	for (int i = 0; i < MANY; i++) {
		uuid_v7(&ids[i]);
		revocation_table_put(t, &ids[i], i + 1, 1000000, 0);
	}
	assert_int_equal(revocation_table_count(t), MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(revocation_table_from(t, &ids[i]), i + 1);
	revocation_table_destroy(&t);
}

/* Each is good for 1,000; there are never many at a time. */
static void
what_is_past_makes_room(void **state UNUSED)
{
	struct revocation_table *t = revocation_table_new();
	struct uuid id, kept;
	size_t most = 0;

	uuid_v7(&kept);
	revocation_table_put(t, &kept, 7, INT64_MAX, 0);
	for (int64_t now = 0; now < 1000000; now += 10) {
		uuid_v7(&id);
		revocation_table_put(t, &id, now + 1, now + 1000, now);
		assert_int_equal(revocation_table_from(t, &id), now + 1);
		if (revocation_table_count(t) > most)
			most = revocation_table_count(t);
	}
	assert_true(most <= 256);
	assert_int_equal(revocation_table_from(t, &kept), 7);
	revocation_table_destroy(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_end_counts),
		cmocka_unit_test(it_grows_and_loses_nothing),
		cmocka_unit_test(what_is_past_makes_room),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
