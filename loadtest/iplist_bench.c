/*
 * What a look-up in the network rules costs: the trie of guard/lpm.c beside a
 * plain scan of the same list, which also checks every answer it has time
 * for. Arguments: how many rules (100,000), how many look-ups (1,000,000).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard/guard_priv.h"

#define SCANS 500

/* 3 of 4 rules and addresses are IPv4. */
static void
random_address(struct netaddr *a)
{
	for (unsigned i = 0; i < sizeof(a->b); i++)
		a->b[i] = (uint8_t)lrand48();
	a->b[0] = 0x20;
	if (lrand48() % 4 != 0) {
		memset(a->b, 0, 10);
		a->b[10] = a->b[11] = 0xff;
	}
}

static struct network_rule *
random_rules(uint32_t n)
{
	struct network_rule *rules = calloc(n, sizeof(*rules));
	struct netaddr a;

	if (rules == NULL)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		random_address(&a);
		netblock_around(&a, 16 + (unsigned)lrand48() % 17,
		    32 + (unsigned)lrand48() % 33, &rules[i].network);
		rules[i].allow = i % 2 == 0;
	}

	return (rules);
}

/* Every second one lies in the network of some rule. */
static struct netaddr *
random_addresses(const struct network_rule *rules, uint32_t nrules, unsigned n)
{
	struct netaddr *all = calloc(n, sizeof(*all));

	if (all == NULL)
		abort();
	for (unsigned i = 0; i < n; i++) {
		random_address(&all[i]);
		if (i % 2 == 0) {
			uint8_t last = all[i].b[15];

			all[i] = rules[lrand48() % nrules].network.addr;
			all[i].b[15] ^= last & 0x0f;
		}
	}

	return (all);
}

static uint32_t
scan(const struct network_rule *rules, uint32_t n, const struct netaddr *a)
{
	for (uint32_t i = 0; i < n; i++)
		if (netblock_has(&rules[i].network, a))
			return (i);

	return (LPM_NONE);
}

static void
check(const struct lpm *l, const struct network_rule *rules, uint32_t n,
    const struct netaddr *all)
{
	int64_t start = time_mono_us(), spent;
	unsigned wrong = 0;

	for (unsigned i = 0; i < SCANS; i++)
		wrong += scan(rules, n, &all[i]) != lpm_find(l, &all[i], 1);
	spent = time_mono_us() - start;
	printf("scan   %10.1f ns a look-up, %u of %u answers differ\n",
	    (double)spent * 1000 / SCANS, wrong, SCANS);
	if (wrong > 0)
		exit(1);
}

int
main(int argc, char *argv[])
{
	uint32_t n = argc > 1 ? (uint32_t)atoi(argv[1]) : 100000;
	unsigned times = argc > 2 ? (unsigned)atoi(argv[2]) : 1000000;
	struct network_rule *rules;
	struct netaddr *all;
	struct lpm *l;
	int64_t start, built;
	unsigned hits = 0;

	srand48(1);
	if (n == 0 || times < SCANS) {
		fprintf(stderr, "usage: iplist_bench [rules [look-ups]]\n");
		return (2);
	}
	rules = random_rules(n);
	all = random_addresses(rules, n, times);
	start = time_mono_us();
	l = lpm_new(rules, n, 1);
	built = time_mono_us();
	for (unsigned i = 0; i < times; i++)
		hits += lpm_find(l, &all[i], 1) != LPM_NONE;
	printf("rules  %10u, built in %.1f ms\n", n,
	    (double)(built - start) / 1000);
	printf("trie   %10.1f ns a look-up, %.0f %% of %u found a rule\n",
	    (double)(time_mono_us() - built) * 1000 / times,
	    100.0 * hits / times, times);
	check(l, rules, n, all);
	lpm_destroy(&l);
	free(rules);
	free(all);

	return (0);
}
