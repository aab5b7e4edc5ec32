/*
 * signature.c: what is refused of a signature before anything is known about
 * its key. The context has no key, so nothing here says that one holds.
 */
#include "../http/http_fixture.h"
#include "auth/auth_priv.h"

#define KEYID  "elk_0123456789abcdef"
#define OTHER  "elk_fedcba9876543210"
#define NOW_S  1700000000
#define FOUR   "\"@method\" \"@authority\" \"@path\" \"@query\""
#define NONCE  ";nonce=\"0123456789abcdef\""
#define GOOD   "sig1=(" FOUR ");created=1700000000;keyid=\"" KEYID "\"" NONCE
#define BYTES  "sig1=:AAECAw==:"
#define DIGEST "\"content-digest\""

static int
setup(void **state UNUSED)
{
	char msg[2048];

	return (settings_load(NULL, msg, sizeof(msg)) == RES_OK ? 0 : -1);
}

static void
start(struct fixture *fx, const char *input, const char *bytes)
{
	fixture_start(fx, METHOD_POST, "/v1/x");
	fx->cx.now_us = NOW_S * INT64_C(1000000) + 999999;
	if (input != NULL)
		fixture_header(fx, "Signature-Input", input);
	if (bytes != NULL)
		fixture_header(fx, "Signature", bytes);
}

static int64_t
assert_taken(const char *input)
{
	int64_t refused_s;
	const struct signature *sig;
	struct fixture fx;

	start(&fx, input, BYTES);
	if (signature_parse(&fx.cx, &sig) != RES_OK)
		fail_msg("%s: %s", input, fx.cx.env.err.detail);
	assert_non_null(sig);
	refused_s = sig->refused_s;
	fixture_end(&fx);

	return (refused_s);
}

static void
assert_refused(const char *input, const char *bytes, enum problem problem,
    const char *words)
{
	const struct signature *sig;
	struct fixture fx;

	start(&fx, input, bytes);
	if (signature_parse(&fx.cx, &sig) != RES_ERR)
		fail_msg("taken: %s", input != NULL ? input : bytes);
	assert_int_equal(fx.cx.env.err.problem, problem);
	if (strstr(fx.cx.env.err.detail, words) == NULL)
		fail_msg("%s: %s", input, fx.cx.env.err.detail);
	fixture_end(&fx);
}

static void
test_what_is_read(void **state UNUSED)
{
	const struct signature *sig;
	struct fixture fx;

	start(&fx,
	    "sig1=( " FOUR "  \"content-digest\");created=1700000000;"
	    "expires=1700000060;keyid=\"" KEYID "\"" NONCE
	    ";alg=\"ed25519\";tag=\"x\"",
	    "other=:AA==:, " BYTES);
	assert_int_equal(signature_parse(&fx.cx, &sig), RES_OK);
	assert_string_equal(sig->label, "sig1");
	assert_string_equal(sig->keyid, KEYID);
	assert_string_equal(sig->nonce, "0123456789abcdef");
	assert_int_equal(sig->alg, SIGNATURE_ED25519);
	assert_int_equal(sig->created_s, NOW_S);
	assert_int_equal(sig->expires_s, NOW_S + 60);
	assert_int_equal(sig->refused_s, NOW_S + 60);
	assert_int_equal(sig->len, 4);
	assert_memory_equal(sig->bytes, "\x00\x01\x02\x03", 4);
	assert_int_equal(sig->ncomponents, 5);
	assert_true(signature_covers_digest(sig));
	assert_string_equal(sig->params,
	    "(" FOUR " \"content-digest\");created=1700000000;"
	    "expires=1700000060;keyid=\"" KEYID "\"" NONCE
	    ";alg=\"ed25519\";tag=\"x\"");
	fixture_end(&fx);
}

static void
test_not_signed(void **state UNUSED)
{
	static const char *const rows[] = { "", "a=(\"@method\")",
		"a=();keyid=\"somebody\"", "a=();keyid=" KEYID,
		"a=();keyid=\"" KEYID "0\"", "a=();keyid=\"\"" };
	const struct signature *sig;
	struct fixture fx;

	start(&fx, NULL, NULL);
	assert_int_equal(signature_parse(&fx.cx, &sig), RES_OK);
	assert_null(sig);
	fixture_end(&fx);
	for (size_t i = 0; i < NELEM(rows); i++) {
		start(&fx, rows[i], BYTES);
		assert_int_equal(signature_parse(&fx.cx, &sig), RES_OK);
		assert_null(sig);
		fixture_end(&fx);
	}
}

