/*
 * denial_table.c: one row a kind and network, and no refusal lost when there
 * are more networks than rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "guard/guard_priv.h"

static struct denial_table table;
static struct denial_row rows[DENIAL_TAKE];

static void
note(enum denial kind, const char *who, int64_t now_us)
{
	struct netaddr a;

	assert_int_equal(netaddr_parse(who, &a), RES_OK);
	denial_table_add(&table, kind, &a, now_us);
}

static const struct denial_row *
find(unsigned n, enum denial kind, const char *network)
{
	char text[NETBLOCK_STRLEN + 1];

	for (unsigned i = 0; i < n; i++) {
		netblock_format(&rows[i].network, text);
		if (!rows[i].others && rows[i].kind == kind &&
		    strcmp(text, network) == 0)
			return (&rows[i]);
	}
	fail_msg("no row of %s", network);

	return (NULL);
}

static void
by_kind_and_network(void **state UNUSED)
{
	const struct denial_row *row;
	unsigned n;

	denial_table_init(&table);
	note(DENIAL_RATE, "192.0.2.1", 10);
	note(DENIAL_RATE, "192.0.2.254", 20);
	note(DENIAL_RATE, "::ffff:192.0.2.3", 30);
	note(DENIAL_NETWORK, "192.0.2.1", 40);
	note(DENIAL_RATE, "192.0.3.1", 50);
	note(DENIAL_RATE, "2001:db8:1:ffff::1", 60);
	note(DENIAL_RATE, "2001:db8:1:2::3", 70);
	note(DENIAL_RATE, "2001:db8:2::", 80);
	assert_int_equal(denial_table_count(&table), 5);
	n = denial_table_take(&table, rows);
	assert_int_equal(n, 5);
	row = find(n, DENIAL_RATE, "192.0.2.0/24");
	assert_int_equal(row->count, 3);
	assert_int_equal(row->from_us, 10);
	assert_int_equal(row->to_us, 30);
	assert_int_equal(find(n, DENIAL_NETWORK, "192.0.2.0/24")->count, 1);
	assert_int_equal(find(n, DENIAL_RATE, "192.0.3.0/24")->count, 1);
	assert_int_equal(find(n, DENIAL_RATE, "2001:db8:1::/48")->count, 2);
	assert_int_equal(find(n, DENIAL_RATE, "2001:db8:2::/48")->count, 1);
	for (unsigned i = 0; i < n; i++) {
		assert_false(uuid_is_nil(&rows[i].id));
		for (unsigned k = 0; k < i; k++)
			assert_false(uuid_equal(&rows[i].id, &rows[k].id));
	}
}

static void
taken_is_gone(void **state UNUSED)
{
	denial_table_init(&table);
	assert_int_equal(denial_table_take(&table, rows), 0);
	note(DENIAL_RATE, "192.0.2.1", 1);
	assert_int_equal(denial_table_take(&table, rows), 1);
	assert_int_equal(denial_table_count(&table), 0);
	note(DENIAL_RATE, "192.0.2.1", 9);
	assert_int_equal(denial_table_take(&table, rows), 1);
	assert_int_equal(rows[0].count, 1);
	assert_int_equal(rows[0].from_us, 9);
}

/* A flood from everywhere: bounded, and the sum is right. */
static void
a_flood(void **state UNUSED)
{
	enum {
		NETWORKS = 5000,
		EACH = 3
	};
	uint64_t sum = 0, others = 0;
	unsigned n;
	char who[32];

	denial_table_init(&table);
	for (unsigned i = 0; i < NETWORKS * EACH; i++) {
		unsigned net = i % NETWORKS;

		(void)snprintf(who, sizeof(who), "10.%u.%u.%u", net / 256,
		    net % 256, i / NETWORKS);
		note(i % 2 == 0 ? DENIAL_RATE : DENIAL_NETWORK, who, i);
	}
	n = denial_table_count(&table);
	assert_int_equal(n, DENIAL_ROWS + 2);
	assert_int_equal(denial_table_take(&table, rows), n);
	for (unsigned i = 0; i < n; i++) {
		sum += rows[i].count;
		others += rows[i].others ? rows[i].count : 0;
	}
	assert_int_equal(sum, NETWORKS * EACH);
	assert_true(others > 0);
	assert_int_equal(rows[0].kind, DENIAL_RATE);
	/* Who was there before the table was full goes on being counted. */
	assert_int_equal(rows[0].count, EACH);
	assert_int_equal(rows[DENIAL_ROWS - 1].count, EACH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_kind_and_network),
		cmocka_unit_test(taken_is_gone),
		cmocka_unit_test(a_flood),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
