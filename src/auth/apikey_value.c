/*
 * A key and its user as the sealed bytes that Redis holds for a minute. The
 * prefix is associated data: whoever can write Redis can neither make a key
 * up nor put one in another's place; an old value put back is no longer
 * fresh.
 *
 * Layout: version (1), key id and user id (16 each), role, flags and signing
 * algorithm (1 each), secret and former hash (32 each), end of the former,
 * end of the key and time of loading (8 each), four limits (4 each), signing
 * and former signing key (32 each), number of networks (1) and 17 bytes of
 * each, then scopes, e-mail and name, each with a 2-byte length. Integers are
 * big-endian.
 */
#include <string.h>

#include <sodium.h>

#include "auth/auth_priv.h"
#include "crypto/crypto.h"

#define VALUE_VERSION  1
#define FIXED_BYTES    (1 + 16 + 16 + 3 + 2 * 32 + 3 * 8 + 4 * 4 + 2 * 32 + 1)
#define BLOCK_BYTES    17
#define VALUE_MAX      8192
#define FLAG_MUST_SIGN 0x01

/* What a key may have a limit of its own for, in the order stored. */
static const enum rate_class limited[4] = { RATE_READ, RATE_WRITE, RATE_PREDICT,
	RATE_EXPORT };

/* Where reading or writing goes on. */
struct cursor {
	uint8_t *p;
};

static void
put(struct cursor *c, const void *v, size_t len)
{
	memcpy(c->p, v, len);
	c->p += len;
}

static void
put_byte(struct cursor *c, unsigned v)
{
	*c->p++ = (uint8_t)v;
}

static void
put_int(struct cursor *c, int64_t v)
{
	put_be64(c->p, (uint64_t)v);
	c->p += 8;
}

static void
put_text(struct cursor *c, const char *s, size_t len)
{
	put_be16(c->p, (uint16_t)len);
	c->p += 2;
	put(c, s, len);
}

static void
put_fixed(struct cursor *c, const struct principal *who)
{
	const struct apikey *key = who->key;

	put_byte(c, VALUE_VERSION);
	put(c, key->id.b, 16);
	put(c, who->user_id.b, 16);
	put_byte(c, who->role);
	put_byte(c, key->must_sign ? FLAG_MUST_SIGN : 0);
	put_byte(c, key->alg);
	put(c, key->secret_hash, 32);
	put(c, key->previous_hash, 32);
	put_int(c, key->previous_until_us);
	put_int(c, key->expires_us);
	put_int(c, key->loaded_us);
	for (unsigned i = 0; i < NELEM(limited); i++) {
		put_be32(c->p, key->limits[limited[i]]);
		c->p += 4;
	}
	put(c, key->sign_key, 32);
	put(c, key->previous_sign_key, 32);
	put_byte(c, key->nnetworks);
}

const void *
apikey_value_make(struct arena *arena, const struct principal *who, size_t *len)
{
	const struct apikey *key = who->key;
	const char *scopes = scopes_text(arena, key->scopes);
	size_t ns = strlen(scopes), ne = strlen(who->email),
	       nn = strlen(who->name);
	size_t plain =
	    FIXED_BYTES + key->nnetworks * BLOCK_BYTES + 6 + ns + ne + nn;
	uint8_t *p = arena_alloc(arena, plain);
	uint8_t *out = arena_alloc(arena, plain + SEAL_OVERHEAD);
	struct cursor c = { p };

	put_fixed(&c, who);
	for (unsigned i = 0; i < key->nnetworks; i++) {
		put(&c, key->networks[i].addr.b, 16);
		put_byte(&c, key->networks[i].bits);
	}
	put_text(&c, scopes, ns);
	put_text(&c, who->email, ne);
	put_text(&c, who->name, nn);
	api_record_seal(key->prefix, p, plain, out);
	sodium_memzero(p, plain);
	*len = plain + SEAL_OVERHEAD;
	return (out);
}

