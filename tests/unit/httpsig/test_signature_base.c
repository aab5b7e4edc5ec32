/*
 * signature_component.c, signature_base.c, query_param.c: the bases of RFC
 * 9421's examples, byte for byte, and what is refused.
 */
#include "signature_fixture.h"

static struct arena *arena;

static int
setup(void **state UNUSED)
{
	arena = arena_new();

	return (0);
}

static int
teardown(void **state UNUSED)
{
	arena_destroy(&arena);

	return (0);
}

static void
assert_base(const struct message *m, const char *input, const char *lines)
{
	struct buf out;
	const char *why, *base = base_of(arena, m, input, &out, &why);

	if (base == NULL)
		fail_msg("%s", why);
	assert_string_equal(base,
	    arena_printf(arena, "%s\"@signature-params\": %s", lines, input));
}

/* The words of the refusal. */
static const char *
refusal(const struct message *m, const char *input)
{
	struct buf out;
	const char *why;

	if (base_of(arena, m, input, &out, &why) != NULL)
		fail_msg("taken: %s", input);
	assert_non_null(why);

	return (why);
}

static void
test_rfc_b21_minimal(void **state UNUSED)
{
	assert_base(&rfc_request,
	    "();created=1618884473;keyid=\"test-key-rsa-pss\";"
	    "nonce=\"b3k2pp5k7z-50gnwp.yemd\"",
	    "");
}

static void
test_rfc_b22_selective(void **state UNUSED)
{
	assert_base(&rfc_request,
	    "(\"@authority\" \"content-digest\" \"@query-param\";name=\"Pet\")"
	    ";created=1618884473;keyid=\"test-key-rsa-pss\""
	    ";tag=\"header-example\"",
	    "\"@authority\": example.com\n"
	    "\"content-digest\": " RFC_DIGEST "\n"
	    "\"@query-param\";name=\"Pet\": dog\n");
}

static void
test_rfc_b23_full(void **state UNUSED)
{
	assert_base(&rfc_request,
	    "(\"date\" \"@method\" \"@path\" \"@query\" \"@authority\" "
	    "\"content-type\" \"content-digest\" \"content-length\")"
	    ";created=1618884473;keyid=\"test-key-rsa-pss\"",
	    "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n"
	    "\"@method\": POST\n"
	    "\"@path\": /foo\n"
	    "\"@query\": ?param=Value&Pet=dog\n"
	    "\"@authority\": example.com\n"
	    "\"content-type\": application/json\n"
	    "\"content-digest\": " RFC_DIGEST "\n"
	    "\"content-length\": 18\n");
}

static void
test_derived_components(void **state UNUSED)
{
	struct message m = { .method = "GET",
		.scheme = "https",
		.authority = "www.example.com",
		.path = "/path",
		.query = "param=value&foo=bar&baz=bat%2Dman" };

	assert_base(&m,
	    "(\"@target-uri\" \"@scheme\" \"@request-target\" \"@query\")",
	    "\"@target-uri\": https://www.example.com/path"
	    "?param=value&foo=bar&baz=bat%2Dman\n"
	    "\"@scheme\": https\n"
	    "\"@request-target\": /path?param=value&foo=bar&baz=bat%2Dman\n"
	    "\"@query\": ?param=value&foo=bar&baz=bat%2Dman\n");
	m.query = NULL;
	assert_base(&m, "(\"@target-uri\" \"@request-target\" \"@query\")",
	    "\"@target-uri\": https://www.example.com/path\n"
	    "\"@request-target\": /path\n"
	    "\"@query\": ?\n");
	m.query = "";
	assert_base(&m, "(\"@target-uri\" \"@request-target\" \"@query\")",
	    "\"@target-uri\": https://www.example.com/path?\n"
	    "\"@request-target\": /path?\n"
	    "\"@query\": ?\n");
}

/* RFC 9421, 2.2.8 */
static void
test_query_parameters(void **state UNUSED)
{
	struct message m = { .path = "/parameters",
		.query = "param=value&foo=bar&baz=batman&qux=&flag&=x&two=1"
			 "&two=2" };

	assert_base(&m,
	    "(\"@query-param\";name=\"baz\" \"@query-param\";name=\"qux\" "
	    "\"@query-param\";name=\"flag\" \"@query-param\";name=\"\")",
	    "\"@query-param\";name=\"baz\": batman\n"
	    "\"@query-param\";name=\"qux\": \n"
	    "\"@query-param\";name=\"flag\": \n"
	    "\"@query-param\";name=\"\": x\n");
	(void)refusal(&m, "(\"@query-param\";name=\"two\")");
	(void)refusal(&m, "(\"@query-param\";name=\"none\")");
	(void)refusal(&m, "(\"@query-param\";name=\"BAZ\")");
	m.query = "var=this%20is%20a%20big%0Amultiline%20value&"
		  "bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something&"
		  "odd=100%&tilde=~";
	assert_base(&m,
	    "(\"@query-param\";name=\"var\" \"@query-param\";name=\"bar\" "
	    "\"@query-param\";name=\"fa%C3%A7ade%22%3A%20\" "
	    "\"@query-param\";name=\"odd\" \"@query-param\";name=\"tilde\")",
	    "\"@query-param\";name=\"var\": "
	    "this%20is%20a%20big%0Amultiline%20value\n"
	    "\"@query-param\";name=\"bar\": with%20plus%20whitespace\n"
	    "\"@query-param\";name=\"fa%C3%A7ade%22%3A%20\": something\n"
	    "\"@query-param\";name=\"odd\": 100%25\n"
	    "\"@query-param\";name=\"tilde\": %7E\n");
	m.query = NULL;
	(void)refusal(&m, "(\"@query-param\";name=\"var\")");
}

