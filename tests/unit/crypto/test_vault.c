/*
 * aead.c, vault.c, vault_cache.c: a ciphertext opens in its place and
 * nowhere else, no changed byte and no shortened text opens, stored data
 * keeps its format (known values computed by an independent
 * implementation), and cached keys go when they must.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include "keys_fixture.h"

static const uint8_t row[] = { 0x01, 0x90, 0x16, 0x3d, 0x86, 0x94, 0x73, 0x9b,
	0xae, 0xa5, 0x96, 0x6c, 0x26, 0xf8, 0xad, 0x91 };
static const char plain[] = "1967-03-14";
#define PLAIN_LEN (sizeof(plain) - 1)

static struct seal_place
a_place(void)
{
	struct seal_place place = { "patient", "birth_date", { { 0 } }, 3 };

	memcpy(place.row.b, row, sizeof(row));

	return (place);
}

/* 60 61 ... 7f, version 7: the key of the known values. */
static struct data_key
a_key(void)
{
	struct data_key key = { .version = 7 };
	uint8_t i;

	memcpy(key.owner.b, row, sizeof(row));
	for (i = 0; i < DATA_KEY_BYTES; i++)
		key.key[i] = 0x60 + i;

	return (key);
}

static void
known_values_open(void **state UNUSED)
{
	static const char sealed_hex[] =
	    "0100000007a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b74c"
	    "90559568b4d69d91eea997334568877ca29abfa013f1c1bb52";
	static const char wrapped_hex[] =
	    "0100000001a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b750"
	    "f3d2431ca49373535226a3463144cbf766e96c1a7ecce19118a60ac588d5"
	    "3d11127fd62804804ceeacc3612039733d";
	static const char digest_hex_text[] =
	    "ee475196aabc3d56f71db174563023a47b1ad0c25029e1f3e74835c9968a"
	    "f557";
	struct data_key key = a_key(), unwrapped;
	struct seal_place place = a_place();
	uint8_t sealed[128], out[128], expect[32];
	size_t len;

	len = unhex(sealed_hex, sealed);
	assert_int_equal(len, PLAIN_LEN + SEAL_OVERHEAD);
	assert_int_equal(unseal(key.key, 7, &place, sealed, len, out), RES_OK);
	assert_memory_equal(out, plain, PLAIN_LEN);

	len = unhex(wrapped_hex, sealed);
	assert_int_equal(
	    vault_unwrap(&key.owner, 1, sealed, len, &unwrapped), RES_OK);
	assert_memory_equal(unwrapped.key, key.key, DATA_KEY_BYTES);
	assert_int_equal(unwrapped.version, 1);
	assert_true(uuid_equal(&unwrapped.owner, &key.owner));

	unhex(digest_hex_text, expect);
	vault_digest(&key, plain, PLAIN_LEN, out);
	assert_memory_equal(out, expect, DIGEST_BYTES);
}

static void
opens_only_in_its_place(void **state UNUSED)
{
	struct data_key key = a_key();
	struct seal_place good = a_place(), place;
	uint8_t sealed[PLAIN_LEN + SEAL_OVERHEAD], out[PLAIN_LEN];

	seal(key.key, 7, &good, plain, PLAIN_LEN, sealed);
#define OPENS(version)                                                    \
	(unseal(key.key, version, &place, sealed, sizeof(sealed), out) == \
	    RES_OK)
	place = good;
	assert_true(OPENS(7));
	assert_memory_equal(out, plain, PLAIN_LEN);
	assert_false(OPENS(8));
	place.table = "patients";
	assert_false(OPENS(7));
	place = good;
	place.column = "death_date";
	assert_false(OPENS(7));
	place = good;
	place.row.b[15] ^= 1;
	assert_false(OPENS(7));
	place = good;
	place.row_version = 2;
	assert_false(OPENS(7));
	place.row_version = 4;
	assert_false(OPENS(7));
	/* The same letters, cut elsewhere between table and column. */
	place = good;
	place.table = "patientb";
	place.column = "irth_date";
	assert_false(OPENS(7));
	place = good;
	put_be32(sealed + 1, 8);
	assert_false(OPENS(8));
	assert_false(OPENS(7));
	put_be32(sealed + 1, 7);
	key.key[0] ^= 1;
	assert_false(OPENS(7));
	key.key[0] ^= 1;
	assert_true(OPENS(7));
#undef OPENS
}