static void
get(struct cursor *c, void *v, size_t len)
{
	memcpy(v, c->p, len);
	c->p += len;
}

static int64_t
get_int(struct cursor *c)
{
	c->p += 8;
	return ((int64_t)get_be64(c->p - 8));
}

/* c stands behind the version; all of FIXED_BYTES is there. */
static void
get_fixed(struct cursor *c, struct principal *who, struct apikey *key)
{
	get(c, key->id.b, 16);
	get(c, key->user_id.b, 16);
	who->user_id = key->user_id;
	who->role = *c->p++;
	key->must_sign = *c->p++ & FLAG_MUST_SIGN;
	key->alg = *c->p++;
	get(c, key->secret_hash, 32);
	get(c, key->previous_hash, 32);
	key->previous_until_us = get_int(c);
	key->expires_us = get_int(c);
	key->loaded_us = get_int(c);
	for (unsigned i = 0; i < NELEM(limited); i++) {
		key->limits[limited[i]] = get_be32(c->p);
		c->p += 4;
	}
	get(c, key->sign_key, 32);
	get(c, key->previous_sign_key, 32);
	key->nnetworks = *c->p++;
}

static enum res
get_text(
    struct arena *arena, struct cursor *c, const uint8_t *end, const char **out)
{
	size_t len;

	if (end - c->p < 2 || (len = get_be16(c->p)) > (size_t)(end - c->p - 2))
		return (RES_ERR);
	*out = arena_strndup(arena, (const char *)c->p + 2, len);
	c->p += 2 + len;
	return (RES_OK);
}

static enum res
get_rest(struct arena *arena, struct cursor *c, const uint8_t *end,
    struct principal *who, struct apikey *key)
{
	const char *scopes;

	if (key->nnetworks > APIKEY_NETWORKS_MAX ||
	    (size_t)(end - c->p) < key->nnetworks * (size_t)BLOCK_BYTES)
		return (RES_ERR);
	for (unsigned i = 0; i < key->nnetworks; i++) {
		get(c, key->networks[i].addr.b, 16);
		key->networks[i].bits = *c->p++;
		if (key->networks[i].bits > 128)
			return (RES_ERR);
	}
	if (get_text(arena, c, end, &scopes) != RES_OK ||
	    get_text(arena, c, end, &who->email) != RES_OK ||
	    get_text(arena, c, end, &who->name) != RES_OK || c->p != end)
		return (RES_ERR);
	key->scopes = scopes_parse(scopes);
	return (RES_OK);
}

enum res
apikey_value_open(struct arena *arena, const char *prefix, const void *value,
    size_t len, struct principal **out)
{
	struct principal *who = arena_alloc(arena, sizeof(*who));
	struct apikey *key = arena_alloc(arena, sizeof(*key));
	const uint8_t *end;
	struct cursor c;

	if (len < SEAL_OVERHEAD + FIXED_BYTES || len > VALUE_MAX)
		return (RES_ERR);
	c.p = arena_alloc(arena, len);
	end = c.p + len - SEAL_OVERHEAD;
	if (api_record_unseal(prefix, value, len, c.p) != RES_OK ||
	    *c.p++ != VALUE_VERSION)
		return (RES_ERR);
	get_fixed(&c, who, key);
	if (who->role == ROLE_UNSET || who->role >= ROLE_MAX ||
	    key->alg > SIGNATURE_ED25519 ||
	    get_rest(arena, &c, end, who, key) != RES_OK)
		return (RES_ERR);
	memcpy(key->prefix, prefix, APIKEY_PREFIX_STRLEN);
	apikey_complete(who, key);
	*out = who;
	return (RES_OK);
}

/* The scopes are those of the key that its user's role still has. */
void
apikey_complete(struct principal *who, struct apikey *key)
{
	key->scopes &= apikey_scopes(who->role);
	who->scopes = key->scopes;
	who->expires_us = key->expires_us;
	who->key = key;
	who->stage = STAGE_FULL;
	who->device = who->network = who->provider = who->provider_sid = "";
}
