/*
 * email.c: what counts as an address, and that it comes out in lower case.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/base.h"

static const char *const good[] = {
	"a@b", "Ada.King@Example.ORG", "o'neil+x=1@mail-1.example.org",
	"1234567890123456789012345678901234567"
	"890123456789012345678901234@example",
	"x@123456789012345678901234567890123456789012345678901234567890123.org"
};

static const char *const bad[] = { "", "@", "a", "a@", "-a@b", "@b", "a@b@c",
	".a@b", "a.@b", "a..b@c", "a b@c", "a@b c", "a@-b", "a@b-", "a@b..c",
	"a@.b", "a@b.", "a@b_c", "\"a\"@b", "a@[127.0.0.1]", "a\n@b",
	"a@b\r\nBcc: c@d", "\xc3\xa9@b", "a@\xc3\xa9",
	"12345678901234567890123456789012345678901234567890123456789012345@b",
	"x@1234567890123456789012345678901234567890123456789012345678901234" };

static void
addresses_are_taken(void **state UNUSED)
{
	char out[EMAIL_MAX + 1];

	for (size_t i = 0; i < NELEM(good); i++)
		if (email_parse(good[i], out) != RES_OK ||
		    strcasecmp(good[i], out) != 0)
			fail_msg("not taken: %s", good[i]);
	assert_int_equal(email_parse("ADA@Example.ORG", out), RES_OK);
	assert_string_equal(out, "ada@example.org");
}

static void
others_are_not(void **state UNUSED)
{
	char out[EMAIL_MAX + 1];

	for (size_t i = 0; i < NELEM(bad); i++)
		if (email_parse(bad[i], out) == RES_OK)
			fail_msg("taken: %s", bad[i]);
}

/* 254 characters (RFC 5321, 4.5.3.1.3, less the angle brackets). */
static void
the_length_has_an_end(void **state UNUSED)
{
	char in[EMAIL_MAX + 2], out[EMAIL_MAX + 1];

	memset(in, 'a', sizeof(in));
	in[1] = '@';
	for (size_t i = 60; i < sizeof(in); i += 60)
		in[i] = '.';
	in[EMAIL_MAX] = '\0';
	assert_int_equal(email_parse(in, out), RES_OK);
	in[EMAIL_MAX] = 'a';
	in[EMAIL_MAX + 1] = '\0';
	assert_int_equal(email_parse(in, out), RES_ERR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_taken),
		cmocka_unit_test(others_are_not),
		cmocka_unit_test(the_length_has_an_end),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
