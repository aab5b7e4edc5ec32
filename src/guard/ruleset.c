/*
 * The list of network rules at one revision, and the next one made from it
 * and what has changed. A list never changes: readers have the old one until
 * the new one takes its place.
 */
#include <stdlib.h>
#include <string.h>

#include "guard/guard_priv.h"

static bool
expired(const struct network_rule *r, int64_t now_us)
{
	return (r->expires_us != 0 && r->expires_us <= now_us);
}

static int
by_order(const void *x, const void *y)
{
	const struct network_rule *a = x, *b = y;

	if (a->position != b->position)
		return (a->position < b->position ? -1 : 1);

	return (memcmp(a->id.b, b->id.b, sizeof(a->id.b)));
}

bool
network_rule_precedes(
    const struct network_rule *a, const struct network_rule *b)
{
	return (by_order(a, b) < 0);
}

/* Of pointers into one array of changes: by id, the latest first. */
static int
by_id(const void *x, const void *y)
{
	const struct network_rule *const *a = x, *const *b = y;
	int order = memcmp((*a)->id.b, (*b)->id.b, sizeof((*a)->id.b));

	if (order != 0)
		return (order);

	return (*a > *b ? -1 : *a < *b);
}

static int
id_to_change(const void *x, const void *y)
{
	const struct uuid *id = x;
	const struct network_rule *const *change = y;

	return (memcmp(id->b, (*change)->id.b, sizeof(id->b)));
}

static void *
room(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	if (p == NULL)
		abort();

	return (p);
}

static void
put(struct ruleset *set, const struct network_rule *r, int64_t now_us)
{
	if (r->removed || expired(r, now_us))
		return;
	set->rules[set->n++] = *r;
	if (r->expires_us != 0 && r->expires_us < set->next_expiry_us)
		set->next_expiry_us = r->expires_us;
}

static void
merge(struct ruleset *set, const struct ruleset *old,
    const struct network_rule *changes, uint32_t nchanges, int64_t now_us)
{
	const struct network_rule **sorted = room(nchanges, sizeof(*sorted));
	uint32_t nold = old != NULL ? old->n : 0;

	for (uint32_t i = 0; i < nchanges; i++)
		sorted[i] = &changes[i];
	qsort(sorted, nchanges, sizeof(*sorted), by_id);
	for (uint32_t i = 0; i < nold; i++) {
		if (bsearch(&old->rules[i].id, sorted, nchanges,
			sizeof(*sorted), id_to_change) == NULL)
			put(set, &old->rules[i], now_us);
	}
	for (uint32_t i = 0; i < nchanges; i++) {
		if (i == 0 || !uuid_equal(&sorted[i]->id, &sorted[i - 1]->id))
			put(set, sorted[i], now_us);
	}
	free(sorted);
}

struct ruleset *
ruleset_new(const struct ruleset *old, const struct network_rule *changes,
    uint32_t nchanges, int32_t revision, int64_t now_us)
{
	struct ruleset *set = room(0, sizeof(*set));

	set->revision = revision;
	set->next_expiry_us = INT64_MAX;
	set->rules = room(
	    (old != NULL ? old->n : 0) + (size_t)nchanges, sizeof(*set->rules));
	merge(set, old, changes, nchanges, now_us);
	qsort(set->rules, set->n, sizeof(*set->rules), by_order);
	set->lpm = lpm_new(set->rules, set->n, now_us);

	return (set);
}

void
ruleset_destroy(struct ruleset **setp)
{
	if (*setp == NULL)
		return;
	lpm_destroy(&(*setp)->lpm);
	free((*setp)->rules);
	free(*setp);
	*setp = NULL;
}

const struct network_rule *
ruleset_decide(
    const struct ruleset *set, const struct netaddr *who, int64_t now_us)
{
	uint32_t i = lpm_find(set->lpm, who, now_us);

	return (i == LPM_NONE ? NULL : &set->rules[i]);
}

const struct network_rule *
ruleset_decide_with(const struct ruleset *set, const struct netaddr *who,
    int64_t now_us, const struct uuid *without,
    const struct network_rule *added, unsigned nadded)
{
	uint32_t i = lpm_find(set->lpm, who, now_us);
	const struct network_rule *first;

	/* Taking away what does not decide changes nothing. */
	if (i != LPM_NONE && without != NULL &&
	    uuid_equal(&set->rules[i].id, without))
		i = lpm_find_without(set->lpm, who, now_us, i);
	first = i == LPM_NONE ? NULL : &set->rules[i];
	for (unsigned k = 0; k < nadded; k++) {
		if (!expired(&added[k], now_us) &&
		    netblock_has(&added[k].network, who) &&
		    (first == NULL || network_rule_precedes(&added[k], first)))
			first = &added[k];
	}

	return (first);
}
