/*
 * arena.c and buffer.c: alignment, zeroed memory even after reuse, order of
 * deferred calls, large allocations, growing buffers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static bool
all_zero(const unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] != 0)
			return (false);
	}

	return (true);
}

/* Fills arenas with 0xff over and over: reused blocks must come back clean. */
static void
memory_is_zeroed_and_aligned(void **state UNUSED)
{
	static const size_t sizes[] = { 0, 1, 7, 16, 17, 100, 1000, 4095, 4096,
		5000, 16384, 70000 };
	struct arena *arena;
	unsigned char *p;
	size_t round, i;

	for (round = 0; round < 50; round++) {
		arena = arena_new();
		for (i = 0; i < NELEM(sizes) * 4; i++) {
			p = arena_alloc(arena, sizes[i % NELEM(sizes)]);
			assert_int_equal((uintptr_t)p % 16, 0);
			assert_true(all_zero(p, sizes[i % NELEM(sizes)]));
			memset(p, 0xff, sizes[i % NELEM(sizes)]);
		}
		arena_destroy(&arena);
		assert_null(arena);
	}
}

static void
allocations_do_not_overlap(void **state UNUSED)
{
	enum {
		COUNT = 3000
	};
	struct arena *arena;
	unsigned char **p;
	size_t i, j, len;

	arena = arena_new();
	p = arena_alloc(arena, COUNT * sizeof(*p));
	for (i = 0; i < COUNT; i++) {
		len = i * 37 % 6000;
		p[i] = arena_alloc(arena, len);
		memset(p[i], (int)(i % 251), len);
	}
	for (i = 0; i < COUNT; i++) {
		len = i * 37 % 6000;
		for (j = 0; j < len; j++) {
			if (p[i][j] != i % 251)
				fail_msg("byte %zu of %zu overwritten", j, i);
		}
	}
	arena_destroy(&arena);
}

struct trace {
	char *out;
	char c;
};

static void
note(void *arg)
{
	struct trace *t = arg;
	char s[] = { t->c, '\0' };

	strcat(t->out, s);
}

static void
deferred_run_last_first(void **state UNUSED)
{
	struct arena *arena;
	struct trace *t;
	char out[8] = "";
	char c;

	arena = arena_new();
	for (c = 'a'; c <= 'd'; c++) {
		/* In the arena itself: still readable when it runs. */
		t = arena_alloc(arena, sizeof(*t));
		t->out = out;
		t->c = c;
		arena_defer(arena, note, t);
	}
	assert_string_equal(out, "");
	arena_destroy(&arena);
	assert_string_equal(out, "dcba");
	arena_destroy(&arena);
	assert_string_equal(out, "dcba");
}

static void
texts(void **state UNUSED)
{
	struct arena *arena;

	arena = arena_new();
	assert_string_equal(arena_strdup(arena, "insulin"), "insulin");
	assert_string_equal(arena_strndup(arena, "insulin", 3), "ins");
	assert_string_equal(arena_strndup(arena, "ins", 30), "ins");
	assert_string_equal(arena_printf(arena, "%s-%d", "a", 5), "a-5");
	assert_int_equal(strlen(arena_printf(arena, "%9000d", 1)), 9000);
	assert_memory_equal(arena_memdup(arena, "a\0b", 3), "a\0b", 3);
	assert_non_null(arena_memdup(arena, NULL, 0));
	arena_destroy(&arena);
}

static void
buffer_grows(void **state UNUSED)
{
	struct arena *arena;
	struct buf buf;
	size_t i;
	char *expect;

	arena = arena_new();
	buf_init(&buf, arena, 0);
	assert_string_equal(buf.data, "");
	expect = malloc(100000 + 1);
	assert_non_null(expect);
	for (i = 0; i < 100000; i++) {
		expect[i] = (char)('a' + i % 26);
		buf_putc(&buf, expect[i]);
		if (buf.data[buf.len] != '\0')
			fail_msg("not terminated at %zu", i);
	}
	assert_int_equal(buf.len, 100000);
	assert_memory_equal(buf.data, expect, 100000);
	free(expect);
	arena_destroy(&arena);
}

/* printf must come out whole for every amount of room that is left. */
static void
buffer_printf_at_every_edge(void **state UNUSED)
{
	struct arena *arena;
	struct buf buf;
	size_t fill, i;

	for (fill = 0; fill < 80; fill++) {
		arena = arena_new();
		buf_init(&buf, arena, 64);
		for (i = 0; i < fill; i++)
			buf_putc(&buf, '.');
		buf_printf(&buf, "%s%d", "glucose ", 12345);
		assert_int_equal(buf.len, fill + 13);
		assert_string_equal(buf.data + fill, "glucose 12345");
		buf_puts(&buf, "!");
		buf_append(&buf, NULL, 0);
		assert_string_equal(buf.data + fill, "glucose 12345!");
		arena_destroy(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_and_aligned),
		cmocka_unit_test(allocations_do_not_overlap),
		cmocka_unit_test(deferred_run_last_first),
		cmocka_unit_test(texts),
		cmocka_unit_test(buffer_grows),
		cmocka_unit_test(buffer_printf_at_every_edge),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
