/*
 * Tokens taken apart, keys that fit them, and signatures: the examples of RFC
 * 7515, appendix A, and what must not pass for one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "oidc/oidc_priv.h"

/* RFC 7515, A.3 */
#define ES256_KEY                                                \
	"{\"kty\":\"EC\",\"crv\":\"P-256\","                     \
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define CLAIMS                                                            \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGF" \
	"tcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define ES256_SIGNATURE                                                  \
	"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISl" \
	"SApmWQxfKTUJqPP3-Kg6NU1Q"
#define ES256_TOKEN "eyJhbGciOiJFUzI1NiJ9." CLAIMS "." ES256_SIGNATURE
/* {"alg":"none"} */
#define NONE_TOKEN "eyJhbGciOiJub25lIn0." CLAIMS "."

static struct arena *arena;

static int
setup(void **state)
{
	(void)state;
	arena = arena_new();
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	arena_destroy(&arena);
	return (0);
}

static struct jval *
json(const char *text)
{
	struct err err = { .problem = PROBLEM_UNSET };
	struct jval *v;

	assert_int_equal(
	    json_parse(arena, text, strlen(text), 6, &v, &err), RES_OK);
	return (v);
}

static bool
holds(const char *token, const char *key)
{
	struct jwt_job job = {
		.token = token, .token_len = strlen(token), .key = key
	};
	bool ok;

	jwt_verify_job(&job);
	ok = job.claims != NULL;
	free(job.claims);
	return (ok);
}

static void
test_the_example(void **state)
{
	struct jwt_job job = { .token = ES256_TOKEN,
		.token_len = strlen(ES256_TOKEN),
		.key = ES256_KEY };

	(void)state;
	jwt_verify_job(&job);
	assert_non_null(job.claims);
	assert_int_equal(job.claims_len, 70);
	assert_memory_equal(job.claims, "{\"iss\":\"joe\",\r\n", 15);
	free(job.claims);
}

/* Each bit of the signature counts, and each of what is signed. */
static void
test_changed_ones(void **state)
{
	char token[] = ES256_TOKEN;
	size_t len = strlen(token);

	(void)state;
	for (size_t i = 0; i < len - 1; i++) {
		char kept = token[i];

		if (kept == '.')
			continue;
		token[i] = kept == 'A' ? 'B' : 'A';
		assert_false(holds(token, ES256_KEY));
		token[i] = kept;
	}
	assert_true(holds(token, ES256_KEY));
}

static void
test_no_signature(void **state)
{
	(void)state;
	assert_false(holds(NONE_TOKEN, ES256_KEY));
	assert_false(holds("eyJhbGciOiJFUzI1NiJ9." CLAIMS ".", ES256_KEY));
	assert_false(holds(ES256_TOKEN, "{\"kty\":\"oct\",\"k\":\"AAAA\"}"));
	assert_false(holds(ES256_TOKEN, "{}"));
	assert_false(holds(ES256_TOKEN, ""));
}

static void
test_read(void **state)
{
	static const struct {
		const char *token;
		enum oidc_reason want;
	} cases[] = {
		{ ES256_TOKEN, OIDC_OK },
		{ NONE_TOKEN, OIDC_BAD_ALG },
		{ "", OIDC_BAD_TOKEN },
		{ ".", OIDC_BAD_TOKEN },
		{ "..", OIDC_BAD_TOKEN },
		{ "e30..", OIDC_BAD_TOKEN }, /* {} */
		{ "eyJhbGciOiJFUzI1NiJ9=.e30.x", OIDC_BAD_TOKEN },
		{ "W10.e30.x", OIDC_BAD_TOKEN },                /* [] */
		{ "eyJhbGciOiJIUzI1NiJ9.e30.x", OIDC_BAD_ALG }, /* HS256 */
		{ "eyJhbGciOjF9.e30.x", OIDC_BAD_TOKEN },       /* alg 1 */
		/* {"alg":"ES256","crit":["exp"]} */
		{ "eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiZXhwIl19.e30.x",
		    OIDC_BAD_TOKEN },
		/* {"alg":"ES256","alg":"none"} */
		{ "eyJhbGciOiJFUzI1NiIsImFsZyI6Im5vbmUifQ.e30.x",
		    OIDC_BAD_TOKEN },
		{ "eyJhbGciOiJFUzI1NiJ9.e30.x.y.z", OIDC_BAD_TOKEN },
	};
	struct jwt jwt;

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++)
		assert_int_equal(
		    jwt_read(arena, cases[i].token, provider_algs, &jwt),
		    cases[i].want);
}

