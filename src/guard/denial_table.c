/*
 * How often which network was turned away, and why: a hash table of fixed
 * size that never allocates. What finds it full is added to one row a kind
 * for "other networks", so that no count is lost. Pure: no Kore, no clock.
 *
 * Open addressing. Clients choose their addresses, so the hash is keyed: else
 * a flood could be made to fall into one chain.
 */
#include <string.h>

#include <sodium.h>

#include "guard/guard_priv.h"

void
denial_table_init(struct denial_table *t)
{
	memset(t, 0, sizeof(*t));
	randombytes_buf(t->key, sizeof(t->key));
}

static unsigned
slot_of(const struct denial_table *t, enum denial kind,
    const struct netblock *network)
{
	uint8_t in[sizeof(network->addr.b) + 2], out[crypto_shorthash_BYTES];

	memcpy(in, network->addr.b, sizeof(network->addr.b));
	in[sizeof(in) - 2] = network->bits;
	in[sizeof(in) - 1] = (uint8_t)kind;
	crypto_shorthash(out, in, sizeof(in), t->key);

	return (get_be32(out) % DENIAL_SLOTS);
}

static bool
same(const struct denial_row *row, enum denial kind,
    const struct netblock *network)
{
	return (row->kind == kind && row->network.bits == network->bits &&
		memcmp(&row->network.addr, &network->addr,
		    sizeof(network->addr)) == 0);
}

/* The row of a network, made if need be; NULL: there is no room for it. */
static struct denial_row *
row_of(struct denial_table *t, enum denial kind, const struct netblock *network)
{
	struct denial_row *row;
	unsigned at = slot_of(t, kind, network);

	/* Half of the slots at least are empty: the walk ends. */
	for (; t->slot[at] != 0; at = (at + 1) % DENIAL_SLOTS) {
		row = &t->row[t->slot[at] - 1];
		if (same(row, kind, network))
			return (row);
	}
	if (t->n == DENIAL_ROWS)
		return (NULL);
	row = &t->row[t->n++];
	memset(row, 0, sizeof(*row));
	row->kind = kind;
	row->network = *network;
	t->slot[at] = (uint16_t)t->n;

	return (row);
}

void
denial_table_add(struct denial_table *t, enum denial kind,
    const struct netaddr *who, int64_t now_us)
{
	struct netblock network;
	struct denial_row *row;

	netblock_around(who, DENIAL_V4_BITS, DENIAL_V6_BITS, &network);
	if ((row = row_of(t, kind, &network)) == NULL) {
		row = &t->others[kind];
		row->kind = kind;
		row->others = true;
	}
	if (row->count++ == 0)
		row->from_us = now_us;
	row->to_us = now_us;
}

unsigned
denial_table_take(struct denial_table *t, struct denial_row out[DENIAL_TAKE])
{
	unsigned n = t->n;

	memcpy(out, t->row, n * sizeof(*out));
	for (unsigned kind = 0; kind < DENIAL_MAX; kind++) {
		if (t->others[kind].count > 0)
			out[n++] = t->others[kind];
	}
	for (unsigned i = 0; i < n; i++)
		uuid_v7(&out[i].id);
	denial_table_init(t);

	return (n);
}

unsigned
denial_table_count(const struct denial_table *t)
{
	unsigned n = t->n;

	for (unsigned kind = 0; kind < DENIAL_MAX; kind++)
		n += t->others[kind].count > 0;

	return (n);
}
