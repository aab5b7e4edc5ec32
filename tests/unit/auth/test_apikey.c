/*
 * apikey.c and apikey_value.c: when a key is good, and that its record comes
 * back from its sealed value as it was, for its own prefix only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../crypto/keys_fixture.h"
#include "auth/auth_priv.h"

#define NOW INT64_C(1790000000000000)
#define S   INT64_C(1000000)

struct made {
	struct arena *arena;
	struct apikey key;
	struct principal who;
	struct api_token current, former;
	struct netaddr home, away;
};

static int
make(void **state)
{
	static struct made m;

	memset(&m, 0, sizeof(m));
	m.arena = arena_new();
	api_token_new(&m.current);
	api_token_renew(m.current.prefix, &m.former);
	uuid_v7(&m.key.id);
	uuid_v7(&m.key.user_id);
	memcpy(m.key.prefix, m.current.prefix, sizeof(m.key.prefix));
	memcpy(m.key.secret_hash, m.current.hash, 32);
	m.key.loaded_us = NOW;
	m.key.scopes = scope_bit("patients:read") | scope_bit("models:read");
	m.who.user_id = m.key.user_id;
	m.who.role = ROLE_CLINICIAN;
	m.who.email = "who@example.org";
	m.who.name = "Zo\xc3\xab";
	m.who.key = &m.key;
	apikey_complete(&m.who, &m.key);
	assert_int_equal(netaddr_parse("192.0.2.7", &m.home), RES_OK);
	assert_int_equal(netaddr_parse("2001:db8::1", &m.away), RES_OK);
	*state = &m;
	return (0);
}

static int
unmake(void **state)
{
	struct made *m = *state;

	arena_destroy(&m->arena);
	return (0);
}

static bool
good(struct made *m, const char *token, const struct netaddr *from)
{
	bool former;
	bool ok = apikey_valid(&m->who, token, from, NOW, &former);

	assert_false(former);
	return (ok);
}

static void
form(void **state)
{
	struct made *m = *state;
	char prefix[APIKEY_PREFIX_STRLEN + 1];

	assert_true(apikey_form(m->current.text, prefix));
	assert_string_equal(prefix, m->key.prefix);
	assert_false(apikey_form(m->key.prefix, prefix));
	assert_false(apikey_form("", prefix));
}

static void
secret(void **state)
{
	struct made *m = *state;
	struct api_token other;
	char text[APIKEY_STRLEN + 2];

	api_token_renew(m->key.prefix, &other);
	assert_true(good(m, m->current.text, &m->home));
	assert_true(good(m, NULL, &m->home));
	assert_false(good(m, other.text, &m->home));
	assert_false(good(m, m->former.text, &m->home));
	assert_false(good(m, "", &m->home));
	/* Every single character matters. */
	for (unsigned i = 0; i < APIKEY_STRLEN; i++) {
		snprintf(text, sizeof(text), "%s", m->current.text);
		text[i] = text[i] == 'a' ? 'b' : 'a';
		assert_false(good(m, text, &m->home));
	}
	snprintf(text, sizeof(text), "%sA", m->current.text);
	assert_false(good(m, text, &m->home));
}

static void
overlap(void **state)
{
	struct made *m = *state;
	bool former;

	memcpy(m->key.previous_hash, m->former.hash, 32);
	m->key.previous_until_us = NOW + 1;
	assert_true(
	    apikey_valid(&m->who, m->former.text, &m->home, NOW, &former));
	assert_true(former);
	assert_true(good(m, m->current.text, &m->home));
	assert_false(
	    apikey_valid(&m->who, m->former.text, &m->home, NOW + 1, &former));
	assert_false(former);
	m->key.previous_until_us = 0;
	assert_false(good(m, m->former.text, &m->home));
}

static void
expiry(void **state)
{
	struct made *m = *state;

	m->key.expires_us = NOW + 1;
	assert_true(good(m, m->current.text, &m->home));
	m->key.expires_us = NOW;
	assert_false(good(m, m->current.text, &m->home));
	assert_false(good(m, NULL, &m->home));
	m->key.expires_us = NOW - 1;
	assert_false(good(m, m->current.text, &m->home));
}

static void
networks(void **state)
{
	struct made *m = *state;

	assert_int_equal(apikey_networks_parse(
			     m->arena, "198.51.100.0/24 192.0.2.7/32", &m->key),
	    RES_OK);
	assert_int_equal(m->key.nnetworks, 2);
	assert_true(good(m, m->current.text, &m->home));
	assert_false(good(m, m->current.text, &m->away));
	assert_false(good(m, NULL, &m->away));
	assert_int_equal(
	    apikey_networks_parse(m->arena, "::/0", &m->key), RES_OK);
	assert_true(good(m, m->current.text, &m->away));
	assert_int_equal(apikey_networks_parse(m->arena, "", &m->key), RES_OK);
	assert_true(good(m, m->current.text, &m->away));
	assert_int_equal(
	    apikey_networks_parse(m->arena, "10.0.0.1/8", &m->key), RES_ERR);
	assert_int_equal(
	    apikey_networks_parse(m->arena, "10.0.0.0/8  ", &m->key), RES_ERR);
}

static void
freshness(void **state)
{
	struct made *m = *state;

	assert_true(apikey_fresh(&m->who, NOW));
	assert_true(apikey_fresh(&m->who, NOW + APIKEY_FRESH_S * S - 1));
	assert_false(apikey_fresh(&m->who, NOW + APIKEY_FRESH_S * S));
	assert_false(apikey_fresh(&m->who, NOW - APIKEY_FRESH_S * S));
}

