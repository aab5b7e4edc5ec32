/*
 * kept.c: the hash tells lists of parts apart however their bytes are cut,
 * and depends on the root secret; the key is not the hash's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "keys_fixture.h"

static void
hash(const char *a, const char *b, uint8_t out[DIGEST_BYTES])
{
	const struct kept_part parts[] = { { a, strlen(a) }, { b, strlen(b) } };

	kept_hash(parts, b[0] == '-' ? 1 : 2, out);
}

static void
parts_are_told_apart(void **state UNUSED)
{
	static const char *const lists[][2] = { { "ab", "c" }, { "a", "bc" },
		{ "abc", "" }, { "", "abc" }, { "abc", "-" } };
	uint8_t seen[NELEM(lists)][DIGEST_BYTES], again[DIGEST_BYTES];

	for (size_t i = 0; i < NELEM(lists); i++) {
		hash(lists[i][0], lists[i][1], seen[i]);
		hash(lists[i][0], lists[i][1], again);
		assert_memory_equal(seen[i], again, DIGEST_BYTES);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(seen[i], seen[k], DIGEST_BYTES);
	}
}

static void
the_key_is_another(void **state UNUSED)
{
	uint8_t none[DIGEST_BYTES];
	struct data_key key;

	kept_hash(NULL, 0, none);
	kept_key(&key);
	assert_memory_not_equal(key.key, none, sizeof(none));
	assert_true(uuid_is_nil(&key.owner));
	assert_int_equal(key.version, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_told_apart),
		cmocka_unit_test(the_key_is_another),
	};

	return (cmocka_run_group_tests(tests, keys_setup, keys_teardown));
}
