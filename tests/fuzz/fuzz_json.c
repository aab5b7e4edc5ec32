/*
 * libFuzzer target of json_parse.c and json_write.c: whatever is accepted
 * must be well-formed UTF-8, must be written again as an acceptable text,
 * and that text must be a fixed point. Whatever is refused must say why.
 *
 * clang -std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined -Isrc \
 *     tests/fuzz/fuzz_json.c src/base/[a-z]*.c -lyajl -lsodium -lm
 */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool truth)
{
	if (!truth)
		abort();
}

static void
print(struct arena *arena, const struct jval *v, const char **text, size_t *len)
{
	struct json_out *out;

	out = json_out_new(arena);
	json_value(out, v);
	json_finish(out, text, len);
}

static void
accepted(
    struct arena *arena, const uint8_t *data, size_t size, const struct jval *v)
{
	struct jval *again;
	struct err err;
	const char *first, *second;
	size_t first_len, second_len;

	must(utf8_valid(data, size));
	print(arena, v, &first, &first_len);
	err_clear(&err);
	must(json_parse(arena, first, first_len, JSON_DEPTH_MAX, &again,
		 &err) == RES_OK);
	print(arena, again, &second, &second_len);
	must(first_len == second_len && memcmp(first, second, first_len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena;
	struct jval *v;
	struct err err;

	arena = arena_new();
	err_clear(&err);
	if (json_parse(arena, data, size, JSON_DEPTH_MAX, &v, &err) == RES_OK)
		accepted(arena, data, size, v);
	else
		must(err.problem == PROBLEM_MALFORMED_JSON &&
		     utf8_valid(err.detail, strlen(err.detail)));
	arena_destroy(&arena);

	return (0);
}
