/*
 * What makes an API key good: its form, its secret, its time and the network
 * it is used from. All of it is decided in memory, from a record that
 * admission got from Redis or PostgreSQL; whatever is wrong, the answer is
 * the same "no".
 */
#include <string.h>

#include <sodium.h>

#include "auth/auth_priv.h"
#include "crypto/crypto.h"

#define FRESH_US (APIKEY_FRESH_S * INT64_C(1000000))

_Static_assert(APIKEY_PREFIX_STRLEN == API_PREFIX_STRLEN, "prefix");
_Static_assert(APIKEY_STRLEN == API_TOKEN_STRLEN, "key");

/* A key that leaks must not be able to make others or to open doors. */
static const char *const never[] = { "keys:write", "keys:admin",
	"network:write", "users:unlock", "users:write", "sessions:admin",
	"break_glass:use", "break_glass:review" };

bool
apikey_form(const char *token, char prefix[APIKEY_PREFIX_STRLEN + 1])
{
	if (!api_token_form(token))
		return (false);
	memcpy(prefix, token, APIKEY_PREFIX_STRLEN);
	prefix[APIKEY_PREFIX_STRLEN] = '\0';
	return (true);
}

/* Texts of networks with spaces between them; the database has checked each,
 * so a mistake here means that it is not the database we think it is. */
enum res
apikey_networks_parse(struct arena *arena, const char *text, struct apikey *key)
{
	key->nnetworks = 0;
	while (*text != '\0') {
		size_t len = strcspn(text, " ");

		if (key->nnetworks == APIKEY_NETWORKS_MAX ||
		    netblock_parse(arena_strndup(arena, text, len),
			&key->networks[key->nnetworks]) != RES_OK)
			return (RES_ERR);
		key->nnetworks++;
		text += len + (text[len] == ' ');
	}
	return (RES_OK);
}

uint64_t
apikey_scopes(enum role role)
{
	uint64_t set = role_scopes(role);

	for (unsigned i = 0; i < NELEM(never); i++)
		set &= ~scope_bit(never[i]);
	return (set);
}

/* A clock that runs ahead elsewhere must not make a record last for ever. */
bool
apikey_fresh(const struct principal *who, int64_t now_us)
{
	int64_t age = now_us - who->key->loaded_us;

	return (age > -FRESH_US && age < FRESH_US);
}

static bool
network_allowed(const struct apikey *key, const struct netaddr *from)
{
	for (unsigned i = 0; i < key->nnetworks; i++) {
		if (netblock_has(&key->networks[i], from))
			return (true);
	}
	return (key->nnetworks == 0);
}

/* Both are always compared, so that the time says nothing about either. */
static bool
secret_matches(
    const struct apikey *key, const char *token, int64_t now_us, bool *former)
{
	uint8_t hash[TOKEN_HASH_BYTES];
	bool current, previous;

	api_token_hash(token, hash);
	current = sodium_memcmp(hash, key->secret_hash, sizeof(hash)) == 0;
	previous = sodium_memcmp(hash, key->previous_hash, sizeof(hash)) == 0;
	previous = previous && key->previous_until_us > now_us;
	sodium_memzero(hash, sizeof(hash));
	*former = previous && !current;
	return (current || previous);
}

bool
apikey_valid(const struct principal *who, const char *token,
    const struct netaddr *from, int64_t now_us, bool *former)
{
	const struct apikey *key = who->key;
	char prefix[APIKEY_PREFIX_STRLEN + 1];
	bool secret = true;

	*former = false;
	if (token != NULL)
		secret = apikey_form(token, prefix) &&
			 secret_matches(key, token, now_us, former);
	return (secret && (key->expires_us == 0 || key->expires_us > now_us) &&
		network_allowed(key, from));
}
