/*
 * A request's memory: a bump allocator over 16 KiB blocks. Everything is
 * wiped and given back at once when the request ends, so a request can
 * neither leak nor leave patient data behind in freed memory.
 *
 * Invariant: the unused part of a block is all zeros. Blocks are born zeroed
 * and are wiped before they go back to the pool, so alloc never clears.
 * The pool belongs to its thread; an arena is used by one thread at a time.
 *
 * Under AddressSanitizer every allocation is its own heap block and nothing
 * is pooled, so that overruns and use after destroy are caught exactly.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#define ARENA_MAGIC      0x4172656eU
#define ARENA_ALIGN      16
#define ARENA_BLOCK      16384 /* bytes, header included */
#define ARENA_LARGE      4096  /* from here on: a block of its own */
#define ARENA_POOL_MAX   256   /* 4 MiB kept for reuse */
#define ARENA_ALLOC_MAX  ((size_t)1 << 40)
#define ARENA_ROUND(n)   (((n) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1))
#define ARENA_BLOCK_DATA (ARENA_BLOCK - sizeof(struct block))

struct block {
	struct block *next;
	size_t cap, used;
	_Alignas(ARENA_ALIGN) unsigned char data[];
};

struct deferred {
	struct deferred *next;
	void (*fn)(void *);
	void *arg;
};

struct arena {
	uint32_t magic;
	struct block *blocks; /* the first one is being filled */
	struct deferred *deferred;
};

static _Thread_local struct block *pool;
static _Thread_local unsigned pool_len;

static struct block *
block_new(size_t cap)
{
	struct block *block;

	if (cap == ARENA_BLOCK_DATA && pool != NULL) {
		block = pool;
		pool = block->next;
		pool_len--;
		block->next = NULL;
		return (block);
	}

	block = calloc(1, sizeof(*block) + cap);
	if (block == NULL) {
		fputs("arena: out of memory\n", stderr);
		abort();
	}
	block->cap = cap;

	return (block);
}

static void
block_release(struct block *block)
{
	explicit_bzero(block->data, block->used);
	block->used = 0;

#ifndef ARENA_ASAN
	if (block->cap == ARENA_BLOCK_DATA && pool_len < ARENA_POOL_MAX) {
		block->next = pool;
		pool = block;
		pool_len++;
		return;
	}
#endif
	free(block);
}

static void *
block_take(struct block *block, size_t size)
{
	void *ptr;

	ptr = block->data + block->used;
	block->used += size;

	return (ptr);
}

/* A block of its own goes behind the one being filled. */
static void *
alloc_large(struct arena *arena, size_t size)
{
	struct block *block;

	block = block_new(size);
	block->next = arena->blocks->next;
	arena->blocks->next = block;

	return (block_take(block, size));
}

struct arena *
arena_new(void)
{
	struct arena *arena;
	struct block *block;

#ifdef ARENA_ASAN
	block = block_new(sizeof(struct arena));
#else
	block = block_new(ARENA_BLOCK_DATA);
#endif
	arena = block_take(block, ARENA_ROUND(sizeof(struct arena)));
	arena->magic = ARENA_MAGIC;
	arena->blocks = block;

	return (arena);
}

void
arena_destroy(struct arena **arenap)
{
	struct arena *arena;
	struct deferred *d;
	struct block *block, *next;

	arena = *arenap;
	*arenap = NULL;
	if (arena == NULL)
		return;
	assert(arena->magic == ARENA_MAGIC);

	while ((d = arena->deferred) != NULL) {
		arena->deferred = d->next;
		d->fn(d->arg);
	}

	/* The arena itself lies in one of the blocks. */
	for (block = arena->blocks; block != NULL; block = next) {
		next = block->next;
		block_release(block);
	}
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	struct block *block;

	assert(arena->magic == ARENA_MAGIC);
	assert(size < ARENA_ALLOC_MAX);

	if (size == 0)
		size = 1;
#ifdef ARENA_ASAN
	return (alloc_large(arena, size));
#endif
	size = ARENA_ROUND(size);
	block = arena->blocks;
	if (size <= block->cap - block->used)
		return (block_take(block, size));
	if (size >= ARENA_LARGE)
		return (alloc_large(arena, size));

	block = block_new(ARENA_BLOCK_DATA);
	block->next = arena->blocks;
	arena->blocks = block;

	return (block_take(block, size));
}

void *
arena_memdup(struct arena *arena, const void *data, size_t len)
{
	void *copy;

	copy = arena_alloc(arena, len);
	if (len > 0)
		memcpy(copy, data, len);

	return (copy);
}

char *
arena_strndup(struct arena *arena, const char *s, size_t max)
{
	char *copy;
	size_t len;

	len = strnlen(s, max);
	copy = arena_alloc(arena, len + 1);
	memcpy(copy, s, len);

	return (copy);
}

char *
arena_strdup(struct arena *arena, const char *s)
{
	return (arena_memdup(arena, s, strlen(s) + 1));
}

char *
arena_vprintf(struct arena *arena, const char *fmt, va_list ap)
{
	char *out;
	int len;
	va_list again;

	assert(fmt != NULL);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(len >= 0);

	out = arena_alloc(arena, (size_t)len + 1);
	vsnprintf(out, (size_t)len + 1, fmt, ap);

	return (out);
}

char *
arena_printf(struct arena *arena, const char *fmt, ...)
{
	char *out;
	va_list ap;

	va_start(ap, fmt);
	out = arena_vprintf(arena, fmt, ap);
	va_end(ap);

	return (out);
}

void
arena_defer(struct arena *arena, void (*fn)(void *), void *arg)
{
	struct deferred *d;

	d = arena_alloc(arena, sizeof(*d));
	d->fn = fn;
	d->arg = arg;
	d->next = arena->deferred;
	arena->deferred = d;
}
