/*
 * Stackful coroutines. A coroutine has a stack of its own, mapped once and
 * pooled, with an inaccessible page below it: overflow is a fault, never a
 * corrupted neighbour. Switching saves the callee-saved registers only (20 ns
 * on x86-64); elsewhere ucontext does it. Under AddressSanitizer each switch
 * is announced, so its stack bookkeeping follows.
 */
#include <sys/mman.h>

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include <kore/kore.h>

#include "loop/loop_priv.h"

#if !defined(__x86_64__)
#include <ucontext.h>
struct contexts {
	ucontext_t me, caller;
};
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define GUARD_BYTES 4096
#define POOL_KEEP   512 /* idle stacks kept mapped */

TAILQ_HEAD(co_list, co);

static struct co *current;
static struct co_list idle = TAILQ_HEAD_INITIALIZER(idle);
static struct co_list runnable = TAILQ_HEAD_INITIALIZER(runnable);
static size_t stack_size;
static unsigned limit, live, nidle;
static bool kicked;
static TAILQ_HEAD(, deferred) deferreds = TAILQ_HEAD_INITIALIZER(deferreds);

void
co_init(size_t stack_bytes, unsigned max)
{
	stack_size = (stack_bytes + 4095) & ~(size_t)4095;
#if defined(__SANITIZE_ADDRESS__)
	stack_size *= 4; /* instrumented frames are larger */
#endif
	limit = max;
}

struct co *
co_self(void)
{
	return (current);
}

unsigned
co_live(void)
{
	return (live);
}

#if defined(__x86_64__)
void co_swap(void **save, void *to);
__asm__(".text\n"
	".globl co_swap\n"
	".hidden co_swap\n"
	".type co_swap,@function\n"
	"co_swap:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp,(%rdi)\n"
	"	movq %rsi,%rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size co_swap,.-co_swap\n");
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SWITCH_START(save, bottom, size) \
	__sanitizer_start_switch_fiber(save, bottom, size)
#define SWITCH_FINISH(save, bottom, size) \
	__sanitizer_finish_switch_fiber(save, bottom, size)
#else
#define SWITCH_START(save, bottom, size) \
	do {                             \
	} while (0)
#define SWITCH_FINISH(save, bottom, size) \
	do {                              \
	} while (0)
#endif

/* Back to whoever resumed us. */
static void
leave(struct co *c)
{
	SWITCH_START(&c->fake, c->caller_bottom, c->caller_size);
#if defined(__x86_64__)
	co_swap(&c->sp, c->caller);
#else
	struct contexts *uc = c->uc;

	swapcontext(&uc->me, &uc->caller);
#endif
	SWITCH_FINISH(c->fake, &c->caller_bottom, &c->caller_size);
}

/* Bottom frame of every coroutine; runs one function after another. */
static void
trampoline(void)
{
	struct co *c = current;

	SWITCH_FINISH(NULL, &c->caller_bottom, &c->caller_size);
	for (;;) {
		c->fn(c->arg);
		c->done = true;
		c->ready = false;
		leave(c);
	}
}

static void
stack_prepare(struct co *c)
{
#if defined(__x86_64__)
	void **sp = (void **)(void *)(c->map + GUARD_BYTES + stack_size);

	/* On entry rsp % 16 must be 8, as after a call. */
	*--sp = NULL;
	*--sp = (void *)trampoline;
	for (int i = 0; i < 6; i++)
		*--sp = NULL;
	c->sp = sp;
#else
	struct contexts *uc = calloc(1, sizeof(*uc));

	if (uc == NULL || getcontext(&uc->me) == -1)
		fatal("coroutine: no memory for a context");
	uc->me.uc_stack.ss_sp = c->map + GUARD_BYTES;
	uc->me.uc_stack.ss_size = stack_size;
	makecontext(&uc->me, trampoline, 0);
	c->uc = uc;
#endif
}

