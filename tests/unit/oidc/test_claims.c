/*
 * What tokens must say: at_hash by each algorithm, leeway to the second,
 * roles and factors out of claims, and forms. The refusals of whole log-ins
 * are in tests/test_oidc_hostile.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "oidc/oidc_priv.h"

#define NOW 1700000000
#define GOOD                                                 \
	"\"iss\":\"https://i\",\"aud\":\"c\",\"sub\":\"s\"," \
	"\"nonce\":\"n\","
#define EVENT                                                                 \
	"\"events\":{\"http://schemas.openid.net/event/backchannel-logout\":" \
	"{}}"

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

static struct claims_want
want(void)
{
	return ((struct claims_want){ .issuer = "https://i",
	    .client_id = "c",
	    .nonce = "n",
	    .alg = "RS256",
	    .now_s = NOW });
}

static enum oidc_reason
check(const char *rest)
{
	struct claims_want w = want();
	struct claims c;

	return (claims_check(
	    json(arena_printf(arena, "{" GOOD "%s}", rest)), &w, &c));
}

static void
test_leeway(void **state)
{
	static const struct {
		const char *times;
		enum oidc_reason want;
	} cases[] = {
		{ "\"iat\":1700000000,\"exp\":1700000001", OIDC_OK },
		{ "\"iat\":1700000000,\"exp\":1699999941", OIDC_OK },
		{ "\"iat\":1700000000,\"exp\":1699999940", OIDC_EXPIRED },
		{ "\"iat\":1700000060,\"exp\":1700000300", OIDC_OK },
		{ "\"iat\":1700000061,\"exp\":1700000300", OIDC_NOT_YET },
		{ "\"iat\":1.7e9,\"exp\":1.7000003e9", OIDC_OK },
		{ "\"iat\":1700000000,\"exp\":1700000300,\"nbf\":1700000060",
		    OIDC_OK },
		{ "\"iat\":1700000000,\"exp\":1700000300,\"nbf\":1700000061",
		    OIDC_NOT_YET },
		{ "\"iat\":1700000000,\"exp\":1e300", OIDC_EXPIRED },
		{ "\"iat\":-1,\"exp\":1700000300", OIDC_NOT_YET },
		{ "\"iat\":1700000000,\"exp\":1700000300,\"nbf\":null",
		    OIDC_NOT_YET },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++)
		if (check(cases[i].times) != cases[i].want)
			fail_msg("case %zu", i);
}

/* The hash's left half. The values are Python's hashlib's. */
static void
test_at_hash(void **state)
{
	static const struct {
		const char *alg, *hash;
	} cases[] = {
		{ "RS256", "FPlcM-1UXiivOYozpUrp7Q" },
		{ "ES384", "xyd4RqQFKTeLS6637L5Uu1yJjavToEO1" },
		{ "PS512", "9UL8Bx6o74X3_A6XW5iK4-LmMHW0iJMLZ2YNNd2z1kc" },
	};
	struct claims_want w = want();
	struct claims c;

	(void)state;
	w.access_token = "an access token";
	for (size_t i = 0; i < NELEM(cases); i++) {
		const struct jval *v = json(arena_printf(arena,
		    "{" GOOD "\"iat\":%d,\"exp\":%d,\"at_hash\":\"%s\"}", NOW,
		    NOW + 1, cases[i].hash));

		w.alg = cases[i].alg;
		assert_int_equal(claims_check(v, &w, &c), OIDC_OK);
		w.alg = cases[(i + 1) % NELEM(cases)].alg;
		assert_int_equal(claims_check(v, &w, &c), OIDC_BAD_AT_HASH);
	}
	w.access_token = NULL;
	assert_int_equal(
	    claims_check(json(arena_printf(arena,
			     "{" GOOD "\"iat\":%d,\"exp\":%d,\"at_hash\":"
			     "\"%s\"}",
			     NOW, NOW + 1, cases[0].hash)),
		&w, &c),
	    OIDC_BAD_AT_HASH);
}

static void
test_what_is_taken_over(void **state)
{
	struct claims_want w = want();
	struct claims c;

	(void)state;
	assert_int_equal(
	    claims_check(json("{" GOOD "\"iat\":1700000000,"
			      "\"exp\":1700000001,\"sid\":\"x\","
			      "\"email\":\"a@b\",\"email_verified\":\"true\","
			      "\"name\":\"A\"}"),
		&w, &c),
	    OIDC_OK);
	assert_string_equal(c.sub, "s");
	assert_string_equal(c.sid, "x");
	assert_string_equal(c.email, "a@b");
	assert_string_equal(c.name, "A");
	assert_true(c.email_verified);
	/* A NUL inside would end a text early. */
	assert_int_equal(claims_check(json("{\"iss\":\"https://i\\u0000x\","
					   "\"aud\":\"c\",\"sub\":\"s\","
					   "\"nonce\":\"n\",\"iat\":1700000000,"
					   "\"exp\":1700000001}"),
			     &w, &c),
	    OIDC_TOKEN_ISSUER);
}

