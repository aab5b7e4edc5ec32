/*
 * client_address.c: whose word is believed, how far, and what happens to
 * words that cannot be read.
 */
#include <arpa/inet.h>

#include "http_fixture.h"

static void
settings(const char *proxies, const char *header)
{
	char msg[512];

	setenv("ELEUSIS_TRUSTED_PROXIES", proxies, 1);
	setenv("ELEUSIS_PROXY_HEADER", header, 1);
	if (settings_load(NULL, msg, sizeof(msg)) != RES_OK ||
	    proxies_load(msg, sizeof(msg)) != RES_OK)
		fail_msg("%s", msg);
}

static bool
refused(const char *proxies, const char *header)
{
	char msg[512];

	setenv("ELEUSIS_TRUSTED_PROXIES", proxies, 1);
	setenv("ELEUSIS_PROXY_HEADER", header, 1);
	assert_int_equal(settings_load(NULL, msg, sizeof(msg)), RES_OK);

	return (proxies_load(msg, sizeof(msg)) != RES_OK);
}

static void
connect_from(struct connection *c, const char *peer)
{
	memset(c, 0, sizeof(*c));
	c->family = strchr(peer, ':') != NULL ? AF_INET6 : AF_INET;
	if (c->family == AF_INET6)
		inet_pton(AF_INET6, peer, &c->addr.ipv6.sin6_addr);
	else
		inet_pton(AF_INET, peer, &c->addr.ipv4.sin_addr);
}

/* The client of a request from peer with these header lines; "?": refused. */
static const char *
client(const char *peer, const char *name, const char *one, const char *two)
{
	static char out[CLIENT_IP_SIZE];
	struct connection c;
	struct fixture fx;

	fixture_start(&fx, METHOD_GET, "/x");
	connect_from(&c, peer);
	fx.req.owner = &c;
	if (one != NULL)
		fixture_header(&fx, name, one);
	fixture_header(&fx, "x-other", "192.0.2.99");
	if (two != NULL)
		fixture_header(&fx, name, two);
	client_find(&fx.cx);
	(void)strcpy(out, fx.cx.forwarded_wrong ? "?" : fx.cx.client_ip);
	if (fx.cx.forwarded_wrong)
		assert_string_equal(fx.cx.client_ip, peer);
	fixture_end(&fx);

	return (out);
}
#define XFF(peer, one, two) client(peer, "X-Forwarded-For", one, two)
#define FWD(peer, one, two) client(peer, "forwarded", one, two)

static void
nobody_is_believed_unasked(void **state UNUSED)
{
	settings("", "none");
	assert_string_equal(XFF("127.0.0.1", "192.0.2.1", NULL), "127.0.0.1");
	settings("127.0.0.1", "none");
	assert_string_equal(XFF("127.0.0.1", "192.0.2.1", NULL), "127.0.0.1");
	settings("10.0.0.0/8", "x-forwarded-for");
	assert_string_equal(XFF("11.0.0.1", "192.0.2.1", NULL), "11.0.0.1");
	assert_string_equal(XFF("11.0.0.1", "x", NULL), "11.0.0.1");
	/* Only the one header. */
	assert_string_equal(FWD("10.0.0.1", "for=192.0.2.1", NULL), "10.0.0.1");
	settings("10.0.0.0/8", "forwarded");
	assert_string_equal(XFF("10.0.0.1", "192.0.2.1", NULL), "10.0.0.1");
}

static void
from_the_right(void **state UNUSED)
{
	settings("10.0.0.0/8 2001:db8:f::/48  127.0.0.1", "x-forwarded-for");
	assert_string_equal(XFF("10.0.0.1", "192.0.2.1", NULL), "192.0.2.1");
	assert_string_equal(
	    XFF("10.0.0.1", "6.6.6.6, 192.0.2.1", NULL), "192.0.2.1");
	assert_string_equal(
	    XFF("10.0.0.1", "6.6.6.6, 192.0.2.1, 10.1.1.1, 2001:db8:f::9",
		NULL),
	    "192.0.2.1");
	assert_string_equal(
	    XFF("2001:db8:f::1", "2001:db8::1, 10.0.0.9", NULL), "2001:db8::1");
	assert_string_equal(
	    XFF("::ffff:10.0.0.1", "192.0.2.1", NULL), "192.0.2.1");
	/* Nothing but proxies: the furthest is the client. */
	assert_string_equal(
	    XFF("10.0.0.1", "10.0.0.3, 10.0.0.2", NULL), "10.0.0.3");
	assert_string_equal(XFF("10.0.0.1", NULL, NULL), "10.0.0.1");
	assert_string_equal(XFF("10.0.0.1", " , ", NULL), "10.0.0.1");
}

static void
lines_are_one_list(void **state UNUSED)
{
	settings("10.0.0.0/8", "x-forwarded-for");
	assert_string_equal(
	    XFF("10.0.0.1", "6.6.6.6", "192.0.2.1"), "192.0.2.1");
	assert_string_equal(
	    XFF("10.0.0.1", "6.6.6.6, 192.0.2.1", "10.0.0.2"), "192.0.2.1");
	settings("10.0.0.0/8", "forwarded");
	assert_string_equal(
	    FWD("10.0.0.1", "for=\"", "for=192.0.2.1;by=10.0.0.1"),
	    "192.0.2.1");
	assert_string_equal(
	    FWD("10.0.0.1", "for=192.0.2.1", "for=10.0.0.2"), "192.0.2.1");
}

