/*
 * lockout_key.c: what is counted together and what is not: factors, accounts,
 * networks and devices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../crypto/keys_fixture.h"
#include "guard/guard_priv.h"

static struct arena *arena;

static struct lockout_keys
keys_of(enum lockout_factor factor, const char *account, const char *ip,
    const struct device *device)
{
	struct lockout_keys keys;
	struct netaddr from;
	struct lockout lo;

	assert_int_equal(netaddr_parse(ip, &from), RES_OK);
	lockout_begin(&lo, factor, account, device);
	lockout_keys(arena, &lo, &from, &keys);

	return (keys);
}

static struct lockout_keys
password(const char *account, const char *ip)
{
	return (keys_of(LOCKOUT_PASSWORD, account, ip, NULL));
}

static bool
ends(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return (n >= m && strcmp(s + n - m, end) == 0);
}

static void
networks(void **state UNUSED)
{
	struct lockout_keys a = password("ada@x.example", "192.0.2.7");
	struct lockout_keys b = password("ada@x.example", "192.0.2.8");
	struct lockout_keys c = password("ada@x.example", "192.0.3.7");
	struct lockout_keys d =
	    password("ada@x.example", "2001:db8:1:2:3:4:5:6");
	struct lockout_keys e = password("ada@x.example", "2001:db8:1:2::9");
	struct lockout_keys f = password("ada@x.example", "2001:db8:1:3::9");
	struct lockout_keys g = password("ada@x.example", "2001:db8:2:3::9");

	assert_true(ends(a.own, ":192.0.2.7/32"));
	assert_string_equal(a.network, "l:p:192.0.2.0/24");
	assert_string_not_equal(a.own, b.own);
	assert_string_equal(a.network, b.network);
	assert_string_not_equal(a.network, c.network);
	assert_true(ends(d.own, ":2001:db8:1:2::/64"));
	assert_string_equal(d.own, e.own);
	assert_string_not_equal(e.own, f.own);
	assert_string_equal(d.network, "l:p:2001:db8:1::/48");
	assert_string_equal(f.network, d.network);
	assert_string_not_equal(g.network, d.network);
	assert_string_equal(a.account, g.account);
	assert_string_equal(a.index, g.index);
	assert_string_equal(a.here, a.own);
}

static void
accounts(void **state UNUSED)
{
	struct lockout_keys a = password("ada@x.example", "192.0.2.7");
	struct lockout_keys b = password("bob@x.example", "192.0.2.7");

	assert_string_not_equal(a.own, b.own);
	assert_string_not_equal(a.account, b.account);
	assert_string_not_equal(a.index, b.index);
	assert_string_equal(a.network, b.network);
	assert_null(strstr(a.own, "ada"));
	assert_int_equal(strlen(a.account), 4 + 2 * ACCOUNT_DIGEST_BYTES);
}

static void
factors(void **state UNUSED)
{
	struct lockout_keys a = password("ada@x.example", "192.0.2.7");
	struct lockout_keys b =
	    keys_of(LOCKOUT_SECOND_FACTOR, "ada@x.example", "192.0.2.7", NULL);

	assert_string_not_equal(a.own, b.own);
	assert_string_not_equal(a.network, b.network);
	assert_string_not_equal(a.account, b.account);
	assert_string_not_equal(a.index, b.index);
	assert_string_not_equal(a.here, b.here);
	assert_string_equal(lockout_factor_name(LOCKOUT_PASSWORD), "password");
	assert_string_equal(
	    lockout_factor_name(LOCKOUT_SECOND_FACTOR), "second-factor");
}

static void
devices(void **state UNUSED)
{
	struct device one, two;
	struct lockout_keys a, b, c, none;

	device_new(&one);
	device_new(&two);
	none = password("ada@x.example", "192.0.2.7");
	a = keys_of(LOCKOUT_PASSWORD, "ada@x.example", "192.0.2.7", &one);
	b = keys_of(LOCKOUT_PASSWORD, "ada@x.example", "198.51.100.1", &one);
	c = keys_of(LOCKOUT_PASSWORD, "ada@x.example", "192.0.2.7", &two);
	assert_string_equal(a.own, b.own);
	assert_string_not_equal(a.own, c.own);
	assert_string_not_equal(a.own, none.own);
	assert_string_equal(a.here, none.own);
	assert_string_equal(a.network, none.network);
}

static void
clearing(void **state UNUSED)
{
	struct lockout_keys a = password("ada@x.example", "192.0.2.7");
	struct lockout_keys b =
	    keys_of(LOCKOUT_SECOND_FACTOR, "ada@x.example", "192.0.2.7", NULL);
	const char *keys[LOCKOUT_CLEAR_KEYS];

	lockout_clear_keys(arena, "ada@x.example", keys);
	assert_string_equal(keys[0], a.index);
	assert_string_equal(keys[1], a.account);
	assert_string_equal(keys[2], b.index);
	assert_string_equal(keys[3], b.account);
}

static int
setup(void **state)
{
	arena = arena_new();
	return (keys_setup(state));
}

static int
teardown(void **state)
{
	arena_destroy(&arena);
	return (keys_teardown(state));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks),
		cmocka_unit_test(accounts),
		cmocka_unit_test(factors),
		cmocka_unit_test(devices),
		cmocka_unit_test(clearing),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