static struct co *
co_map(void)
{
	struct co *c;

	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return (NULL);
	c->map = mmap(NULL, stack_size + GUARD_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (c->map == MAP_FAILED ||
	    mprotect(c->map, GUARD_BYTES, PROT_NONE) == -1) {
		if (c->map != MAP_FAILED)
			munmap(c->map, stack_size + GUARD_BYTES);
		free(c);
		return (NULL);
	}
	stack_prepare(c);
	return (c);
}

static void
co_unmap(struct co *c)
{
	munmap(c->map, stack_size + GUARD_BYTES);
#if !defined(__x86_64__)
	free(c->uc);
#endif
	free(c);
}

static void background_wake(struct co *);

struct co *
co_new(
    const char *name, void (*fn)(void *), void *arg, void (*wake)(struct co *))
{
	struct co *c;

	/* A reconnect must not wait for the requests that wait for it. */
	if (live >= limit && wake != background_wake)
		return (NULL);
	if ((c = TAILQ_FIRST(&idle)) != NULL) {
		TAILQ_REMOVE(&idle, c, entry);
		nidle--;
	} else if ((c = co_map()) == NULL) {
		return (NULL);
	}
	c->name = name;
	c->fn = fn;
	c->arg = arg;
	c->wake = wake;
	c->req = NULL;
	c->pin = NULL;
	c->done = c->queued = false;
	c->ready = true;
	live++;
	return (c);
}

void
co_recycle(struct co *c)
{
	assert(c->done && c != current);
	live--;
	if (nidle >= POOL_KEEP) {
		co_unmap(c);
		return;
	}
	TAILQ_INSERT_HEAD(&idle, c, entry);
	nidle++;
}

void
co_resume(struct co *c)
{
	struct co *outer = current;
#if defined(__SANITIZE_ADDRESS__)
	void *fake = NULL;
#endif

	assert(!c->done && c->ready);
	current = c;
	SWITCH_START(&fake, c->map + GUARD_BYTES, stack_size);
#if defined(__x86_64__)
	co_swap(&c->caller, c->sp);
#else
	struct contexts *uc = c->uc;

	swapcontext(&uc->caller, &uc->me);
#endif
	SWITCH_FINISH(fake, NULL, NULL);
	current = outer;
}

co_fn void
co_suspend(void)
{
	struct co *c = current;

	assert(c != NULL);
	c->ready = false;
	leave(c);
}

void
co_ready(struct co *c)
{
	if (c->ready || c->done)
		return;
	c->ready = true;
	c->wake(c);
	if (current != NULL)
		loop_kick();
}

static void
run_ready(void)
{
	struct co_list batch = TAILQ_HEAD_INITIALIZER(batch);
	struct co *c;

	/* Those readied meanwhile wait for the next turn. */
	TAILQ_CONCAT(&batch, &runnable, entry);
	while ((c = TAILQ_FIRST(&batch)) != NULL) {
		TAILQ_REMOVE(&batch, c, entry);
		c->queued = false;
		co_resume(c);
		if (c->done)
			co_recycle(c);
	}
}

static void
kick_timer(void *arg UNUSED, u_int64_t now UNUSED)
{
	struct deferred *d;

	kicked = false;
	run_ready();
	while ((d = TAILQ_FIRST(&deferreds)) != NULL) {
		TAILQ_REMOVE(&deferreds, d, entry);
		d->queued = false;
		d->fn(d->arg);
	}
}

void
loop_defer(struct deferred *d)
{
	if (d->queued)
		return;
	d->queued = true;
	TAILQ_INSERT_TAIL(&deferreds, d, entry);
	loop_kick();
}

void
loop_kick(void)
{
	if (kicked)
		return;
	kicked = true;
	kore_timer_add(kick_timer, 0, NULL, KORE_TIMER_ONESHOT);
}

static void
background_wake(struct co *c)
{
	if (c->queued)
		return;
	c->queued = true;
	TAILQ_INSERT_TAIL(&runnable, c, entry);
	loop_kick();
}

enum res
co_spawn(const char *name, void (*fn)(void *), void *arg)
{
	struct co *c;

	if ((c = co_new(name, fn, arg, background_wake)) == NULL)
		return (RES_ERR);
	background_wake(c);
	return (RES_OK);
}

co_fn void
co_sleep(int64_t ms)
{
	struct wait w;

	wait_init(&w);
	(void)wait_for(&w, time_mono_ms() + ms);
}
