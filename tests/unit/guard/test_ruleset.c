/*
 * ruleset.c: a list and its changes make the next list; what would decide
 * after a change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard/guard_priv.h"

#define NOW 1000

static struct network_rule
rule(unsigned id, int32_t position, bool allow, const char *network)
{
	struct network_rule r;

	memset(&r, 0, sizeof(r));
	put_be32(r.id.b, id);
	r.position = position;
	r.allow = allow;
	assert_int_equal(netblock_parse(network, &r.network), RES_OK);

	return (r);
}

/* The id of what decides; 0: nothing does. */
static unsigned
by(const struct network_rule *r)
{
	return (r == NULL ? 0 : get_be32(r->id.b));
}

static struct netaddr
address(const char *s)
{
	struct netaddr a;

	assert_int_equal(netaddr_parse(s, &a), RES_OK);

	return (a);
}

static unsigned
decides(const struct ruleset *set, const char *who, int64_t now)
{
	struct netaddr a = address(who);

	return (by(ruleset_decide(set, &a, now)));
}

/* Replaces *set by the next one. */
static void
change(struct ruleset **set, const struct network_rule *changes, unsigned n,
    int32_t revision, int64_t now)
{
	struct ruleset *old = *set;

	*set = ruleset_new(old, changes, n, revision, now);
	ruleset_destroy(&old);
	assert_int_equal((*set)->revision, revision);
}

static void
lists_follow_changes(void **state UNUSED)
{
	struct network_rule changes[3];
	struct ruleset *set = NULL;

	change(&set, NULL, 0, 0, NOW);
	assert_int_equal(decides(set, "10.0.0.1", NOW), 0);
	changes[0] = rule(7, 20, false, "10.0.0.0/8");
	changes[1] = rule(5, 10, true, "10.0.0.1");
	changes[2] = rule(6, 10, false, "10.0.0.1");
	change(&set, changes, 3, 1, NOW);
	/* Of equal positions the older id. */
	assert_int_equal(decides(set, "10.0.0.1", NOW), 5);
	assert_int_equal(decides(set, "10.0.0.2", NOW), 7);
	/* Moved, and moved again: the later change counts. */
	changes[0] = rule(7, 99, false, "10.0.0.0/8");
	changes[1] = rule(7, 5, false, "10.0.0.0/8");
	change(&set, changes, 2, 3, NOW);
	assert_int_equal(set->n, 3);
	assert_int_equal(decides(set, "10.0.0.1", NOW), 7);
	/* Removed, one of them added in the same breath. */
	changes[0] = rule(7, 5, false, "10.0.0.0/8");
	changes[0].removed = true;
	changes[1] = rule(8, 1, true, "10.0.0.0/8");
	changes[2] = changes[1];
	changes[2].removed = true;
	change(&set, changes, 3, 6, NOW);
	assert_int_equal(set->n, 2);
	assert_int_equal(decides(set, "10.0.0.1", NOW), 5);
	assert_int_equal(decides(set, "10.0.0.2", NOW), 0);
	ruleset_destroy(&set);
	assert_null(set);
}

static void
expiry(void **state UNUSED)
{
	struct network_rule changes[3];
	struct ruleset *set = NULL;

	changes[0] = rule(1, 1, false, "10.0.0.0/8");
	changes[0].expires_us = NOW + 50;
	changes[1] = rule(2, 2, true, "10.0.0.0/8");
	changes[1].expires_us = NOW + 90;
	changes[2] = rule(3, 3, false, "10.0.0.0/8");
	changes[2].expires_us = NOW;
	change(&set, changes, 3, 1, NOW);
	assert_int_equal(set->n, 2);
	assert_int_equal(set->next_expiry_us, NOW + 50);
	assert_int_equal(decides(set, "10.0.0.1", NOW + 49), 1);
	assert_int_equal(decides(set, "10.0.0.1", NOW + 50), 2);
	assert_int_equal(decides(set, "10.0.0.1", NOW + 90), 0);
	change(&set, NULL, 0, 1, NOW + 60);
	assert_int_equal(set->n, 1);
	assert_int_equal(set->next_expiry_us, NOW + 90);
	/* Extended after it had gone. */
	changes[0].expires_us = 0;
	change(&set, changes, 1, 2, NOW + 95);
	assert_int_equal(set->n, 1);
	assert_true(set->next_expiry_us == INT64_MAX);
	assert_int_equal(decides(set, "10.0.0.1", NOW + 1000), 1);
	ruleset_destroy(&set);
}

