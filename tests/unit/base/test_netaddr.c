/*
 * netaddr.c: one form of every address, blocks that are what they say, and
 * families that do not mix.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static struct netaddr
address(const char *s)
{
	struct netaddr a;

	if (netaddr_parse(s, &a) != RES_OK)
		fail_msg("not an address: %s", s);

	return (a);
}

static struct netblock
block(const char *s)
{
	struct netblock n;

	if (netblock_parse(s, &n) != RES_OK)
		fail_msg("not a block: %s", s);

	return (n);
}

static void
addresses(void **state UNUSED)
{
	static const char *const forms[][2] = {
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::FFFF:c000:201", "192.0.2.1" },
		{ "0:0:0:0:0:ffff:c000:0201", "192.0.2.1" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1" },
		/* RFC 5952, 4.2.2: one group of zeros is not shortened. */
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		/* Translated (RFC 6052), not mapped: IPv6. */
		{ "64:ff9b::192.0.2.1", "64:ff9b::c000:201" },
	};
	char text[NETADDR_STRLEN + 1];
	struct netaddr a;

	for (size_t i = 0; i < NELEM(forms); i++) {
		a = address(forms[i][0]);
		netaddr_format(&a, text);
		assert_string_equal(text, forms[i][1]);
		assert_int_equal(
		    netaddr_is_v4(&a), strchr(forms[i][1], ':') == NULL);
	}
}

static void
no_addresses(void **state UNUSED)
{
	static const char *const bad[] = { "", " ", "1", "1.2.3", "1.2.3.4.5",
		"256.0.0.1", "1.2.3.4 ", " 1.2.3.4", "01.2.3.4", "1.2.3.04",
		"0x1.2.3.4", "1.2.3.-4", "1.2.3.4/32", "1.2.3.4:80", ":",
		":::", "1::2::3", "[::1]", "fe80::1%eth0", "fe80::1%1",
		"::1/128", "12345::", "g::", "1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9", "::ffff:1.2.3", "::ffff:256.1.1.1",
		"localhost" };
	struct netaddr a;

	for (size_t i = 0; i < NELEM(bad); i++)
		if (netaddr_parse(bad[i], &a) == RES_OK)
			fail_msg("accepted: %s", bad[i]);
}

static void
loopback(void **state UNUSED)
{
	static const char *const in[] = { "127.0.0.1", "127.255.255.254",
		"::ffff:127.0.0.2", "::1" };
	static const char *const out[] = { "126.255.255.255", "128.0.0.0",
		"::", "::2", "0.0.0.0", "::127.0.0.1", "100::1", "7f00:1::" };
	struct netaddr a;

	for (size_t i = 0; i < NELEM(in); i++) {
		a = address(in[i]);
		assert_true(netaddr_is_loopback(&a));
	}
	for (size_t i = 0; i < NELEM(out); i++) {
		a = address(out[i]);
		if (netaddr_is_loopback(&a))
			fail_msg("no loopback: %s", out[i]);
	}
}

static void
blocks(void **state UNUSED)
{
	static const struct {
		const char *in, *out;
		unsigned bits;
	} rows[] = {
		{ "10.0.0.0/8", "10.0.0.0/8", 104 },
		{ "10.1.2.3", "10.1.2.3/32", 128 },
		{ "10.1.2.3/32", "10.1.2.3/32", 128 },
		{ "0.0.0.0/0", "0.0.0.0/0", 96 },
		{ "192.168.128.0/17", "192.168.128.0/17", 113 },
		{ "::/0", "::/0", 0 },
		{ "2001:db8::/32", "2001:db8::/32", 32 },
		{ "2001:db8::1", "2001:db8::1/128", 128 },
		{ "::ffff:10.0.0.0/104", "10.0.0.0/8", 104 },
		{ "::ffff:0:0/96", "0.0.0.0/0", 96 },
		{ "::/96", "::/96", 96 },
	};
	char text[NETBLOCK_STRLEN + 1];
	struct netblock n;

	for (size_t i = 0; i < NELEM(rows); i++) {
		n = block(rows[i].in);
		assert_int_equal(n.bits, rows[i].bits);
		netblock_format(&n, text);
		assert_string_equal(text, rows[i].out);
	}
}