static void
no_changed_bit_opens(void **state UNUSED)
{
	struct data_key key = a_key();
	struct seal_place place = a_place();
	uint8_t sealed[PLAIN_LEN + SEAL_OVERHEAD], out[PLAIN_LEN + 1];
	uint8_t *cut;
	size_t bit, len;

	seal(key.key, 7, &place, plain, PLAIN_LEN, sealed);
	for (bit = 0; bit < sizeof(sealed) * 8; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (unseal(key.key, 7, &place, sealed, sizeof(sealed), out) ==
		    RES_OK)
			fail_msg("opens with bit %zu changed", bit);
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (len = 0; len < sizeof(sealed); len++) {
		/* On the heap, so that reading past the end is seen. */
		cut = malloc(len + 1);
		assert_non_null(cut);
		memcpy(cut + 1, sealed, len);
		if (unseal(key.key, 7, &place, cut + 1, len, out) == RES_OK)
			fail_msg("opens when cut to %zu bytes", len);
		free(cut);
	}
	assert_int_equal(
	    unseal(key.key, 7, &place, sealed, sizeof(sealed), out), RES_OK);
}

static void
seals_are_never_equal(void **state UNUSED)
{
	struct data_key key = a_key();
	struct seal_place place = a_place();
	uint8_t a[PLAIN_LEN + SEAL_OVERHEAD], b[PLAIN_LEN + SEAL_OVERHEAD];

	seal(key.key, 7, &place, plain, PLAIN_LEN, a);
	seal(key.key, 7, &place, plain, PLAIN_LEN, b);
	assert_memory_equal(a, b, 5);
	assert_memory_not_equal(a + 5, b + 5, 24);
	assert_memory_not_equal(a + SEAL_HEADER, b + SEAL_HEADER, PLAIN_LEN);
}

static void
every_length_round_trips(void **state UNUSED)
{
	static char text[5000];
	struct arena *arena;
	struct data_key key = a_key();
	struct seal_place place = a_place();
	const uint8_t *sealed;
	const char *out;
	size_t len, sealed_len, out_len;

	memset(text, 'p', sizeof(text));
	for (len = 0; len <= sizeof(text); len += len < 130 ? 1 : 487) {
		arena = arena_new();
		vault_seal(
		    arena, &key, &place, text, len, &sealed, &sealed_len);
		assert_int_equal(sealed_len, len + SEAL_OVERHEAD);
		assert_int_equal(vault_open(arena, &key, &place, sealed,
				     sealed_len, &out, &out_len),
		    RES_OK);
		assert_int_equal(out_len, len);
		assert_memory_equal(out, text, len);
		assert_int_equal(out[len], '\0');
		assert_int_equal(vault_open(arena, &key, &place, sealed,
				     SEAL_OVERHEAD - 1, &out, &out_len),
		    RES_ERR);
		arena_destroy(&arena);
	}
}

static void
wrapped_keys(void **state UNUSED)
{
	struct uuid owner, other;
	struct data_key key, second, back;
	uint8_t wrapped[WRAPPED_KEY_BYTES], again[WRAPPED_KEY_BYTES];
	size_t i;

	uuid_v7(&owner);
	uuid_v7(&other);
	vault_new_key(&owner, &key, wrapped);
	vault_new_key(&owner, &second, again);
	assert_int_equal(key.version, 1);
	assert_memory_not_equal(key.key, second.key, DATA_KEY_BYTES);

	assert_int_equal(
	    vault_unwrap(&owner, 1, wrapped, sizeof(wrapped), &back), RES_OK);
	assert_memory_equal(back.key, key.key, DATA_KEY_BYTES);
	assert_int_equal(
	    vault_unwrap(&other, 1, wrapped, sizeof(wrapped), &back), RES_ERR);
	assert_int_equal(
	    vault_unwrap(&owner, 2, wrapped, sizeof(wrapped), &back), RES_ERR);
	assert_int_equal(
	    vault_unwrap(&owner, 1, wrapped, sizeof(wrapped) - 1, &back),
	    RES_ERR);
	for (i = 0; i < sizeof(wrapped); i++) {
		wrapped[i] ^= 0x40;
		if (vault_unwrap(&owner, 1, wrapped, sizeof(wrapped), &back) ==
		    RES_OK)
			fail_msg("unwraps with byte %zu changed", i);
		wrapped[i] ^= 0x40;
	}
}

static void
digests_are_keyed(void **state UNUSED)
{
	struct data_key key = a_key();
	uint8_t a[DIGEST_BYTES], b[DIGEST_BYTES], bare[DIGEST_BYTES];

	vault_digest(&key, plain, PLAIN_LEN, a);
	crypto_generichash(bare, sizeof(bare), (const uint8_t *)plain,
	    PLAIN_LEN, key.key, sizeof(key.key));
	assert_memory_not_equal(a, bare, DIGEST_BYTES);
	key.key[31] ^= 1;
	vault_digest(&key, plain, PLAIN_LEN, b);
	assert_memory_not_equal(a, b, DIGEST_BYTES);
}

static int64_t fake_ms;

static int64_t
fake_clock(void)
{
	return (fake_ms);
}

static int
cache_setup(void **state UNUSED)
{
	vault_cache_clock = fake_clock;
	fake_ms = 1000000;

	return (0);
}

/* Everything is past its time then. */
static int
cache_teardown(void **state UNUSED)
{
	fake_ms += VAULT_CACHE_TTL_MS;
	vault_cache_sweep();

	return (vault_cache_count() == 0 ? 0 : -1);
}

static void
cache_expires(void **state UNUSED)
{
	struct data_key key = a_key(), got;

	assert_false(vault_cache_get(&key.owner, &got));
	vault_cache_put(&key);
	fake_ms += VAULT_CACHE_TTL_MS - 1;
	assert_true(vault_cache_get(&key.owner, &got));
	assert_memory_equal(got.key, key.key, DATA_KEY_BYTES);
	assert_int_equal(got.version, 7);
	/* Neither use nor putting it in again gives it more time. */
	vault_cache_put(&key);
	fake_ms += 1;
	assert_false(vault_cache_get(&key.owner, &got));
	assert_int_equal(vault_cache_count(), 0);
	vault_cache_put(&key);
	assert_true(vault_cache_get(&key.owner, &got));
}

static void
cache_drops_and_replaces(void **state UNUSED)
{
	struct data_key key = a_key(), other = a_key(), got;

	other.owner.b[0] ^= 1;
	vault_cache_put(&key);
	vault_cache_put(&other);
	vault_cache_drop(&key.owner);
	assert_false(vault_cache_get(&key.owner, &got));
	assert_true(vault_cache_get(&other.owner, &got));
	vault_cache_drop(&key.owner);

	other.version = 8;
	other.key[0] ^= 1;
	vault_cache_put(&other);
	assert_int_equal(vault_cache_count(), 1);
	assert_true(vault_cache_get(&other.owner, &got));
	assert_int_equal(got.version, 8);
	assert_memory_equal(got.key, other.key, DATA_KEY_BYTES);
}

static void
notes_die_with_the_key(void **state UNUSED)
{
	struct data_key key = a_key();
	int32_t note = 5;

	vault_cache_note(&key.owner, -3000);
	vault_cache_put(&key);
	assert_false(vault_cache_noted(&key.owner, &note));
	assert_int_equal(note, 5);
	vault_cache_note(&key.owner, -3000);
	vault_cache_put(&key);
	assert_true(vault_cache_noted(&key.owner, &note));
	assert_int_equal(note, -3000);
	vault_cache_note(&key.owner, 0);
	assert_true(vault_cache_noted(&key.owner, &note));
	assert_int_equal(note, 0);

	key.version++;
	vault_cache_put(&key);
	assert_false(vault_cache_noted(&key.owner, &note));
	vault_cache_note(&key.owner, 1);
	fake_ms += VAULT_CACHE_TTL_MS;
	assert_false(vault_cache_noted(&key.owner, &note));
	vault_cache_put(&key);
	assert_false(vault_cache_noted(&key.owner, &note));
	vault_cache_note(&key.owner, 1);
	vault_cache_drop(&key.owner);
	assert_false(vault_cache_noted(&key.owner, &note));
}

static void
cache_sweeps_only_the_old(void **state UNUSED)
{
	struct data_key key = a_key(), got;

	vault_cache_put(&key);
	fake_ms += VAULT_CACHE_TTL_MS / 2;
	key.owner.b[0] ^= 1;
	vault_cache_put(&key);
	fake_ms += VAULT_CACHE_TTL_MS / 2;
	vault_cache_sweep();
	assert_int_equal(vault_cache_count(), 1);
	assert_true(vault_cache_get(&key.owner, &got));
}

/* From the cache only in the version that the database has. */
static void
keys_open_by_version(void **state UNUSED)
{
	uint8_t bytes[WRAPPED_KEY_BYTES];
	struct wrapped_key wrapped = { 1, bytes, sizeof(bytes) };
	struct data_key key, got;
	struct uuid owner;

	uuid_v7(&owner);
	vault_new_key(&owner, &key, bytes);
	assert_int_equal(vault_open_key(&owner, &wrapped, &got), RES_OK);
	assert_memory_equal(got.key, key.key, sizeof(key.key));
	assert_int_equal(vault_cache_count(), 1);
	bytes[sizeof(bytes) - 1] ^= 1;
	memset(&got, 0, sizeof(got));
	assert_int_equal(vault_open_key(&owner, &wrapped, &got), RES_OK);
	assert_memory_equal(got.key, key.key, sizeof(key.key));
	wrapped.version = 2;
	assert_int_equal(vault_open_key(&owner, &wrapped, &got), RES_ERR);
	wrapped.version = 1;
	vault_cache_drop(&owner);
	assert_int_equal(vault_open_key(&owner, &wrapped, &got), RES_ERR);
	wrapped.wrapped = NULL;
	wrapped.len = 0;
	assert_int_equal(vault_open_key(&owner, &wrapped, &got), RES_ERR);
	assert_int_equal(vault_cache_count(), 0);
}

/* Far more keys than fit: bounded, each hit is right, the newest is in. */
static void
cache_is_bounded(void **state UNUSED)
{
	enum {
		COUNT = VAULT_CACHE_ENTRIES * 4
	};
	static struct uuid owners[COUNT];
	struct data_key key, got;
	unsigned i, hits;

	memset(&key, 0, sizeof(key));
	key.version = 1;
	for (i = 0; i < COUNT; i++) {
		uuid_v7(&owners[i]);
		key.owner = owners[i];
		put_be32(key.key, i);
		vault_cache_put(&key);
		assert_true(vault_cache_get(&key.owner, &got));
		fake_ms++;
	}
	assert_in_range(vault_cache_count(), VAULT_CACHE_ENTRIES * 9 / 10,
	    VAULT_CACHE_ENTRIES);
	for (i = 0, hits = 0; i < COUNT; i++) {
		if (!vault_cache_get(&owners[i], &got))
			continue;
		hits++;
		if (get_be32(got.key) != i)
			fail_msg("owner %u got another's key", i);
	}
	assert_int_equal(hits, vault_cache_count());
	/* The oldest eighth must all be gone. */
	for (i = 0; i < COUNT / 8; i++)
		assert_false(vault_cache_get(&owners[i], &got));
}

#define CACHE_TEST(f) \
	cmocka_unit_test_setup_teardown(f, cache_setup, cache_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values_open),
		cmocka_unit_test(opens_only_in_its_place),
		cmocka_unit_test(no_changed_bit_opens),
		cmocka_unit_test(seals_are_never_equal),
		cmocka_unit_test(every_length_round_trips),
		cmocka_unit_test(wrapped_keys),
		cmocka_unit_test(digests_are_keyed),
		CACHE_TEST(cache_expires),
		CACHE_TEST(cache_drops_and_replaces),
		CACHE_TEST(notes_die_with_the_key),
		CACHE_TEST(cache_sweeps_only_the_old),
		CACHE_TEST(keys_open_by_version),
		CACHE_TEST(cache_is_bounded),
	};

	return (cmocka_run_group_tests(tests, keys_setup, keys_teardown));
}