static void
what_if(void **state UNUSED)
{
	struct network_rule changes[3], added[2];
	struct netaddr me = address("10.0.0.1");
	struct ruleset *set = NULL;
	struct uuid gone;

	changes[0] = rule(1, 10, true, "10.0.0.1");
	changes[1] = rule(2, 20, false, "10.0.0.0/8");
	changes[2] = rule(3, 30, true, "0.0.0.0/0");
	change(&set, changes, 3, 1, NOW);
	gone = changes[0].id;
	assert_int_equal(
	    by(ruleset_decide_with(set, &me, NOW, NULL, NULL, 0)), 1);
	assert_int_equal(
	    by(ruleset_decide_with(set, &me, NOW, &gone, NULL, 0)), 2);
	added[0] = rule(8, 15, true, "10.0.0.0/24");
	added[1] = rule(9, 12, false, "11.0.0.0/8");
	assert_int_equal(
	    by(ruleset_decide_with(set, &me, NOW, &gone, added, 2)), 8);
	assert_int_equal(
	    by(ruleset_decide_with(set, &me, NOW, NULL, added, 2)), 1);
	/* Moved behind what denies. */
	added[0] = changes[0];
	added[0].position = 25;
	assert_int_equal(
	    by(ruleset_decide_with(set, &me, NOW, &gone, added, 1)), 2);
	/* The same place and a newer id comes later. */
	added[0] = rule(4, 10, false, "10.0.0.1");
	assert_int_equal(
	    by(ruleset_decide_with(set, &me, NOW, NULL, added, 1)), 1);
	added[0].position = 9;
	assert_int_equal(
	    by(ruleset_decide_with(set, &me, NOW, NULL, added, 1)), 4);
	added[0].expires_us = NOW;
	assert_int_equal(
	    by(ruleset_decide_with(set, &me, NOW, NULL, added, 1)), 1);
	ruleset_destroy(&set);
}

/* Many small changes come to the same as one big one. */
static void
in_steps_or_at_once(void **state UNUSED)
{
	enum {
		N = 3000
	};
	static struct network_rule all[N];
	struct ruleset *steps = NULL, *once = NULL;
	char network[NETBLOCK_STRLEN + 1];

	srand48(3);
	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(network, sizeof(network), "10.%ld.%ld.0/24",
		    lrand48() % 256, lrand48() % 256);
		all[i] = rule((unsigned)lrand48() % 1000,
		    (int32_t)(lrand48() % 50), true, network);
		all[i].removed = lrand48() % 3 == 0;
	}
	for (unsigned i = 0; i < N; i += 30)
		change(&steps, &all[i], 30, (int32_t)i + 1, NOW);
	change(&once, all, N, N, NOW);
	assert_int_equal(steps->n, once->n);
	assert_true(once->n > 400);
	for (uint32_t i = 0; i < once->n; i++) {
		assert_true(
		    uuid_equal(&steps->rules[i].id, &once->rules[i].id));
		assert_true(i == 0 || network_rule_precedes(&once->rules[i - 1],
					  &once->rules[i]));
	}
	ruleset_destroy(&steps);
	ruleset_destroy(&once);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_follow_changes),
		cmocka_unit_test(expiry),
		cmocka_unit_test(what_if),
		cmocka_unit_test(in_steps_or_at_once),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