static void
test_ours_among_others(void **state UNUSED)
{
	assert_taken("a=(\"@status\");keyid=\"proxy\", " GOOD
		     ", z=(\"x\";sf);keyid=\"elk\"");
	assert_refused("sig2=(" FOUR ");created=1700000000;keyid=\"" OTHER
		       "\"" NONCE ", " GOOD,
	    BYTES, PROBLEM_MALFORMED_REQUEST, "Several");
	assert_refused("sig2=();keyid=\"" KEYID "\", " GOOD, BYTES,
	    PROBLEM_MALFORMED_REQUEST, "Several");
}

static void
test_malformed(void **state UNUSED)
{
	static const char *const rows[] = { GOOD ";", GOOD ",", "sig1=\"",
		"sig1", "sig1=1;keyid=\"" KEYID "\"", GOOD ", " GOOD,
		GOOD ";keyid=\"" KEYID "\"" };

	for (size_t i = 0; i < NELEM(rows); i++)
		assert_refused(
		    rows[i], BYTES, PROBLEM_MALFORMED_REQUEST, "Signature");
	assert_refused(GOOD, NULL, PROBLEM_MALFORMED_REQUEST, "missing");
	assert_refused(NULL, BYTES, PROBLEM_MALFORMED_REQUEST, "missing");
	assert_refused(
	    GOOD, "sig1=:AA=:", PROBLEM_MALFORMED_REQUEST, "structured");
	assert_refused(GOOD, "sig2=:AA==:", PROBLEM_MALFORMED_REQUEST, "label");
	assert_refused(
	    GOOD, "sig1=\"AA==\"", PROBLEM_MALFORMED_REQUEST, "label");
	assert_refused(GOOD, "", PROBLEM_MALFORMED_REQUEST, "label");
	assert_refused(
	    GOOD, BYTES ", " BYTES, PROBLEM_MALFORMED_REQUEST, "structured");
}

static const char *
with(struct arena *arena, const char *components)
{
	return (arena_printf(arena,
	    "sig1=(%s);created=1700000000;keyid=\"" KEYID "\"" NONCE,
	    components));
}

static void
test_components(void **state UNUSED)
{
	struct arena *arena = arena_new();
	struct buf b;

	assert_taken(with(arena, FOUR " \"date\" \"date\";bs"));
	assert_refused(with(arena, FOUR " \"@path\""), BYTES,
	    PROBLEM_MALFORMED_REQUEST, "twice");
	assert_refused(with(arena, FOUR " \"date\";bs \"date\";bs=?1"), BYTES,
	    PROBLEM_MALFORMED_REQUEST, "twice");
	assert_refused(with(arena, FOUR " \"@status\""), BYTES,
	    PROBLEM_MALFORMED_REQUEST, "derived");
	assert_refused(with(arena, FOUR " \"date\";sf"), BYTES,
	    PROBLEM_MALFORMED_REQUEST, "parameters");
	buf_init(&b, arena, 1024);
	buf_puts(&b, FOUR);
	for (int i = 0; i < COMPONENTS_MAX - 4; i++)
		buf_printf(&b, " \"x%d\"", i);
	assert_taken(with(arena, b.data));
	buf_puts(&b, " \"y\"");
	assert_refused(
	    with(arena, b.data), BYTES, PROBLEM_MALFORMED_REQUEST, "too many");
	arena_destroy(&arena);
}

static void
test_coverage(void **state UNUSED)
{
	static const char *const four[] = { "@method", "@authority", "@path",
		"@query" };
	struct arena *arena = arena_new();
	struct buf b;

	for (size_t i = 0; i < NELEM(four); i++) {
		buf_init(&b, arena, 64);
		buf_puts(&b, "\"@target-uri\" \"@request-target\"");
		for (size_t k = 0; k < NELEM(four); k++)
			if (k != i)
				buf_printf(&b, " \"%s\"", four[k]);
		assert_refused(
		    with(arena, b.data), BYTES, PROBLEM_BAD_SIGNATURE, four[i]);
	}
	arena_destroy(&arena);
}

static void
body_needs(const char *components, bool taken)
{
	struct arena *arena = arena_new();
	const struct signature *sig;
	struct fixture fx;

	start(&fx, with(arena, components), BYTES);
	fixture_body(&fx, "{}");
	assert_int_equal(
	    signature_parse(&fx.cx, &sig), taken ? RES_OK : RES_ERR);
	if (!taken)
		assert_int_equal(fx.cx.env.err.problem, PROBLEM_BAD_SIGNATURE);
	fixture_end(&fx);
	arena_destroy(&arena);
}