static void
no_blocks(void **state UNUSED)
{
	static const char *const bad[] = { "", "/", "/8", "10.0.0.0/",
		"10.0.0.0/33", "10.0.0.0/-1", "0.0.0.0/-0", "0.0.0.0/+0",
		"10.0.0.0/08", "10.0.0.0/8 ", "10.0.0.0/ 8", "10.0.0.0/8/8",
		"10.0.0.0/0x8", "10.0.0.0/8.0", "10.0.0.0/255.0.0.0",
		"10.0.0.0/4294967304", "::/129", "::/00", "[::]/0", "10/8",
		"fe80::%1/10",
		/* A bit past the prefix is set. */
		"10.0.0.1/8", "10.0.0.1/31", "0.0.0.1/0", "128.0.0.0/0",
		"2001:db8::1/127", "2001:db8::/28", "8000::/0",
		"::ffff:10.0.0.0/95",
		/* Longer than any address can be. */
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa/1" };
	struct netblock n;

	for (size_t i = 0; i < NELEM(bad); i++)
		if (netblock_parse(bad[i], &n) == RES_OK)
			fail_msg("accepted: %s", bad[i]);
}

static bool
has(const char *in, const char *who)
{
	struct netblock n = block(in);
	struct netaddr a = address(who);

	return (netblock_has(&n, &a));
}

static void
membership(void **state UNUSED)
{
	assert_true(has("10.0.0.0/8", "10.255.0.1"));
	assert_false(has("10.0.0.0/8", "11.0.0.0"));
	assert_true(has("192.0.2.128/25", "192.0.2.128"));
	assert_true(has("192.0.2.128/25", "::ffff:192.0.2.255"));
	assert_false(has("192.0.2.128/25", "192.0.2.127"));
	assert_true(has("192.0.2.1", "192.0.2.1"));
	assert_false(has("192.0.2.1", "192.0.2.0"));
	assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(has("0.0.0.0/0", "203.0.113.9"));
	assert_true(has("::/0", "2001:db8::1"));
	assert_true(has("::ffff:0:0/96", "203.0.113.9"));
	/* The families do not mix, however they are stored. */
	assert_false(has("0.0.0.0/0", "2001:db8::1"));
	assert_false(has("0.0.0.0/0", "::1"));
	assert_false(has("::/0", "203.0.113.9"));
	assert_false(has("::/80", "203.0.113.9"));
}

/* Bit by bit, against the plain definition. */
static void
membership_everywhere(void **state UNUSED)
{
	struct netaddr a, b;
	struct netblock n;

	srand48(7);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned bits = (unsigned)lrand48() % 129;
		unsigned differ = (unsigned)lrand48() % 128;

		for (unsigned i = 0; i < sizeof(a.b); i++)
			a.b[i] = (uint8_t)lrand48();
		a.b[0] |= 0x20; /* IPv6, whichever bit differs */
		a.b[1] |= 0x01;
		netblock_around(&a, 0, bits, &n);
		assert_true(netblock_has(&n, &a));
		b = a;
		b.b[differ / 8] ^= (uint8_t)(0x80 >> differ % 8);
		assert_int_equal(netblock_has(&n, &b), differ >= bits);
	}
}

static void
around(void **state UNUSED)
{
	char text[NETBLOCK_STRLEN + 1];
	struct netaddr a = address("192.0.2.77");
	struct netblock n;

	netblock_around(&a, 24, 48, &n);
	netblock_format(&n, text);
	assert_string_equal(text, "192.0.2.0/24");
	assert_true(netblock_is_v4(&n));
	netblock_around(&a, 32, 48, &n);
	netblock_format(&n, text);
	assert_string_equal(text, "192.0.2.77/32");
	a = address("2001:db8:1:2:3::4");
	netblock_around(&a, 24, 48, &n);
	netblock_format(&n, text);
	assert_string_equal(text, "2001:db8:1::/48");
	assert_false(netblock_is_v4(&n));
	netblock_around(&a, 24, 57, &n);
	netblock_format(&n, text);
	assert_string_equal(text, "2001:db8:1::/57");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(no_addresses),
		cmocka_unit_test(loopback),
		cmocka_unit_test(blocks),
		cmocka_unit_test(no_blocks),
		cmocka_unit_test(membership),
		cmocka_unit_test(membership_everywhere),
		cmocka_unit_test(around),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
