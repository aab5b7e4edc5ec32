/*
 * First match among ordered rules, as a longest-prefix walk. A path-compressed
 * binary trie (D. R. Morrison, PATRICIA, 1968) over the 128 bits of an address
 * holds the rules' networks, IPv4 and IPv6 in a trie each. Of all rules that
 * hold an address the first in the list decides; so every node knows the
 * least index among its own rules and those of the nodes above it, and the
 * last node on an address's path has the answer.
 *
 * A rule may expire after the trie was built. When the answer has, the walk
 * is made again with each node's own rules looked at, in their order. Nothing
 * changes after lpm_new(): it may run on another thread.
 */
#include <stdlib.h>
#include <string.h>

#include "guard/guard_priv.h"

/* Half a cache line. Index 0 is no node. */
struct node {
	uint64_t hi, lo; /* bits past the prefix are 0 */
	uint32_t child[2];
	uint32_t best; /* least index here and above */
	uint32_t bits;
};
struct lpm {
	const struct network_rule *rules;
	struct node *nodes;
	uint32_t *own;  /* a node's first own rule */
	uint32_t *next; /* a rule's next one of the same network */
	uint32_t nnodes;
	uint32_t root[2]; /* IPv6, IPv4 */
};
struct key {
	uint64_t hi, lo;
};

static struct key
key_of(const struct netaddr *a)
{
	return ((struct key){ get_be64(a->b), get_be64(a->b + 8) });
}

/* The first n of 64 bits; n may be less than 0 or more than 64. */
static uint64_t
mask(int n)
{
	if (n <= 0)
		return (0);
	return (n >= 64 ? UINT64_MAX : UINT64_MAX << (64 - n));
}

static bool
under(const struct key *k, const struct node *n)
{
	int bits = (int)n->bits;

	return ((((k->hi ^ n->hi) & mask(bits)) |
		    ((k->lo ^ n->lo) & mask(bits - 64))) == 0);
}

static unsigned
bit_at(const struct key *k, unsigned i)
{
	uint64_t half = i < 64 ? k->hi : k->lo;

	return (half >> (63 - i % 64) & 1);
}

static unsigned
common_bits(const struct key *a, const struct node *n)
{
	if (a->hi != n->hi)
		return ((unsigned)__builtin_clzll(a->hi ^ n->hi));
	if (a->lo != n->lo)
		return (64 + (unsigned)__builtin_clzll(a->lo ^ n->lo));
	return (128);
}

static unsigned
least(unsigned a, unsigned b)
{
	return (a < b ? a : b);
}

static uint32_t
node_new(struct lpm *l, const struct key *k, unsigned bits)
{
	uint32_t at = l->nnodes++;
	struct node *n = &l->nodes[at];

	n->hi = k->hi & mask((int)bits);
	n->lo = k->lo & mask((int)bits - 64);
	n->bits = bits;
	n->best = l->own[at] = LPM_NONE;
	return (at);
}

/* How many bits the prefix shares with node n, of those both have. */
static unsigned
shared(const struct node *n, const struct key *k, unsigned bits)
{
	return (least(common_bits(k, n), least(bits, n->bits)));
}

/* The node of a prefix, made where it belongs. */
static uint32_t
node_at(struct lpm *l, uint32_t *link, const struct key *k, unsigned bits)
{
	uint32_t made, branch;
	struct node *n = &l->nodes[*link];
	unsigned common;

	while (*link != 0 && shared(n, k, bits) == n->bits) {
		if (bits == n->bits)
			return (*link);
		link = &n->child[bit_at(k, n->bits)];
		n = &l->nodes[*link];
	}
	made = node_new(l, k, bits);
	if (*link != 0) {
		/* n is not on the way: below, or beside under a branch. */
		struct key old = { n->hi, n->lo };

		common = shared(n, k, bits);
		branch = common == bits ? made : node_new(l, k, common);
		l->nodes[branch].child[bit_at(&old, common)] = *link;
		if (branch != made)
			l->nodes[branch].child[bit_at(k, common)] = made;
		*link = branch;
	} else {
		*link = made;
	}
	return (made);
}

/* As deep as a prefix is long at most. */
static void
inherit(struct lpm *l, uint32_t at, uint32_t above)
{
	struct node *n = &l->nodes[at];

	if (at == 0)
		return;
	n->best = least(above, l->own[at]);
	inherit(l, n->child[0], n->best);
	inherit(l, n->child[1], n->best);
}

static bool
expired(const struct network_rule *r, int64_t now_us)
{
	return (r->expires_us != 0 && r->expires_us <= now_us);
}

struct lpm *
lpm_new(const struct network_rule *rules, uint32_t n, int64_t now_us)
{
	struct lpm *l = calloc(1, sizeof(*l));

	if (l == NULL)
		abort();
	l->rules = rules;
	l->nnodes = 1;
	/* A rule makes a node and a branch at most. */
	l->nodes = calloc(2 * (size_t)n + 1, sizeof(*l->nodes));
	l->own = calloc(2 * (size_t)n + 1, sizeof(*l->own));
	l->next = calloc((size_t)n + 1, sizeof(*l->next));
	if (l->nodes == NULL || l->own == NULL || l->next == NULL)
		abort();
	/* From the last: each is put before those of the same network. */
	for (uint32_t i = n; i-- > 0;) {
		const struct netblock *b = &rules[i].network;
		struct key k = key_of(&b->addr);
		uint32_t at;

		if (expired(&rules[i], now_us))
			continue;
		at = node_at(l, &l->root[netblock_is_v4(b)], &k, b->bits);
		l->next[i] = l->own[at];
		l->own[at] = i;
	}
	inherit(l, l->root[0], LPM_NONE);
	inherit(l, l->root[1], LPM_NONE);
	return (l);
}

void
lpm_destroy(struct lpm **lp)
{
	if (*lp == NULL)
		return;
	free((*lp)->nodes);
	free((*lp)->own);
	free((*lp)->next);
	free(*lp);
	*lp = NULL;
}

uint32_t
lpm_find_without(const struct lpm *l, const struct netaddr *a, int64_t now_us,
    uint32_t without)
{
	struct key k = key_of(a);
	uint32_t best = LPM_NONE, i, at = l->root[netaddr_is_v4(a)];

	while (at != 0 && under(&k, &l->nodes[at])) {
		for (i = l->own[at]; i != LPM_NONE && i < best; i = l->next[i])
			if (i != without && !expired(&l->rules[i], now_us))
				best = i;
		if (l->nodes[at].bits == 128)
			break;
		at = l->nodes[at].child[bit_at(&k, l->nodes[at].bits)];
	}
	return (best);
}

uint32_t
lpm_find(const struct lpm *l, const struct netaddr *a, int64_t now_us)
{
	struct key k = key_of(a);
	uint32_t best = LPM_NONE, at = l->root[netaddr_is_v4(a)];
	const struct node *n;

	for (; at != 0; at = n->child[bit_at(&k, n->bits)]) {
		n = &l->nodes[at];
		if (!under(&k, n))
			break;
		best = n->best;
		if (n->bits == 128)
			break;
	}
	if (best != LPM_NONE && expired(&l->rules[best], now_us))
		return (lpm_find_without(l, a, now_us, LPM_NONE));
	return (best);
}
