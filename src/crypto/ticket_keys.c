/*
 * The keys of TLS session tickets, in memory that all workers share: a client
 * that comes back to another worker resumes its session all the same. Random,
 * never written anywhere, two at a time: the current one, which makes tickets,
 * and the one before, which still opens them. Whichever worker first sees that
 * the current one's time is over replaces it; what leaves is overwritten.
 *
 * Nobody ever waits. Readers copy under a version count, odd while a writer is
 * at work; the writer's lock is only tried. A worker that is killed with it
 * leaves the lock to the next one (robust), which makes both keys anew if it
 * was in the middle of writing. Without keys there is no resumption, no more.
 */
#include <sys/mman.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "crypto/crypto.h"

#define READ_TRIES 4
#define KEY_WORDS  (sizeof(struct ticket_key) / sizeof(uint64_t))

enum slot {
	CURRENT,
	PREVIOUS,
	SLOTS
};

struct ring {
	pthread_mutex_t writer;
	_Atomic uint64_t version;
	_Atomic int64_t since; /* when the current key was made */
	_Atomic uint64_t keys[SLOTS][KEY_WORDS];
};

/* What a reader takes out of the ring. */
struct snapshot {
	int64_t since;
	struct ticket_key keys[SLOTS];
};

static struct ring *ring;
static int64_t period;

static void
put(enum slot slot, const struct ticket_key *key)
{
	uint64_t words[KEY_WORDS];

	memcpy(words, key, sizeof(words));
	for (size_t i = 0; i < KEY_WORDS; i++)
		atomic_store_explicit(
		    &ring->keys[slot][i], words[i], memory_order_relaxed);
	sodium_memzero(words, sizeof(words));
}

static void
get(enum slot slot, struct ticket_key *key)
{
	uint64_t words[KEY_WORDS];

	for (size_t i = 0; i < KEY_WORDS; i++)
		words[i] = atomic_load_explicit(
		    &ring->keys[slot][i], memory_order_relaxed);
	memcpy(key, words, sizeof(words));
	sodium_memzero(words, sizeof(words));
}

/* The previous key's place is taken by the current one, or by nothing. */
static void
replace(int64_t now_ms, bool keep_current)
{
	struct ticket_key key;
	uint64_t version = atomic_load(&ring->version) | 1;

	atomic_store(&ring->version, version);
	atomic_thread_fence(memory_order_release);
	memset(&key, 0, sizeof(key));
	if (keep_current)
		get(CURRENT, &key);
	put(PREVIOUS, &key);
	randombytes_buf(&key, sizeof(key));
	put(CURRENT, &key);
	atomic_store(&ring->since, now_ms);
	atomic_store_explicit(
	    &ring->version, version + 1, memory_order_release);
	sodium_memzero(&key, sizeof(key));
}

static void
rotate(int64_t now_ms)
{
	int rc = pthread_mutex_trylock(&ring->writer);
	int64_t age;
	bool torn;

	if (rc == EOWNERDEAD)
		(void)pthread_mutex_consistent(&ring->writer);
	else if (rc != 0)
		return;
	age = now_ms - atomic_load(&ring->since);
	torn = (atomic_load(&ring->version) & 1) != 0;
	if (torn || age >= period)
		replace(now_ms, !torn && age < 2 * period);
	(void)pthread_mutex_unlock(&ring->writer);
}

static bool
copy(struct snapshot *s)
{
	uint64_t before;

	for (int i = 0; i < READ_TRIES; i++) {
		before =
		    atomic_load_explicit(&ring->version, memory_order_acquire);
		s->since = atomic_load(&ring->since);
		get(CURRENT, &s->keys[CURRENT]);
		get(PREVIOUS, &s->keys[PREVIOUS]);
		atomic_thread_fence(memory_order_acquire);
		if ((before & 1) == 0 && before == atomic_load(&ring->version))
			return (true);
	}
	return (false);
}

/* False: there are no keys that may be used now. */
static bool
snapshot_take(struct snapshot *s, int64_t now_ms)
{
	if (ring == NULL)
		return (false);
	ticket_keys_rotate(now_ms);
	/* A writer that was stopped in its tracks leaves them too old. */
	return (copy(s) && now_ms - s->since < 2 * period);
}

enum res
ticket_keys_init(int64_t period_ms, int64_t now_ms)
{
	pthread_mutexattr_t attr;
	void *p;

	p = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return (RES_ERR);
	/* Not in core files; not swapped, where the limit allows it. */
	(void)madvise(p, sizeof(*ring), MADV_DONTDUMP);
	(void)mlock(p, sizeof(*ring));
	ring = p;
	period = period_ms;
	if (pthread_mutexattr_init(&attr) != 0 ||
	    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) != 0 ||
	    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) != 0 ||
	    pthread_mutex_init(&ring->writer, &attr) != 0) {
		ticket_keys_forget();
		return (RES_ERR);
	}
	(void)pthread_mutexattr_destroy(&attr);
	replace(now_ms, false);
	return (RES_OK);
}

void
ticket_keys_forget(void)
{
	if (ring != NULL)
		(void)munmap(ring, sizeof(*ring));
	ring = NULL;
}

void
ticket_keys_rotate(int64_t now_ms)
{
	if (ring != NULL && ((atomic_load(&ring->version) & 1) != 0 ||
				now_ms - atomic_load(&ring->since) >= period))
		rotate(now_ms);
}

bool
ticket_key_current(int64_t now_ms, struct ticket_key *out)
{
	struct snapshot s;
	bool found = snapshot_take(&s, now_ms);

	if (found)
		*out = s.keys[CURRENT];
	sodium_memzero(&s, sizeof(s));
	return (found);
}

bool
ticket_key_find(
    const uint8_t *name, int64_t now_ms, struct ticket_key *out, bool *current)
{
	struct snapshot s;
	bool found = false;

	/* An empty place has a name of zeros; and no key has one. */
	if (!sodium_is_zero(name, TICKET_NAME_BYTES) &&
	    snapshot_take(&s, now_ms)) {
		for (int i = 0; i < SLOTS && !found; i++) {
			found = memcmp(s.keys[i].name, name,
				    TICKET_NAME_BYTES) == 0;
			*current = i == CURRENT;
			if (found)
				*out = s.keys[i];
		}
	}
	sodium_memzero(&s, sizeof(s));
	return (found);
}