/* A member of the digest alone would leave the others open. */
static void
test_body_needs_its_digest(void **state UNUSED)
{
	body_needs(FOUR, false);
	body_needs(FOUR " \"digest\"", false);
	body_needs(FOUR " " DIGEST ";key=\"md5\"", false);
	body_needs(FOUR " " DIGEST ";key=\"sha-256\"", false);
	body_needs(FOUR " " DIGEST, true);
	body_needs(FOUR " " DIGEST ";bs", true);
}

static const char *
times(struct arena *arena, const char *text)
{
	return (arena_printf(
	    arena, "sig1=(" FOUR ")%s;keyid=\"" KEYID "\"" NONCE, text));
}

static void
test_times(void **state UNUSED)
{
	static const char *const good[] = { ";created=1700000000",
		";created=1699999700", ";created=1700000300",
		";created=1700000000;expires=1700000001",
		";created=1699999990;expires=1700003590",
		";created=1700000300;expires=1700000301" };
	static const int64_t refused[] = { 301, 1, 601, 1, 291, 301 };
	static const char *const bad[] = { "", ";created",
		";created=\"1700000000\"", ";created=1700000000.0",
		";created=1699999699", ";created=1700000301", ";created=0",
		";created=-1700000000", ";created=999999999999999",
		";created=-999999999999999" };
	static const char *const over[] = {
		";created=1699999900;expires=1700000000",
		";created=1699999900;expires=1699999999",
		";created=1700000000;expires=1700000000",
		";created=1700000000;expires=1700003601",
		";created=1700000000"
		";expires=999999999999999",
		";created=1700000000;expires",
		";created=1700000000;expires=1700000060.0"
	};
	struct arena *arena = arena_new();

	for (size_t i = 0; i < NELEM(good); i++)
		assert_int_equal(
		    assert_taken(times(arena, good[i])), NOW_S + refused[i]);
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_refused(times(arena, bad[i]), BYTES,
		    PROBLEM_BAD_SIGNATURE, "created");
	for (size_t i = 0; i < NELEM(over); i++)
		assert_refused(times(arena, over[i]), BYTES,
		    PROBLEM_BAD_SIGNATURE, "expire");
	arena_destroy(&arena);
}

static const char *
tail(struct arena *arena, const char *text)
{
	return (arena_printf(arena,
	    "sig1=(" FOUR ");created=1700000000;keyid=\"" KEYID "\"%s", text));
}

static void
test_nonce_and_algorithm(void **state UNUSED)
{
	struct arena *arena = arena_new();
	char nonce[140] = "";

	assert_refused(tail(arena, ""), BYTES, PROBLEM_BAD_SIGNATURE, "nonce");
	assert_refused(tail(arena, ";nonce=\"0123456789abcde\""), BYTES,
	    PROBLEM_BAD_SIGNATURE, "nonce");
	assert_refused(tail(arena, ";nonce=a0123456789abcdef"), BYTES,
	    PROBLEM_BAD_SIGNATURE, "nonce");
	memset(nonce, 'n', 128);
	assert_taken(tail(arena, arena_printf(arena, ";nonce=\"%s\"", nonce)));
	memset(nonce, 'n', 129);
	assert_refused(tail(arena, arena_printf(arena, ";nonce=\"%s\"", nonce)),
	    BYTES, PROBLEM_BAD_SIGNATURE, "nonce");
	assert_taken(tail(arena, NONCE ";alg=\"hmac-sha256\""));
	assert_refused(tail(arena, NONCE ";alg=\"none\""), BYTES,
	    PROBLEM_BAD_SIGNATURE, "alg");
	assert_refused(tail(arena, NONCE ";alg=ed25519"), BYTES,
	    PROBLEM_BAD_SIGNATURE, "alg");
	assert_refused(tail(arena, NONCE ";alg=\"rsa-pss-sha512\""), BYTES,
	    PROBLEM_BAD_SIGNATURE, "alg");
	arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_read),
		cmocka_unit_test(test_not_signed),
		cmocka_unit_test(test_ours_among_others),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_components),
		cmocka_unit_test(test_coverage),
		cmocka_unit_test(test_body_needs_its_digest),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_nonce_and_algorithm),
	};

	return (cmocka_run_group_tests(tests, setup, NULL));
}
