/*
 * Limits that one worker keeps by itself, in memory, while Redis is away.
 *
 * A bucket is found by a keyed hash of its name, in a set of eight places. A
 * newcomer that finds its set taken gets the place of whoever is nearest to
 * being whole, with that one's debt: under a flood of names limits become
 * stricter, never looser.
 */
#include <string.h>

#include <sodium.h>

#include "guard/guard.h"

#define SETS      1024
#define WAYS      8
#define SHARE     4 /* the part of its share that a worker gives out */
#define MINUTE_US 60e6

struct place {
	uint64_t name; /* its hash; 0: free */
	double whole_us;
};

static struct place table[SETS][WAYS];
static uint8_t hash_key[crypto_shorthash_KEYBYTES];
static unsigned workers = 1;

void
rate_alone_init(unsigned n)
{
	workers = n > 0 ? n : 1;
	randombytes_buf(hash_key, sizeof(hash_key));
	memset(table, 0, sizeof(table));
}

int64_t
rate_alone_limit(int64_t limit)
{
	int64_t mine = limit / (SHARE * (int64_t)workers);

	return (mine > 0 ? mine : 1);
}

static uint64_t
hash(const char *name)
{
	uint64_t out;

	crypto_shorthash(
	    (uint8_t *)&out, (const uint8_t *)name, strlen(name), hash_key);
	return (out != 0 ? out : 1);
}

/* The place of a name; a new one inherits what it displaces. */
static struct place *
find(const char *name)
{
	uint64_t h = hash(name);
	struct place *set = table[h % SETS], *least = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].name == h)
			return (&set[i]);
		if (set[i].whole_us < least->whole_us)
			least = &set[i];
	}
	least->name = h;
	return (least);
}

static void
judge(const struct rate_bucket *b, double whole, double now, unsigned cost,
    struct rate_state *out)
{
	double step = MINUTE_US / (double)b->limit, price = step * cost;
	double burst = step * (double)rate_quota(b->limit);
	double wait = whole + price - now - (burst > price ? burst : price);

	out->kind = b->kind;
	out->limit = b->limit;
	/* A microsecond for rounding. */
	out->wait_ms = wait > 1 ? (int64_t)(wait / 1000) + 1 : 0;
	if (out->wait_ms == 0)
		whole += price;
	out->left = (int64_t)((burst - (whole - now)) / step);
	if (out->left < 0)
		out->left = 0;
	out->reset_ms = (int64_t)((whole - now) / 1000) + 1;
}

bool
rate_alone(const struct rate_bucket *buckets, unsigned n, unsigned cost,
    int64_t now_us, struct rate_state *out)
{
	struct place *places[RATE_BUCKETS_MAX];
	double now = (double)now_us;
	bool ok = true;

	for (unsigned i = 0; i < n; i++) {
		places[i] = find(buckets[i].name);
		if (places[i]->whole_us < now)
			places[i]->whole_us = now;
		judge(&buckets[i], places[i]->whole_us, now, cost, &out[i]);
		ok &= out[i].wait_ms == 0;
	}
	for (unsigned i = 0; ok && i < n; i++)
		places[i]->whole_us +=
		    MINUTE_US / (double)buckets[i].limit * cost;
	return (ok);
}
