/*
 * lpm.c against the plain definition: of the rules that hold an address and
 * have not expired, the first one in the list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "guard/guard_priv.h"

#define RULES  20000
#define ROUNDS 40000
#define NOW    1000

static struct network_rule rules[RULES];

static uint32_t
naive(uint32_t n, const struct netaddr *a, int64_t now, uint32_t without)
{
	for (uint32_t i = 0; i < n; i++)
		if (i != without && netblock_has(&rules[i].network, a) &&
		    (rules[i].expires_us == 0 || rules[i].expires_us > now))
			return (i);
	return (LPM_NONE);
}

static void
put(uint32_t i, const char *network, int64_t expires_us)
{
	memset(&rules[i], 0, sizeof(rules[i]));
	assert_int_equal(netblock_parse(network, &rules[i].network), RES_OK);
	rules[i].expires_us = expires_us;
}

static uint32_t
find(const struct lpm *l, const char *who, int64_t now)
{
	struct netaddr a;

	assert_int_equal(netaddr_parse(who, &a), RES_OK);
	return (lpm_find(l, &a, now));
}

static void
order_decides(void **state UNUSED)
{
	struct lpm *l;

	put(0, "10.1.2.0/24", 0);
	put(1, "10.0.0.0/8", 0);
	put(2, "10.1.2.3", 0); /* shadowed by 0 */
	put(3, "10.1.2.0/24", 0);
	put(4, "2001:db8::/32", 0);
	put(5, "0.0.0.0/0", 0);
	l = lpm_new(rules, 6, NOW);
	assert_int_equal(find(l, "10.1.2.3", NOW), 0);
	assert_int_equal(find(l, "10.1.3.3", NOW), 1);
	assert_int_equal(find(l, "11.0.0.0", NOW), 5);
	assert_int_equal(find(l, "2001:db8:ffff::1", NOW), 4);
	assert_true(find(l, "2001:db9::1", NOW) == LPM_NONE);
	lpm_destroy(&l);
	assert_null(l);
}

static void
families_do_not_mix(void **state UNUSED)
{
	struct lpm *l;

	put(0, "::/0", 0);
	l = lpm_new(rules, 1, NOW);
	assert_int_equal(find(l, "::1", NOW), 0);
	assert_int_equal(find(l, "::", NOW), 0);
	assert_true(find(l, "192.0.2.1", NOW) == LPM_NONE);
	lpm_destroy(&l);
	put(0, "0.0.0.0/0", 0);
	l = lpm_new(rules, 1, NOW);
	assert_true(find(l, "::1", NOW) == LPM_NONE);
	assert_int_equal(find(l, "::ffff:192.0.2.1", NOW), 0);
	lpm_destroy(&l);
}

static void
no_rules(void **state UNUSED)
{
	struct lpm *l = lpm_new(rules, 0, NOW);

	assert_true(find(l, "192.0.2.1", NOW) == LPM_NONE);
	assert_true(find(l, "::1", NOW) == LPM_NONE);
	lpm_destroy(&l);
}

/* At its instant, and what lies below it shows. */
static void
an_expired_rule_uncovers_the_next(void **state UNUSED)
{
	struct lpm *l;

	put(0, "192.0.2.0/24", NOW + 10);
	put(1, "192.0.2.0/24", NOW + 20);
	put(2, "192.0.0.0/16", 0);
	put(3, "192.0.2.0/24", 0);
	put(4, "192.0.2.0/24", NOW); /* has expired already */
	l = lpm_new(rules, 5, NOW);
	assert_int_equal(find(l, "192.0.2.1", NOW + 9), 0);
	assert_int_equal(find(l, "192.0.2.1", NOW + 10), 1);
	assert_int_equal(find(l, "192.0.2.1", NOW + 19), 1);
	assert_int_equal(find(l, "192.0.2.1", NOW + 20), 2);
	lpm_destroy(&l);
	put(0, "192.0.2.0/24", NOW - 1);
	put(1, "192.0.0.0/16", NOW + 1);
	l = lpm_new(rules, 2, NOW);
	assert_int_equal(find(l, "192.0.2.1", NOW), 1);
	assert_true(find(l, "192.0.2.1", NOW + 1) == LPM_NONE);
	lpm_destroy(&l);
}

/* Dense on purpose: few bits differ, so that prefixes nest and repeat. */
static void
random_address(struct netaddr *a)
{
	bool v4 = lrand48() % 2 == 0;

	memset(a, 0, sizeof(*a));
	if (v4)
		a->b[10] = a->b[11] = 0xff;
	else
		a->b[0] = lrand48() % 8 == 0 ? 0 : 0x20;
	for (unsigned i = v4 ? 12 : 1; i < sizeof(a->b); i++)
		a->b[i] = lrand48() % 3 == 0 ? (uint8_t)lrand48() :
					       (uint8_t)(lrand48() % 2);
}

/* Mostly long prefixes: a short one early in the list would decide all. */
static void
random_rule(struct network_rule *r)
{
	bool any = lrand48() % 256 == 0;
	struct netaddr a;

	memset(r, 0, sizeof(*r));
	random_address(&a);
	netblock_around(&a,
	    (unsigned)(any ? lrand48() % 33 : 14 + lrand48() % 19),
	    (unsigned)(any ? lrand48() % 129 : 40 + lrand48() % 89),
	    &r->network);
	if (lrand48() % 4 == 0)
		r->expires_us = NOW - 5 + lrand48() % 20;
}

static void
against_the_definition(void **state UNUSED)
{
	static const uint32_t sizes[] = { 1, 2, 3, 10, 100, 1000, RULES };
	unsigned hits = 0, misses = 0, late = 0;

	srand48(20260131);
	for (unsigned s = 0; s < NELEM(sizes); s++) {
		uint32_t n = sizes[s], want, without;
		struct netaddr a;
		struct lpm *l;
		int64_t now;

		for (uint32_t i = 0; i < n; i++)
			random_rule(&rules[i]);
		l = lpm_new(rules, n, NOW);
		for (unsigned i = 0; i < (n == RULES ? ROUNDS / 8 : ROUNDS);
		     i++) {
			if (i % 2 == 0)
				random_address(&a);
			else
				a = rules[lrand48() % n].network.addr;
			now = NOW + lrand48() % 20;
			want = naive(n, &a, now, LPM_NONE);
			hits += want != LPM_NONE;
			late += want != LPM_NONE && want > 1000;
			misses += want == LPM_NONE;
			if (lpm_find(l, &a, now) != want)
				fail_msg("%u rules, round %u", n, i);
			without = want == LPM_NONE ? 0 : want;
			if (lpm_find_without(l, &a, now, without) !=
			    naive(n, &a, now, without))
				fail_msg("%u rules, round %u: without", n, i);
		}
		lpm_destroy(&l);
	}
	assert_true(hits > ROUNDS / 2);
	assert_true(misses > ROUNDS / 10);
	assert_true(late > ROUNDS / 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_decides),
		cmocka_unit_test(families_do_not_mix),
		cmocka_unit_test(no_rules),
		cmocka_unit_test(an_expired_rule_uncovers_the_next),
		cmocka_unit_test(against_the_definition),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
