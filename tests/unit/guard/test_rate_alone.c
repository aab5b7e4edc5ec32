/*
 * The limits that a worker keeps by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <sodium.h>

#include "guard/guard.h"

#define SECOND INT64_C(1000000)
#define START  (INT64_C(1800000000) * SECOND)

static int
setup(void **state UNUSED)
{
	static char msg[512];

	if (sodium_init() == -1 ||
	    settings_load(NULL, msg, sizeof(msg)) != RES_OK)
		return (-1);
	return (0);
}

static bool
ask(const char *name, int64_t limit, unsigned cost, int64_t at,
    struct rate_state *out)
{
	struct rate_bucket b = { RATE_KIND_USER, limit, name };

	return (rate_alone(&b, 1, cost, at, out));
}

static void
shares(void **state UNUSED)
{
	rate_alone_init(2);
	assert_int_equal(rate_alone_limit(6000), 750);
	assert_int_equal(rate_alone_limit(30), 3);
	assert_int_equal(rate_alone_limit(7), 1);
	assert_int_equal(rate_alone_limit(1), 1);
	rate_alone_init(0);
	assert_int_equal(rate_alone_limit(400), 100);
}

/* A burst, and then the rate to the microsecond. */
static void
burst_and_rate(void **state UNUSED)
{
	struct rate_state s;
	int64_t limit = 600, quota = rate_quota(limit), step = SECOND / 10;
	int64_t passed = 0;

	rate_alone_init(1);
	for (int64_t i = 0; i < quota; i++) {
		assert_true(ask("a", limit, 1, START, &s));
		assert_int_equal(s.left, quota - 1 - i);
	}
	assert_false(ask("a", limit, 1, START, &s));
	assert_int_equal(s.left, 0);
	assert_in_range(s.wait_ms, 100, 101);
	assert_in_range(s.reset_ms, quota * 100, quota * 100 + 1);
	assert_false(ask("a", limit, 1, START + step - 10, &s));
	assert_true(ask("a", limit, 1, START + step, &s));
	assert_false(ask("a", limit, 1, START + step + 10, &s));
	for (int64_t t = START + step; t <= START + step + 60 * SECOND;
	     t += 1234)
		passed += ask("a", limit, 1, t, &s);
	assert_in_range(passed, 599, 600);
}

static void
a_price_above_the_burst(void **state UNUSED)
{
	struct rate_state s;

	rate_alone_init(1);
	assert_int_equal(rate_quota(1), 1);
	assert_true(ask("a", 1, 5, START, &s));
	assert_int_equal(s.left, 0);
	assert_false(ask("a", 1, 1, START + 299 * SECOND, &s));
	assert_false(ask("a", 1, 5, START + 299 * SECOND, &s));
	assert_true(ask("a", 1, 5, START + 301 * SECOND, &s));
}

/* Two buckets: when one refuses, the other is not charged. */
static void
all_or_none(void **state UNUSED)
{
	struct rate_bucket two[] = { { RATE_KIND_USER, 1, "user" },
		{ RATE_KIND_NETWORK, 600, "network" } };
	struct rate_state s[2], before;

	rate_alone_init(1);
	assert_true(rate_alone(two, 2, 1, START, s));
	before = s[1];
	for (int i = 0; i < 10; i++) {
		assert_false(rate_alone(two, 2, 1, START, s));
		assert_true(s[0].wait_ms > 0);
		assert_int_equal(s[1].wait_ms, 0);
	}
	assert_true(ask("network", 600, 1, START, &s[0]));
	assert_int_equal(s[0].left, before.left - 1);
}

/* More names than there are places: no name gets more than its limit, and all
 * of them together not more than all places' worth. */
static void
a_flood_of_names_opens_nothing(void **state UNUSED)
{
	struct rate_state s;
	unsigned passed = 0, again = 0;
	char name[32];

	rate_alone_init(1);
	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		passed += ask(name, 1, 1, START, &s);
	}
	assert_in_range(passed, 1000, 1024 * 8);
	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		again += ask(name, 1, 1, START, &s);
	}
	assert_int_equal(again, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares),
		cmocka_unit_test(burst_and_rate),
		cmocka_unit_test(a_price_above_the_burst),
		cmocka_unit_test(all_or_none),
		cmocka_unit_test(a_flood_of_names_opens_nothing),
	};

	return (cmocka_run_group_tests(tests, setup, NULL));
}
