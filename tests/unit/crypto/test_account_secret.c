/*
 * account_secret.c: what is sealed opens in its place only, hashes of
 * different purposes differ, and transient values are bound to their name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "keys_fixture.h"

static const char text[] = "a secret";

static void
opens_in_its_place_only(void **state UNUSED)
{
	struct seal_place place = { "totp", "secret", { { 1 } }, 1 };
	struct arena *arena = arena_new();
	const uint8_t *sealed;
	const char *plain;
	size_t len, n;

	account_seal(arena, &place, text, sizeof(text), &sealed, &len);
	assert_int_equal(len, sizeof(text) + SEAL_OVERHEAD);
	assert_int_equal(
	    account_open(arena, &place, sealed, len, &plain, &n), RES_OK);
	assert_int_equal(n, sizeof(text));
	assert_memory_equal(plain, text, n);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(
		    account_open(arena, &place, sealed, cut, &plain, &n),
		    RES_ERR);
	place.row_version = 2;
	assert_int_equal(
	    account_open(arena, &place, sealed, len, &plain, &n), RES_ERR);
	place.row_version = 1;
	place.column = "other";
	assert_int_equal(
	    account_open(arena, &place, sealed, len, &plain, &n), RES_ERR);
	arena_destroy(&arena);
}

static void
hashes_are_kept_apart(void **state UNUSED)
{
	uint8_t a[DIGEST_BYTES], b[DIGEST_BYTES];

	account_hash("reset", text, sizeof(text), a);
	account_hash("reset", text, sizeof(text), b);
	assert_memory_equal(a, b, DIGEST_BYTES);
	account_hash("invite", text, sizeof(text), b);
	assert_memory_not_equal(a, b, DIGEST_BYTES);
	account_hash("rese", "t", 1, b);
	assert_memory_not_equal(a, b, DIGEST_BYTES);
}

static void
transients_are_bound(void **state UNUSED)
{
	uint8_t sealed[sizeof(text) + SEAL_OVERHEAD], plain[sizeof(text)];

	transient_seal("oidc", "name", 4, text, sizeof(text), sealed);
	assert_int_equal(
	    transient_unseal("oidc", "name", 4, sealed, sizeof(sealed), plain),
	    RES_OK);
	assert_memory_equal(plain, text, sizeof(text));
	assert_int_equal(
	    transient_unseal("oidc", "nama", 4, sealed, sizeof(sealed), plain),
	    RES_ERR);
	assert_int_equal(
	    transient_unseal("oid", "cname", 5, sealed, sizeof(sealed), plain),
	    RES_ERR);
	sealed[sizeof(sealed) - 1] ^= 1;
	assert_int_equal(
	    transient_unseal("oidc", "name", 4, sealed, sizeof(sealed), plain),
	    RES_ERR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_in_its_place_only),
		cmocka_unit_test(hashes_are_kept_apart),
		cmocka_unit_test(transients_are_bound),
	};

	return (cmocka_run_group_tests(tests, keys_setup, keys_teardown));
}