static void
scopes(void **state)
{
	struct made *m = *state;
	uint64_t all = ~UINT64_C(0);

	for (enum role r = ROLE_UNSET + 1; r < ROLE_MAX; r++) {
		uint64_t set = apikey_scopes(r);

		assert_int_equal(set & ~role_scopes(r), 0);
		assert_int_equal(set & scope_bit("keys:write"), 0);
		assert_int_equal(set & scope_bit("keys:admin"), 0);
		assert_int_equal(set & scope_bit("network:write"), 0);
		assert_int_equal(set & scope_bit("users:unlock"), 0);
		assert_int_not_equal(set & scope_bit("self"), 0);
	}
	assert_true(apikey_scopes(ROLE_CLINICIAN) & scope_bit("patients:read"));
	assert_true(apikey_scopes(ROLE_ADMIN) & scope_bit("network:read"));
	/* What the user's role lost, the key has lost. */
	m->key.scopes = all;
	m->who.role = ROLE_AUDITOR;
	apikey_complete(&m->who, &m->key);
	assert_int_equal(m->who.scopes, apikey_scopes(ROLE_AUDITOR));
	assert_int_equal(m->who.scopes & scope_bit("patients:read"), 0);
}

static void
scope_texts(void **state)
{
	struct made *m = *state;
	uint64_t set = scope_bit("patients:read") | scope_bit("audit:read");
	const char *text = scopes_text(m->arena, set);

	assert_string_equal(text, "patients:read audit:read");
	assert_int_equal(scopes_parse(text), set);
	assert_int_equal(scopes_parse("audit:read unknown patients:read"), set);
	assert_int_equal(scopes_parse(""), 0);
	assert_string_equal(scopes_text(m->arena, 0), "");
}

static void
fill(struct made *m)
{
	memcpy(m->key.previous_hash, m->former.hash, 32);
	m->key.previous_until_us = NOW + 5 * S;
	m->key.expires_us = NOW + 9 * S;
	m->key.limits[RATE_READ] = 1;
	m->key.limits[RATE_WRITE] = 22;
	m->key.limits[RATE_PREDICT] = 333;
	m->key.limits[RATE_EXPORT] = 4444;
	m->key.must_sign = true;
	m->key.alg = SIGNATURE_HMAC_SHA256;
	memset(m->key.sign_key, 0x5a, 32);
	memset(m->key.previous_sign_key, 0xa5, 32);
	for (unsigned i = 0; i < APIKEY_NETWORKS_MAX; i++) {
		m->key.networks[i].addr.b[15] = (uint8_t)i;
		m->key.networks[i].bits = 128;
	}
	m->key.nnetworks = APIKEY_NETWORKS_MAX;
	apikey_complete(&m->who, &m->key);
}

static void
value(void **state)
{
	struct made *m = *state;
	struct principal *who;
	const void *v;
	size_t len;

	for (int full = 0; full < 2; full++) {
		if (full)
			fill(m);
		v = apikey_value_make(m->arena, &m->who, &len);
		assert_int_equal(
		    apikey_value_open(m->arena, m->key.prefix, v, len, &who),
		    RES_OK);
		assert_memory_equal(who->key, &m->key, sizeof(m->key));
		assert_string_equal(who->email, m->who.email);
		assert_string_equal(who->name, m->who.name);
		assert_int_equal(who->role, m->who.role);
		assert_int_equal(who->scopes, m->who.scopes);
		assert_int_equal(who->expires_us, m->who.expires_us);
		assert_true(uuid_equal(&who->user_id, &m->who.user_id));
		assert_false(who->cookie || who->onetime);
	}
}

static void
value_refused(void **state)
{
	struct made *m = *state;
	struct principal *who;
	struct api_token other;
	const void *v;
	uint8_t *copy;
	size_t len;

	fill(m);
	v = apikey_value_make(m->arena, &m->who, &len);
	api_token_new(&other);
	assert_int_equal(
	    apikey_value_open(m->arena, other.prefix, v, len, &who), RES_ERR);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(
		    apikey_value_open(m->arena, m->key.prefix, v, cut, &who),
		    RES_ERR);
	copy = arena_memdup(m->arena, v, len);
	for (size_t i = 0; i < len; i += 7) {
		copy[i] ^= 0x80;
		assert_int_equal(
		    apikey_value_open(m->arena, m->key.prefix, copy, len, &who),
		    RES_ERR);
		copy[i] ^= 0x80;
	}
	assert_int_equal(apikey_value_open(m->arena, m->key.prefix,
			     APIKEY_TOMBSTONE, 1, &who),
	    RES_ERR);
}

/* Nothing of what is secret stands in the value in clear. */
static void
value_is_sealed(void **state)
{
	struct made *m = *state;
	const void *v;
	size_t len;

	fill(m);
	v = apikey_value_make(m->arena, &m->who, &len);
	assert_null(memmem(v, len, m->key.secret_hash, 8));
	assert_null(memmem(v, len, m->key.sign_key, 8));
	assert_null(memmem(v, len, "who@example.org", 8));
	assert_null(memmem(v, len, "patients", 8));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make, unmake)
	const struct CMUnitTest tests[] = { TEST(form), TEST(secret),
		TEST(overlap), TEST(expiry), TEST(networks), TEST(freshness),
		TEST(scopes), TEST(scope_texts), TEST(value),
		TEST(value_refused), TEST(value_is_sealed) };

	return (cmocka_run_group_tests(tests, keys_setup, keys_teardown));
}
