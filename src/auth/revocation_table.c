/*
 * What has ended of late: users' sessions up to an instant, and single ones.
 * A hash table that keeps what may still matter (an end is forgotten when no
 * session is left that it could be about), so its size is that of the recent
 * ends, whatever the number of users. Pure: no Kore, no clock.
 *
 * Open addressing; the last bytes of a UUID of ours are random.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth_priv.h"

#define SLOTS_MIN 256

struct revocation {
	struct uuid id; /* nil: an empty slot */
	int64_t from_us;
	int64_t until_us;
};

struct revocation_table {
	struct revocation *slots;
	size_t nslots, n;
};

struct revocation_table *
revocation_table_new(void)
{
	struct revocation_table *t = calloc(1, sizeof(*t));

	assert(t != NULL);
	t->nslots = SLOTS_MIN;
	t->slots = calloc(t->nslots, sizeof(*t->slots));
	assert(t->slots != NULL);
	return (t);
}

void
revocation_table_destroy(struct revocation_table **t)
{
	if (*t == NULL)
		return;
	free((*t)->slots);
	free(*t);
	*t = NULL;
}

size_t
revocation_table_count(const struct revocation_table *t)
{
	return (t->n);
}

/* Its slot, or the empty one where it would be: one in two is empty. */
static struct revocation *
slot_of(const struct revocation_table *t, const struct uuid *id)
{
	size_t at = get_be32(id->b + 12) & (t->nslots - 1);

	while (
	    !uuid_is_nil(&t->slots[at].id) && !uuid_equal(&t->slots[at].id, id))
		at = (at + 1) & (t->nslots - 1);
	return (&t->slots[at]);
}

/* Makes room: what is past goes, and what is left gets four slots each. */
static void
rebuild(struct revocation_table *t, int64_t now_us)
{
	struct revocation *old = t->slots;
	size_t nold = t->nslots, live = 0;

	for (size_t i = 0; i < nold; i++)
		live += !uuid_is_nil(&old[i].id) && old[i].until_us > now_us;
	for (t->nslots = SLOTS_MIN; t->nslots < 4 * live;)
		t->nslots *= 2;
	t->slots = calloc(t->nslots, sizeof(*t->slots));
	assert(t->slots != NULL);
	t->n = live;
	for (size_t i = 0; i < nold; i++)
		if (!uuid_is_nil(&old[i].id) && old[i].until_us > now_us)
			*slot_of(t, &old[i].id) = old[i];
	free(old);
}

void
revocation_table_put(struct revocation_table *t, const struct uuid *id,
    int64_t from_us, int64_t until_us, int64_t now_us)
{
	struct revocation *slot = slot_of(t, id);

	if (uuid_is_nil(id) || until_us <= now_us)
		return;
	if (uuid_is_nil(&slot->id)) {
		if (2 * (t->n + 1) > t->nslots)
			rebuild(t, now_us);
		slot = slot_of(t, id);
		slot->id = *id;
		t->n++;
	}
	if (from_us > slot->from_us)
		slot->from_us = from_us;
	if (until_us > slot->until_us)
		slot->until_us = until_us;
}

int64_t
revocation_table_from(const struct revocation_table *t, const struct uuid *id)
{
	const struct revocation *slot;

	if (uuid_is_nil(id))
		return (0);
	slot = slot_of(t, id);
	return (uuid_is_nil(&slot->id) ? 0 : slot->from_us);
}