/* RFC 9421, 2.1 to 2.1.3 */
static void
test_fields(void **state UNUSED)
{
	static const struct ctx_field fields[] = {
		{ "Cache-Control", "max-age=60" },
		{ "X-Empty-Header", "" },
		{ "CACHE-CONTROL", "must-revalidate" },
		{ "Example-Dict", "a=1, b=2;x=1;y=2, c=(a   b    c), d" },
		{ "Example-Header", "value, with, lots" },
		{ "Example-Header", "of, commas" },
		{ "Latin", "caf\xe9" },
		{ "Tab", "a\tb" },
	};
	struct message m = { .fields = fields, .nfields = NELEM(fields) };

	assert_base(&m, "(\"cache-control\" \"x-empty-header\" \"tab\")",
	    "\"cache-control\": max-age=60, must-revalidate\n"
	    "\"x-empty-header\": \n"
	    "\"tab\": a\tb\n");
	assert_base(&m,
	    "(\"example-dict\";key=\"a\" \"example-dict\";key=\"d\" "
	    "\"example-dict\";key=\"b\" \"example-dict\";key=\"c\")",
	    "\"example-dict\";key=\"a\": 1\n"
	    "\"example-dict\";key=\"d\": ?1\n"
	    "\"example-dict\";key=\"b\": 2;x=1;y=2\n"
	    "\"example-dict\";key=\"c\": (a b c)\n");
	assert_base(&m, "(\"example-header\" \"example-header\";bs)",
	    "\"example-header\": value, with, lots, of, commas\n"
	    "\"example-header\";bs: "
	    ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:\n");
	assert_base(&m, "(\"latin\";bs)", "\"latin\";bs: :Y2Fm6Q==:\n");
	assert_non_null(strstr(refusal(&m, "(\"latin\")"), "latin"));
	(void)refusal(&m, "(\"absent\")");
	(void)refusal(&m, "(\"example-dict\";key=\"e\")");
	(void)refusal(&m, "(\"latin\";key=\"a\")");
}

/* Signer and verifier serialize parameters anew (RFC 9421, 2.3). */
static void
test_parameters_are_canonical(void **state UNUSED)
{
	struct buf out;
	const char *why;

	assert_string_equal(
	    base_of(arena, &rfc_request,
		"( \"@method\"   \"@path\" ); created=05", &out, &why),
	    "\"@method\": POST\n\"@path\": /foo\n"
	    "\"@signature-params\": (\"@method\" \"@path\");created=5");
}

static void
test_unknown_components(void **state UNUSED)
{
	static const char *const rows[] = { "(\"@status\")", "(\"@\")",
		"(\"@METHOD\")", "(\"Date\")", "(\"\")", "(\"a b\")",
		"(\"@signature-params\")", "(\"@unknown\")", "(date)", "(1)",
		"(:AA==:)", "(\"date\";sf)", "(\"date\";tr)", "(\"date\";req)",
		"(\"@method\";req)", "(\"@method\";bs)", "(\"date\";bs=?0)",
		"(\"date\";bs=1)", "(\"content-digest\";key=sha-512)",
		"(\"content-digest\";key=\"sha-512\";bs)", "(\"date\";foo)",
		"(\"@query-param\")", "(\"@query-param\";name=Pet)",
		"(\"@query-param\";name=\"Pet\";req)",
		"(\"@query-param\";key=\"Pet\")", "(\"date\";name=\"a\")" };

	for (size_t i = 0; i < NELEM(rows); i++)
		(void)refusal(&rfc_request, rows[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc_b21_minimal),
		cmocka_unit_test(test_rfc_b22_selective),
		cmocka_unit_test(test_rfc_b23_full),
		cmocka_unit_test(test_derived_components),
		cmocka_unit_test(test_query_parameters),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_parameters_are_canonical),
		cmocka_unit_test(test_unknown_components),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
