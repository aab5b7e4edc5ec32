/*
 * libFuzzer target for the two parsers that read a model directory. The first
 * byte picks one. A forest that is accepted is scored as well: whatever passes
 * validation must not read out of bounds or hang.
 *
 * clang -std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined -Isrc \
 *     tests/fuzz/fuzz_model.c src/predict/{forest,forest_columns}.c \
 *     src/predict/{forest_json,model_schema}.c src/base/[a-z]*.c \
 *     -lyajl -lsodium -lm
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predict/predict_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
score(const struct forest *f)
{
	float x[MODEL_FEATURES_MAX];
	const float values[] = { NAN, 0, -1e30f, 1e30f, INFINITY, -INFINITY };

	for (unsigned v = 0; v < NELEM(values); v++) {
		for (unsigned k = 0; k < NELEM(x); k++)
			x[k] = values[(v + k * (v & 1)) % NELEM(values)];
		(void)forest_sigmoid(forest_margin(f, x));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena *arena;
	const char *const *names;
	struct forest *f;
	struct model m = { .magic = MODEL_MAGIC };
	char msg[256];

	if (len == 0)
		return (0);
	arena = arena_new();
	m.arena = arena;
	if (data[0] == '{') {
		if (forest_parse(data, len, arena, &f, &names, msg,
			sizeof(msg)) == RES_OK) {
			score(f);
			forest_destroy(&f);
		}
	} else {
		(void)schema_parse(&m, data + 1, len - 1, msg, sizeof(msg));
	}
	arena_destroy(&arena);
	return (0);
}
