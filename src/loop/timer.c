/*
 * A hashed timing wheel (Varghese and Lauck, 1987). Nearly every await sets a
 * timer and cancels it, so both are O(1); Kore's own timers are a sorted list
 * and would cost a walk each. One Kore timer is armed for the earliest slot
 * in use. Timers fire up to STEP_MS late, never early.
 */
#include <sys/types.h>

#include <kore/kore.h>

#include "loop/loop_priv.h"

#define STEP_MS 4
#define SLOTS   1024 /* a turn of the wheel: 4 s */

TAILQ_HEAD(slot, timer);

static struct slot wheel[SLOTS];
static int64_t clock_tick; /* last tick that was run */
static int64_t armed_tick; /* 0: not armed */
static struct kore_timer *armed;
static unsigned ntimers;

static void wheel_turn(void *, u_int64_t);

static int64_t
tick_of(int64_t ms)
{
	return ((ms + STEP_MS - 1) / STEP_MS);
}

void
timer_init(void)
{
	for (int i = 0; i < SLOTS; i++)
		TAILQ_INIT(&wheel[i]);
	clock_tick = time_mono_ms() / STEP_MS;
}

static void
arm(int64_t tick)
{
	int64_t wait;

	if (armed != NULL) {
		if (armed_tick <= tick)
			return;
		kore_timer_remove(armed);
	}
	wait = tick * STEP_MS - time_mono_ms();
	armed = kore_timer_add(
	    wheel_turn, wait > 0 ? wait : 0, NULL, KORE_TIMER_ONESHOT);
	armed_tick = tick;
}

/* Arms for the next slot in use; far timers share slots with near ones and
 * then cost an early look, nothing more. */
static void
arm_next(void)
{
	if (ntimers == 0)
		return;
	for (int64_t t = clock_tick + 1; t <= clock_tick + SLOTS; t++) {
		if (!TAILQ_EMPTY(&wheel[t % SLOTS])) {
			arm(t);
			return;
		}
	}
}

static void
slot_run(struct slot *slot, int64_t now)
{
	struct slot due = TAILQ_HEAD_INITIALIZER(due);
	struct timer *t, *next;

	for (t = TAILQ_FIRST(slot); t != NULL; t = next) {
		next = TAILQ_NEXT(t, entry);
		if (t->at > now)
			continue;
		TAILQ_REMOVE(slot, t, entry);
		t->at = 0;
		ntimers--;
		/* fn may set or cancel any timer but those already taken
		 * out, which is why each is taken out on its own. */
		t->fn(t->arg);
		next = TAILQ_FIRST(slot);
	}
}

static void
wheel_turn(void *arg UNUSED, u_int64_t kore_now UNUSED)
{
	int64_t now = time_mono_ms(), last = now / STEP_MS;

	armed = NULL; /* Kore frees it after this call */
	if (last - clock_tick > SLOTS)
		clock_tick = last - SLOTS;
	while (clock_tick < last) {
		clock_tick++;
		slot_run(&wheel[clock_tick % SLOTS], now);
	}
	arm_next();
}

void
timer_set(struct timer *t, int64_t at, void (*fn)(void *), void *arg)
{
	int64_t tick;

	timer_cancel(t);
	t->at = at > 0 ? at : 1;
	t->fn = fn;
	t->arg = arg;
	tick = tick_of(t->at);
	if (tick <= clock_tick)
		tick = clock_tick + 1;
	TAILQ_INSERT_TAIL(&wheel[tick % SLOTS], t, entry);
	t->slot = tick % SLOTS;
	ntimers++;
	arm(tick);
}

void
timer_cancel(struct timer *t)
{
	if (t->at == 0)
		return;
	TAILQ_REMOVE(&wheel[t->slot], t, entry);
	t->at = 0;
	ntimers--;
}
