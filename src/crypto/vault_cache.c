/*
 * Data keys in use, so that a patient's page does not unwrap the same key
 * again and again. A set-associative table of fixed size in guarded memory:
 * nothing grows, nothing moves, the oldest of a set makes room. Every worker
 * has its own; used on its event loop only. A key is gone 5 minutes after it
 * was put in, whether it was used or not: an erased patient's key must not
 * live on because someone keeps asking. vault_cache_sweep() wipes what
 * nobody asks for any more. A note about the owner lives and dies with the key.
 */
#include <sodium.h>
#include <string.h>

#include "crypto/crypto_priv.h"

#define WAYS 8
#define SETS (VAULT_CACHE_ENTRIES / WAYS)

_Static_assert((SETS & (SETS - 1)) == 0, "masked by SETS - 1");

struct entry {
	struct data_key key;
	int64_t expires_ms; /* 0: empty */
	int32_t note;
	bool noted;
};

struct cache {
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	struct entry sets[SETS][WAYS];
};

int64_t (*vault_cache_clock)(void) = time_mono_ms;

static struct cache *cache;

/* Without memory for it there is no cache, only more unwrapping. */
static bool
cache_ready(void)
{
	static bool tried;

	if (!tried && sodium_init() >= 0) {
		tried = true;
		if ((cache = sodium_malloc(sizeof(*cache))) != NULL) {
			sodium_memzero(cache, sizeof(*cache));
			crypto_shorthash_keygen(cache->hash_key);
		}
	}

	return (cache != NULL);
}

static struct entry *
set_of(const struct uuid *owner)
{
	uint8_t hash[crypto_shorthash_BYTES];

	crypto_shorthash(hash, owner->b, sizeof(owner->b), cache->hash_key);

	return (cache->sets[get_be32(hash) & (SETS - 1)]);
}

static void
entry_wipe(struct entry *entry)
{
	sodium_memzero(entry, sizeof(*entry));
}

static struct entry *
find(const struct uuid *owner)
{
	struct entry *set;
	int i;

	set = set_of(owner);
	for (i = 0; i < WAYS; i++) {
		if (set[i].expires_ms != 0 &&
		    uuid_equal(&set[i].key.owner, owner))
			return (&set[i]);
	}

	return (NULL);
}

/* The one that expires first; an empty one expires before all others. */
static struct entry *
victim(const struct uuid *owner)
{
	struct entry *set, *oldest;
	int i;

	set = set_of(owner);
	oldest = &set[0];
	for (i = 1; i < WAYS; i++) {
		if (set[i].expires_ms < oldest->expires_ms)
			oldest = &set[i];
	}

	return (oldest);
}

/* A key put in again keeps its time if it is the same, see above. */
void
vault_cache_put(const struct data_key *key)
{
	struct entry *entry;

	if (!cache_ready())
		return;
	entry = find(&key->owner);
	if (entry != NULL && entry->key.version == key->version)
		return;
	if (entry == NULL)
		entry = victim(&key->owner);
	entry->key = *key;
	entry->noted = false;
	entry->expires_ms = vault_cache_clock() + VAULT_CACHE_TTL_MS;
}

/* The entry, unless its time is over. */
static struct entry *
find_live(const struct uuid *owner)
{
	struct entry *entry;

	if (!cache_ready() || (entry = find(owner)) == NULL)
		return (NULL);
	if (entry->expires_ms > vault_cache_clock())
		return (entry);
	entry_wipe(entry);

	return (NULL);
}

bool
vault_cache_get(const struct uuid *owner, struct data_key *key)
{
	const struct entry *entry;

	if ((entry = find_live(owner)) == NULL)
		return (false);
	*key = entry->key;

	return (true);
}

void
vault_cache_note(const struct uuid *owner, int32_t note)
{
	struct entry *entry;

	if ((entry = find_live(owner)) == NULL)
		return;
	entry->note = note;
	entry->noted = true;
}

bool
vault_cache_noted(const struct uuid *owner, int32_t *note)
{
	const struct entry *entry;

	if ((entry = find_live(owner)) == NULL || !entry->noted)
		return (false);
	*note = entry->note;

	return (true);
}

void
vault_cache_drop(const struct uuid *owner)
{
	struct entry *entry;

	if (cache_ready() && (entry = find(owner)) != NULL)
		entry_wipe(entry);
}

void
vault_cache_sweep(void)
{
	struct entry *entry;
	size_t i;
	int64_t now;

	if (!cache_ready())
		return;
	now = vault_cache_clock();
	for (i = 0; i < VAULT_CACHE_ENTRIES; i++) {
		entry = &cache->sets[i / WAYS][i % WAYS];
		if (entry->expires_ms != 0 && entry->expires_ms <= now)
			entry_wipe(entry);
	}
}

unsigned
vault_cache_count(void)
{
	unsigned n;
	size_t i;

	if (!cache_ready())
		return (0);
	n = 0;
	for (i = 0; i < VAULT_CACHE_ENTRIES; i++)
		n += cache->sets[i / WAYS][i % WAYS].expires_ms != 0;

	return (n);
}

enum res
vault_open_key(const struct uuid *owner, const struct wrapped_key *wrapped,
    struct data_key *key)
{
	if (vault_cache_get(owner, key) && key->version == wrapped->version)
		return (RES_OK);
	if (vault_unwrap(owner, wrapped->version, wrapped->wrapped,
		wrapped->len, key) != RES_OK)
		return (RES_ERR);
	vault_cache_put(key);

	return (RES_OK);
}