static void
nameless_hops_end_the_walk(void **state UNUSED)
{
	settings("10.0.0.0/8", "forwarded");
	assert_string_equal(
	    FWD("10.0.0.1", "for=192.0.2.1, for=_secret", NULL), "10.0.0.1");
	assert_string_equal(
	    FWD("10.0.0.1", "for=192.0.2.1, for=unknown, for=10.0.0.7", NULL),
	    "10.0.0.7");
	assert_string_equal(
	    FWD("10.0.0.1", "for=192.0.2.1, proto=https", NULL), "10.0.0.1");
}

static void
malformed_words(void **state UNUSED)
{
	settings("10.0.0.0/8", "x-forwarded-for");
	assert_string_equal(XFF("10.0.0.1", "x", NULL), "?");
	assert_string_equal(XFF("10.0.0.1", "192.0.2.1, x", NULL), "?");
	assert_string_equal(XFF("10.0.0.1", "x, 10.0.0.2", NULL), "?");
	/* Left of the client: its own say. */
	assert_string_equal(XFF("10.0.0.1", "x, 192.0.2.1", NULL), "192.0.2.1");
	assert_string_equal(XFF("10.0.0.1", "x", "192.0.2.1"), "192.0.2.1");
	settings("10.0.0.0/8", "forwarded");
	assert_string_equal(FWD("10.0.0.1", "x, for=192.0.2.1", NULL), "?");
	assert_string_equal(
	    FWD("10.0.0.1", "for=\", for=192.0.2.1", NULL), "?");
}

static void
endless_chains(void **state UNUSED)
{
	char line[4096] = "192.0.2.1";
	size_t n = strlen(line);

	settings("10.0.0.0/8", "x-forwarded-for");
	for (unsigned i = 1; i < HOPS_MAX; i++)
		n += (size_t)snprintf(
		    line + n, sizeof(line) - n, ",10.0.0.%u", i);
	assert_string_equal(XFF("10.0.0.1", line, NULL), "192.0.2.1");
	(void)snprintf(line + n, sizeof(line) - n, ",10.0.0.99");
	assert_string_equal(XFF("10.0.0.1", line, NULL), "?");
}

static bool
direct(const char *peer)
{
	struct connection c;
	struct fixture fx;
	bool is;

	fixture_start(&fx, METHOD_GET, "/metrics");
	connect_from(&c, peer);
	fx.req.owner = &c;
	client_find(&fx.cx);
	is = ctx_direct_loopback(&fx.cx);
	fixture_end(&fx);

	return (is);
}

static void
direct_loopback(void **state UNUSED)
{
	settings("", "none");
	assert_true(direct("127.0.0.1"));
	assert_true(direct("::1"));
	assert_true(direct("::ffff:127.0.0.1"));
	assert_false(direct("10.0.0.1"));
	/* A proxy on this host speaks for the world. */
	settings("127.0.0.2", "none");
	assert_true(direct("127.0.0.1"));
	assert_false(direct("127.0.0.2"));
	settings("127.0.0.0/8 ::1", "x-forwarded-for");
	assert_false(direct("127.0.0.1"));
	assert_false(direct("::1"));
}

static void
nobody_there(void **state UNUSED)
{
	static const struct netaddr unknown;
	struct fixture fx;

	settings("::/0 0.0.0.0/0", "x-forwarded-for");
	fixture_start(&fx, METHOD_GET, "/x");
	fixture_header(&fx, "X-Forwarded-For", "192.0.2.1");
	client_find(&fx.cx);
	assert_string_equal(fx.cx.client_ip, "");
	assert_memory_equal(&fx.cx.client, &unknown, sizeof(unknown));
	assert_false(fx.cx.by_proxy);
	assert_false(ctx_direct_loopback(&fx.cx));
	fixture_end(&fx);
}

static void
mistakes_in_the_settings(void **state UNUSED)
{
	char many[2000] = "";
	size_t n = 0;

	assert_true(refused("10.0.0.1/8", "forwarded"));
	assert_true(refused("10.0.0.0/8,11.0.0.0/8", "forwarded"));
	assert_true(refused("proxy.example", "none"));
	assert_true(refused("", "forwarded"));
	assert_true(refused("10.0.0.0/8", "X-Forwarded-For"));
	assert_true(refused("10.0.0.0/8", "x-real-ip"));
	for (unsigned i = 0; i < 65; i++)
		n += (size_t)snprintf(
		    many + n, sizeof(many) - n, "10.0.0.%u ", i);
	assert_true(refused(many, "none"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_believed_unasked),
		cmocka_unit_test(from_the_right),
		cmocka_unit_test(lines_are_one_list),
		cmocka_unit_test(nameless_hops_end_the_walk),
		cmocka_unit_test(malformed_words),
		cmocka_unit_test(endless_chains),
		cmocka_unit_test(direct_loopback),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(mistakes_in_the_settings),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