static void
test_only_what_is_allowed(void **state)
{
	static const char *const rsa[] = { "RS256", "PS256", NULL };
	struct jwt jwt;

	(void)state;
	assert_int_equal(jwt_read(arena, ES256_TOKEN, rsa, &jwt), OIDC_BAD_ALG);
}

static void
test_issuer(void **state)
{
	struct jwt jwt;

	(void)state;
	assert_int_equal(
	    jwt_read(arena, ES256_TOKEN, provider_algs, &jwt), OIDC_OK);
	assert_string_equal(jwt_issuer(arena, &jwt), "joe");
	assert_int_equal(
	    jwt_read(arena, "eyJhbGciOiJFUzI1NiJ9.W10.x", provider_algs, &jwt),
	    OIDC_OK);
	assert_null(jwt_issuer(arena, &jwt));
}

#define EC    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"\",\"y\":\"\""
#define N512  "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
#define N2048 N512 N512 N512 N512 N512 "ssssssssssssssssssssss"

static void
test_keys_that_fit(void **state)
{
	static const struct {
		const char *alg, *kid, *key;
		bool want;
	} cases[] = {
		{ "ES256", NULL, "{" EC "}", true },
		{ "ES256", NULL, "{" EC ",\"kid\":\"a\"}", true },
		{ "ES256", "a", "{" EC ",\"kid\":\"a\"}", true },
		{ "ES256", "a", "{" EC ",\"kid\":\"b\"}", false },
		{ "ES256", "a", "{" EC "}", false },
		{ "ES384", NULL, "{" EC "}", false },
		{ "RS256", NULL, "{" EC "}", false },
		{ "ES256", NULL, "{" EC ",\"use\":\"sig\"}", true },
		{ "ES256", NULL, "{" EC ",\"use\":\"enc\"}", false },
		{ "ES256", NULL, "{" EC ",\"use\":1}", false },
		{ "ES256", NULL, "{" EC ",\"alg\":\"ES256\"}", true },
		{ "ES256", NULL, "{" EC ",\"alg\":\"ES384\"}", false },
		{ "ES256", NULL, "{" EC ",\"key_ops\":[\"verify\"]}", true },
		{ "ES256", NULL, "{" EC ",\"key_ops\":[\"sign\"]}", false },
		{ "ES256", NULL, "{" EC ",\"key_ops\":\"verify\"}", false },
		{ "RS256", NULL,
		    "{\"kty\":\"RSA\",\"n\":\"" N2048 "\",\"e\":\"AQAB\"}",
		    true },
		{ "PS512", NULL,
		    "{\"kty\":\"RSA\",\"n\":\"" N2048 "\",\"e\":\"AQAB\"}",
		    true },
		{ "RS256", NULL,
		    "{\"kty\":\"RSA\",\"n\":\"" N2048 "\",\"e\":\"AQ\"}",
		    false },
		{ "RS256", NULL,
		    "{\"kty\":\"RSA\",\"n\":\"" N512 "\",\"e\":\"AQAB\"}",
		    false },
		{ "RS256", NULL,
		    "{\"kty\":\"RSA\",\"n\":\"" N2048 N2048 N2048 N2048 N2048
		    "\",\"e\":\"AQAB\"}",
		    false },
		{ "RS256", NULL, "{\"kty\":\"oct\",\"k\":\"" N2048 "\"}",
		    false },
		{ "HS256", NULL, "{\"kty\":\"oct\",\"k\":\"" N2048 "\"}",
		    false },
		{ "none", NULL, "{" EC "}", false },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct jwt jwt = { .alg = cases[i].alg, .kid = cases[i].kid };

		if (jwt_key_fits(&jwt, json(cases[i].key)) != cases[i].want)
			fail_msg("case %zu", i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_the_example, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_changed_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_no_signature, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_only_what_is_allowed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_issuer, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_keys_that_fit, setup, teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
