/*
 * forwarded.c: RFC 7239's grammar to the letter, X-Forwarded-For as it is
 * met, and nothing that a client writes hides what a proxy appends.
 */
#include "http_fixture.h"

/* "a b - ?": addresses, nameless hops and malformed ones, the nearest last. */
static const char *
shown(const struct hops *h, char *out, size_t len)
{
	char who[NETADDR_STRLEN + 1];
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = h->n > HOPS_MAX ? h->n - HOPS_MAX : 0; i < h->n;
	     i++) {
		const struct hop *hop = &h->hop[i % HOPS_MAX];

		(void)strcpy(who, hop->kind == HOP_NAMELESS ? "-" : "?");
		if (hop->kind == HOP_ADDRESS)
			netaddr_format(&hop->who, who);
		n += (size_t)snprintf(
		    out + n, len - n, "%s%s", n > 0 ? " " : "", who);
	}

	return (out);
}

struct row {
	const char *line, *hops;
};

static void
check(void (*parse)(const char *, struct hops *), const struct row *rows,
    size_t n)
{
	struct hops h;
	char text[4096];

	for (size_t i = 0; i < n; i++) {
		parse(rows[i].line, &h);
		if (strcmp(shown(&h, text, sizeof(text)), rows[i].hops) != 0)
			fail_msg("%s: %s", rows[i].line, text);
	}
}

static void
forwarded_lines(void **state UNUSED)
{
	static const struct row rows[] = {
		/* RFC 7239, 4, 5.2 and 6 */
		{ "for=\"_gazonk\"", "-" },
		{ "For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17" },
		{ "for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60" },
		{ "for=192.0.2.43, for=198.51.100.17",
		    "192.0.2.43 198.51.100.17" },
		{ "for=192.0.2.43, for=\"[2001:db8:cafe::17]\"",
		    "192.0.2.43 2001:db8:cafe::17" },
		{ "for=192.0.2.43,for=unknown", "192.0.2.43 -" },
		{ "for=_hidden, for=_SEVKISEK", "- -" },
		{ "for=\"192.0.2.43:47011\"", "192.0.2.43" },
		{ "for=\"192.0.2.43:_x.y-z\"", "192.0.2.43" },
		{ "for=\"unknown:80\"", "-" },
		{ "by=\"[2001:db8::1]\";host=\"a,b;for=6.6.6.6\";"
		  "for=192.0.2.1",
		    "192.0.2.1" },
		{ "for=\"\\1\\9\\2.0.2.1\"", "192.0.2.1" },
		{ "for=::1", "?" },
		{ "for=\"[::ffff:192.0.2.1]\"", "192.0.2.1" },
		{ "proto=https", "-" },
		{ ";;for=192.0.2.1;", "192.0.2.1" },
		{ "for=192.0.2.1; proto=https ; by=_x", "192.0.2.1" },
		{ "", "" },
		{ " , ,, ", "" },
		{ "for=192.0.2.1 , , for=192.0.2.2", "192.0.2.1 192.0.2.2" },
		{ ";", "-" },
		/* Not of the grammar: nothing of the line counts. */
		{ "for", "?" },
		{ "for=", "?" },
		{ "=192.0.2.1", "?" },
		{ "for =192.0.2.1", "?" },
		{ "for= 192.0.2.1", "?" },
		{ "for=192.0.2.1 x", "?" },
		{ "for=192.0.2.1:80", "?" },
		{ "for=[::1]", "?" },
		{ "for=\"::1\"", "?" },
		{ "for=\"[::1\"", "?" },
		{ "for=\"[192.0.2.1]\"", "?" },
		{ "for=\"[::1]x\"", "?" },
		{ "for=\"[::1]:\"", "?" },
		{ "for=\"192.0.2.1:123456\"", "?" },
		{ "for=\"192.0.2.1:8_0\"", "?" },
		{ "for=\"fe80::1%eth0\"", "?" },
		{ "for=192.0.2.256", "?" },
		{ "for=192.0.2.1x", "?" },
		{ "for=_", "?" },
		{ "for=\"_a b\"", "?" },
		{ "for=localhost", "?" },
		{ "for=192.0.2.1;for=192.0.2.2", "?" },
		{ "for=192.0.2.1;FOR=192.0.2.1", "?" },
		{ "for=\"192.0.2.1", "?" },
		{ "for=\"192.0.2.1\\", "?" },
		{ "for=\"192.0.2.1\\\"", "?" },
		{ "for=\"192.0.2.1\"x", "?" },
		{ "x=\"\x01\";for=192.0.2.1", "?" },
		{ "for=192.0.2.1, x", "?" },
		{ "192.0.2.1", "?" },
		{ "for=192.0.2.1/24", "?" },
		{ "for=\"192.0.2.1\", \", for=192.0.2.2", "?" },
		{ "for=00000000000000000000000000000000000000000000000000000000"
		  "000000000000192.0.2.1",
		    "?" },
	};

	check(forwarded_parse, rows, NELEM(rows));
}

static void
x_forwarded_for_lines(void **state UNUSED)
{
	static const struct row rows[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ " 192.0.2.1\t,2001:DB8::1 ", "192.0.2.1 2001:db8::1" },
		{ "192.0.2.1:8080, [2001:db8::1]:443, [::1]",
		    "192.0.2.1 2001:db8::1 ::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "unknown, _x, 192.0.2.1", "- - 192.0.2.1" },
		{ "", "" },
		{ ",, ,", "" },
		{ "192.0.2.1,,192.0.2.2", "192.0.2.1 192.0.2.2" },
		/* A wrong element is a hop of its own. */
		{ "x, 192.0.2.1", "? 192.0.2.1" },
		{ "\"192.0.2.1, 192.0.2.2", "? 192.0.2.2" },
		{ "192.0.2.1 192.0.2.2", "?" },
		{ "192.0.2.1:", "?" },
		{ "192.0.2.1:x", "?" },
		{ "[192.0.2.1]", "?" },
		{ "[::1", "?" },
		{ "::1]", "?" },
		{ "1:2:3:4:5:6:7:8:9", "?" },
		{ "fe80::1%1", "?" },
		{ "0192.0.2.1", "?" },
		{ "00000000000000000000000000000000000000000000000000000000000"
		  "0192.0.2.1, ::1",
		    "? ::1" },
	};

	check(x_forwarded_for_parse, rows, NELEM(rows));
}

/* Of very long lines the nearest hops are kept. */
static void
long_lines(void **state UNUSED)
{
	struct hops h;
	char line[4096] = "x", text[4096];
	size_t n = 1;

	for (unsigned i = 0; i < HOPS_MAX + 5; i++)
		n += (size_t)snprintf(
		    line + n, sizeof(line) - n, ",10.0.0.%u", i);
	x_forwarded_for_parse(line, &h);
	assert_int_equal(h.n, HOPS_MAX + 6);
	shown(&h, text, sizeof(text));
	assert_memory_equal(text, "10.0.0.5 10.0.0.6 ", 18);
	assert_string_equal(text + strlen(text) - 9, "10.0.0.36");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwarded_lines),
		cmocka_unit_test(x_forwarded_for_lines),
		cmocka_unit_test(long_lines),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
