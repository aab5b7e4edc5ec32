/*
 * When and from where each key was last used. A use is noted in a table of
 * the worker; once a minute a background coroutine writes the table in one
 * statement. A worker that dies takes a minute of it along, one that drains
 * writes it first. The table is bounded: what finds it full is not noted, and
 * makes the coroutine write at once.
 */
#include <string.h>

#include <kore/kore.h>

#include "auth/auth_priv.h"
#include "obs/obs.h"

#define SLOTS    1024 /* a power of two */
#define FILL_MAX 768  /* look-ups stay short */
#define EVERY_MS 60000
#define LIMIT_MS 10000

struct uses {
	struct apikey_use slots[SLOTS]; /* at_us 0: free */
	unsigned n;
};
static struct uses tables[2];
static struct uses *noted = &tables[0], *written = &tables[1];
static struct wait *idle; /* the writer has nothing to do */

static void
wake(void)
{
	if (idle != NULL)
		wait_signal(idle);
}

/* Ids are ours and end in random bits. */
static struct apikey_use *
slot_of(struct uses *t, const struct uuid *id)
{
	unsigned i = (unsigned)get_be64(id->b + 8) % SLOTS;

	while (t->slots[i].at_us != 0 && !uuid_equal(&t->slots[i].id, id))
		i = (i + 1) % SLOTS;
	return (&t->slots[i]);
}

static void
note(const struct apikey_use *use)
{
	struct apikey_use *slot = slot_of(noted, &use->id);

	if (slot->at_us == 0) {
		if (noted->n >= FILL_MAX) {
			wake();
			return;
		}
		noted->n++;
	}
	if (use->at_us > slot->at_us)
		*slot = *use;
}

void
apikey_used(
    const struct principal *who, const struct netaddr *from, int64_t now_us)
{
	struct apikey_use use = { .id = who->key->id, .at_us = now_us };

	netblock_around(from, 24, 64, &use.network);
	note(&use);
}

/* Back into the table, where a later use may have come in. */
static void
keep(const struct uses *t)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (t->slots[i].at_us != 0)
			note(&t->slots[i]);
}

static co_fn void
flush(void)
{
	struct uses *taken = noted;
	struct env env;

	noted = written;
	written = taken;
	env_init(&env, time_mono_ms() + LIMIT_MS);
	if (apikey_db_used(&env, taken->slots, SLOTS) != RES_OK) {
		log_event(LOG_LEVEL_WARN, "apikey.used",
		    "the last use of %u API keys was not written: %s", taken->n,
		    env.err.private);
		/* Nobody waits for a second try at the end. */
		if (!loop_draining())
			keep(taken);
	}
	env_done(&env);
	memset(taken, 0, sizeof(*taken));
}

static co_fn void
writer(void *arg UNUSED)
{
	struct wait w;

	for (;;) {
		wait_init(&w);
		idle = &w;
		(void)wait_for(&w, time_mono_ms() + EVERY_MS);
		idle = NULL;
		if (noted->n > 0)
			flush();
	}
}

/* Asked at a drain, which is when there is no minute to wait for. */
static unsigned
pending(void)
{
	unsigned n = noted->n + written->n;

	if (n > 0 && loop_draining())
		wake();
	return (n);
}

void
apikey_init(void)
{
	if (co_spawn("apikey-used", writer, NULL) != RES_OK)
		fatal("API keys: cannot start the writer");
	drain_probe("uses of API keys", pending);
}