static void
test_log_out(void **state)
{
	struct claims_want w = want();
	struct claims c;

	(void)state;
	w.nonce = NULL;
	assert_int_equal(
	    claims_check_logout(json("{\"iss\":\"https://i\",\"aud\":[\"c\"],"
				     "\"iat\":1699999340,\"exp\":1700000001,"
				     "\"jti\":\"j\",\"sid\":\"x\"," EVENT "}"),
		&w, &c),
	    OIDC_OK);
	assert_string_equal(c.jti, "j");
	assert_null(c.sub);
	assert_int_equal(
	    claims_check_logout(json("{\"iss\":\"https://i\",\"aud\":[\"c\"],"
				     "\"iat\":1699999339,\"exp\":1700000001,"
				     "\"jti\":\"j\",\"sid\":\"x\"," EVENT "}"),
		&w, &c),
	    OIDC_EXPIRED);
	assert_int_equal(
	    claims_check_logout(
		json("{\"iss\":\"https://i\",\"aud\":[\"c\"],"
		     "\"iat\":1700000000,\"exp\":1700000001,"
		     "\"jti\":\"j\",\"sid\":\"x\",\"sub\":7," EVENT "}"),
		&w, &c),
	    OIDC_BAD_SUBJECT);
}

static void
test_roles(void **state)
{
	static const struct role_rule rules[] = { { "chiefs", ROLE_ADMIN },
		{ "wards", ROLE_CLINICIAN } };
	static const struct {
		const char *path, *claims;
		enum role want;
	} cases[] = {
		{ "g", "{\"g\":\"wards\"}", ROLE_CLINICIAN },
		{ "g", "{\"g\":[\"x\",\"wards\",\"chiefs\"]}", ROLE_ADMIN },
		{ "g", "{\"g\":[\"ward\"]}", ROLE_UNSET },
		{ "g", "{\"g\":[[\"wards\"]]}", ROLE_UNSET },
		{ "g", "{\"g\":{\"wards\":true}}", ROLE_UNSET },
		{ "g", "{\"G\":\"wards\"}", ROLE_UNSET },
		{ "/r/roles", "{\"r\":{\"roles\":[\"wards\"]}}",
		    ROLE_CLINICIAN },
		{ "/r/roles", "{\"r\":\"wards\"}", ROLE_UNSET },
		{ "/r/roles", "{\"r\":{}}", ROLE_UNSET },
		{ "https://x/r", "{\"https://x/r\":\"wards\"}",
		    ROLE_CLINICIAN },
	};
	struct provider p = { .roles = rules, .nroles = NELEM(rules) };

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		p.role_claim = cases[i].path;
		if (claims_role(json(cases[i].claims), &p) != cases[i].want)
			fail_msg("case %zu", i);
	}
	p.default_role = ROLE_AUDITOR;
	assert_int_equal(claims_role(json("{}"), &p), ROLE_AUDITOR);
}

static void
test_factors(void **state)
{
	static const char *const acr[] = { "two", NULL };
	static const char *const amr[] = { "mfa", "hwk", NULL };
	struct provider p = { .acr = acr, .amr = amr };

	(void)state;
	assert_true(claims_mfa(json("{\"acr\":\"two\"}"), &p));
	assert_true(claims_mfa(json("{\"amr\":[\"pwd\",\"hwk\"]}"), &p));
	assert_false(claims_mfa(json("{\"acr\":[\"two\"]}"), &p));
	assert_false(claims_mfa(json("{\"amr\":\"mfa\"}"), &p));
	assert_false(claims_mfa(json("{}"), &p));
}

static void
test_forms(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, arena, 16);
	form_add(&b, '\0', "a", "x y&=+%/\xc3\xa9~");
	form_add(&b, '\0', "b", "");
	assert_string_equal(b.data, "a=x%20y%26%3D%2B%25%2F%C3%A9~&b=");
	buf_init(&b, arena, 16);
	buf_puts(&b, "https://i/x");
	form_add(&b, '?', "a", "1");
	form_add(&b, '?', "b", "2");
	assert_string_equal(b.data, "https://i/x?a=1&b=2");
	buf_init(&b, arena, 16);
	buf_puts(&b, "https://i/x?y=z");
	form_add(&b, '?', "a", "1");
	assert_string_equal(b.data, "https://i/x?y=z&a=1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_leeway, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at_hash, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_what_is_taken_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_roles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_factors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forms, setup, teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
