/*
 * yajl's allocator over an arena. Each allocation carries its size in front
 * for realloc; free does nothing, the arena takes all back (and wipes it).
 */
#include <string.h>

#include "base/base_priv.h"

#define HEADER 16 /* keeps the arena's alignment */

static void *
memory_malloc(void *arena, size_t size)
{
	uint8_t *block;

	block = arena_alloc(arena, HEADER + size);
	memcpy(block, &size, sizeof(size));

	return (block + HEADER);
}

static void *
memory_realloc(void *arena, void *old, size_t size)
{
	void *ptr;
	size_t old_size;

	if (old == NULL)
		return (memory_malloc(arena, size));

	memcpy(&old_size, (uint8_t *)old - HEADER, sizeof(old_size));
	if (size <= old_size)
		return (old);
	ptr = memory_malloc(arena, size);
	memcpy(ptr, old, old_size);

	return (ptr);
}

static void
memory_free(void *arena UNUSED, void *ptr UNUSED)
{
}

void
json_memory(yajl_alloc_funcs *funcs, struct arena *arena)
{
	funcs->malloc = memory_malloc;
	funcs->realloc = memory_realloc;
	funcs->free = memory_free;
	funcs->ctx = arena;
}
