/*
 * context_read.c: headers, cookies, addresses and trace ids as clients send
 * them, well-formed or not.
 */
#include <arpa/inet.h>

#include "http_fixture.h"

static void
headers_are_found_in_any_case(void **state UNUSED)
{
	struct fixture fx;

	fixture_start(&fx, METHOD_GET, "/x");
	fixture_header(&fx, "X-Thing", "1");
	assert_string_equal(ctx_header(&fx.cx, "x-thing"), "1");
	assert_null(ctx_header(&fx.cx, "x-thin"));
	assert_string_equal(ctx_header(&fx.cx, "Host"), "localhost:8443");
	fixture_end(&fx);
}

/* RFC 9110, 5.3 and 5.5: joined in their order, without blanks around. */
static void
headers_on_several_lines_are_joined(void **state UNUSED)
{
	const struct ctx_field *fields;
	struct fixture fx;

	fixture_start(&fx, METHOD_GET, "/x");
	fixture_header(&fx, "X-Thing", " \ta, b\t ");
	fixture_header(&fx, "Other", "");
	fixture_header(&fx, "x-thing", "c");
	assert_string_equal(ctx_header_list(&fx.cx, "x-THING"), "a, b, c");
	assert_string_equal(ctx_header_list(&fx.cx, "other"), "");
	assert_null(ctx_header_list(&fx.cx, "none"));
	assert_int_equal(ctx_fields(&fx.cx, &fields), 4);
	assert_string_equal(fields[0].name, "X-Thing");
	assert_string_equal(fields[0].value, "a, b");
	assert_string_equal(fields[1].value, "");
	assert_string_equal(fields[2].name, "x-thing");
	assert_string_equal(fields[3].name, "host");
	assert_string_equal(fields[3].value, "localhost:8443");
	fixture_end(&fx);
}

static void
cookie_is(const char *line, const char *second, const char *value)
{
	struct fixture fx;
	const char *got;

	fixture_start(&fx, METHOD_GET, "/x");
	fixture_header(&fx, "Cookie", line);
	if (second != NULL)
		fixture_header(&fx, "cookie", second);
	got = ctx_cookie(&fx.cx, "__Host-x");
	if (value == NULL)
		assert_null(got);
	else
		assert_non_null(got);
	if (value != NULL)
		assert_string_equal(got, value);
	fixture_end(&fx);
}

static void
cookies_are_found(void **state UNUSED)
{
	cookie_is("__Host-x=abc", NULL, "abc");
	cookie_is("a=1; __Host-x=abc=; b=2", NULL, "abc=");
	cookie_is("a=1;__Host-x=abc", NULL, "abc");
	cookie_is("a=1", "__Host-x=abc", "abc");
	cookie_is("__Host-x=", NULL, "");
	cookie_is("__host-x=abc", NULL, NULL);
	cookie_is("a__Host-x=abc", NULL, NULL);
	cookie_is("a=__Host-x=abc", NULL, NULL);
	cookie_is("__Host-x", NULL, NULL);
	cookie_is("__Host-xy=1", NULL, NULL);
	cookie_is("__Host-x=1; __Host-x=2", NULL, NULL);
	cookie_is("__Host-x=1", "__Host-x=2", NULL);
	cookie_is(";;; ", NULL, NULL);
}

static void
address_is(int family, const char *text, const char *shown)
{
	struct connection c;
	char ip[CLIENT_IP_SIZE];

	memset(&c, 0, sizeof(c));
	c.family = family;
	if (family == AF_INET)
		inet_pton(AF_INET, text, &c.addr.ipv4.sin_addr);
	else if (family == AF_INET6)
		inet_pton(AF_INET6, text, &c.addr.ipv6.sin6_addr);
	client_address(&c, ip);
	assert_string_equal(ip, shown);
}

static void
addresses_are_shown(void **state UNUSED)
{
	char ip[CLIENT_IP_SIZE] = "x";

	address_is(AF_INET, "192.0.2.7", "192.0.2.7");
	address_is(AF_INET6, "2001:db8::1", "2001:db8::1");
	address_is(AF_INET6, "::ffff:192.0.2.7", "192.0.2.7");
	address_is(AF_INET6, "::1", "::1");
	address_is(AF_UNIX, "", "");
	client_address(NULL, ip);
	assert_string_equal(ip, "");
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

static void
trace_is(const char *header, const char *id)
{
	char got[TRACE_ID_LEN + 1] = "x";

	trace_id_parse(header, got);
	assert_string_equal(got, id);
}

static void
trace_ids_are_checked(void **state UNUSED)
{
	trace_is("00-" TRACE "-" SPAN "-01", TRACE);
	trace_is("cc-" TRACE "-" SPAN "-01-more", TRACE);
	trace_is("00-" TRACE "-" SPAN "-01-more", "");
	trace_is("cc-" TRACE "-" SPAN "-01more", "");
	trace_is("ff-" TRACE "-" SPAN "-01", "");
	trace_is("00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", "");
	trace_is("00-00000000000000000000000000000000-" SPAN "-01", "");
	trace_is("00-" TRACE "-0000000000000000-01", "");
	trace_is("00-" TRACE "-" SPAN "-0", "");
	trace_is("00-" TRACE "_" SPAN "-01", "");
	trace_is("", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_found_in_any_case),
		cmocka_unit_test(headers_on_several_lines_are_joined),
		cmocka_unit_test(cookies_are_found),
		cmocka_unit_test(addresses_are_shown),
		cmocka_unit_test(trace_ids_are_checked),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
