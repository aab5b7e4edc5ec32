/*
 * SQL of admission by API key: one row with all that there is to know, and
 * when keys were last used.
 */
#include <string.h>

#include "auth/auth_priv.h"
#include "crypto/crypto.h"
#include "obs/obs.h"

DB_STATEMENT(apikey_by_prefix, DB_READ,
    "SELECT id, user_id, email, user_name, role, scopes, expires_at, networks,"
    " limit_read, limit_write, limit_predict, limit_export, must_sign,"
    " secret_hash, previous_hash, sign_alg, sign_key, previous_sign_key,"
    " previous_until, generation FROM eleusis.api_key_by_prefix($1)")

DB_STATEMENT(
    apikey_set_used, DB_WRITE, "SELECT eleusis.api_key_used($1, $2, $3)")

enum column {
	COL_ID,
	COL_USER,
	COL_EMAIL,
	COL_NAME,
	COL_ROLE,
	COL_SCOPES,
	COL_EXPIRES,
	COL_NETWORKS,
	COL_READ,
	COL_WRITE,
	COL_PREDICT,
	COL_EXPORT,
	COL_MUST_SIGN,
	COL_SECRET,
	COL_PREVIOUS,
	COL_ALG,
	COL_SIGN,
	COL_PREVIOUS_SIGN,
	COL_PREVIOUS_UNTIL,
	COL_GENERATION
};

static uint32_t
limit(const struct db_rows *r, int col)
{
	return (db_is_null(r, 0, col) ? 0 : (uint32_t)db_col_int4(r, 0, col));
}

static int64_t
instant(const struct db_rows *r, int col)
{
	return (db_is_null(r, 0, col) ? 0 : db_col_time(r, 0, col));
}

/* Null leaves out as it is: zero. */
static enum res
bytes32(const struct db_rows *r, int col, uint8_t out[32])
{
	const void *v;
	size_t len;

	if (db_is_null(r, 0, col))
		return (RES_OK);
	v = db_col_bytes(r, 0, col, &len);
	if (len != 32)
		return (RES_ERR);
	memcpy(out, v, len);
	return (RES_OK);
}

static enum res
sign_key(const struct db_rows *r, int col, const struct apikey *key,
    int32_t generation, uint8_t out[32])
{
	const uint8_t *v;
	size_t len;

	if (key->alg != SIGNATURE_HMAC_SHA256 || db_is_null(r, 0, col))
		return (bytes32(r, col, out));
	v = db_col_bytes(r, 0, col, &len);
	return (api_sign_key_unseal(&key->id, generation, v, len, out));
}

static enum res
map_secrets(const struct db_rows *r, struct apikey *key)
{
	int32_t generation = db_col_int4(r, 0, COL_GENERATION);

	if (!db_is_null(r, 0, COL_ALG))
		key->alg = signature_alg_parse(db_col_text(r, 0, COL_ALG));
	key->previous_until_us = instant(r, COL_PREVIOUS_UNTIL);
	if (bytes32(r, COL_SECRET, key->secret_hash) != RES_OK ||
	    bytes32(r, COL_PREVIOUS, key->previous_hash) != RES_OK ||
	    sign_key(r, COL_SIGN, key, generation, key->sign_key) != RES_OK)
		return (RES_ERR);
	return (sign_key(
	    r, COL_PREVIOUS_SIGN, key, generation - 1, key->previous_sign_key));
}

static enum res
map(struct arena *arena, const struct db_rows *r, struct principal *who,
    struct apikey *key)
{
	db_col_uuid(r, 0, COL_ID, &key->id);
	db_col_uuid(r, 0, COL_USER, &key->user_id);
	who->user_id = key->user_id;
	who->email = db_col_text(r, 0, COL_EMAIL);
	who->name = db_col_text(r, 0, COL_NAME);
	who->role = role_parse(db_col_text(r, 0, COL_ROLE));
	key->scopes = scopes_parse(db_col_text(r, 0, COL_SCOPES));
	key->expires_us = instant(r, COL_EXPIRES);
	key->limits[RATE_READ] = limit(r, COL_READ);
	key->limits[RATE_WRITE] = limit(r, COL_WRITE);
	key->limits[RATE_PREDICT] = limit(r, COL_PREDICT);
	key->limits[RATE_EXPORT] = limit(r, COL_EXPORT);
	key->must_sign = db_col_bool(r, 0, COL_MUST_SIGN);
	if (who->role == ROLE_UNSET ||
	    apikey_networks_parse(
		arena, db_col_text(r, 0, COL_NETWORKS), key) != RES_OK)
		return (RES_ERR);
	return (map_secrets(r, key));
}

co_fn enum res
apikey_load(struct ctx *cx, const char *prefix, struct principal **out)
{
	struct principal *who = arena_alloc(cx->env.arena, sizeof(*who));
	struct apikey *key = arena_alloc(cx->env.arena, sizeof(*key));
	struct db_args a;
	struct db_rows *r;

	*out = NULL;
	/* Before the question: what changes after it may not be in the
	 * answer. */
	key->loaded_us = time_now_us();
	db_args(&a, &cx->env);
	db_text(&a, prefix);
	if (db_exec(&cx->env, &apikey_by_prefix, &a, &r) != RES_OK)
		return (RES_ERR);
	if (db_count(r) == 0)
		return (RES_OK);
	memcpy(key->prefix, prefix, APIKEY_PREFIX_STRLEN);
	if (map(cx->env.arena, r, who, key) != RES_OK) {
		log_event(LOG_LEVEL_ERROR, "apikey.unseal",
		    "the API key %.20s in PostgreSQL does not open", prefix);
		err_private(&cx->env.err, "an API key does not open");
		return (err_fail(&cx->env.err, PROBLEM_INTERNAL,
		    "The request could not be carried out."));
	}
	apikey_complete(who, key);
	*out = who;
	return (RES_OK);
}

co_fn enum res
apikey_db_used(struct env *env, const struct apikey_use *uses, unsigned n)
{
	char network[NETBLOCK_STRLEN + 1];
	struct db_array ids, times, networks;
	struct db_args a;
	struct db_rows *r;

	db_array(&ids, env->arena, DB_OID_UUID);
	db_array(&times, env->arena, DB_OID_TIMESTAMPTZ);
	db_array(&networks, env->arena, DB_OID_TEXT);
	for (unsigned i = 0; i < n; i++) {
		if (uses[i].at_us == 0)
			continue;
		netblock_format(&uses[i].network, network);
		db_array_add(&ids, uses[i].id.b, sizeof(uses[i].id.b));
		db_array_add_time(&times, uses[i].at_us);
		db_array_add(&networks, network, strlen(network));
	}
	db_args(&a, env);
	db_array_bind(&a, &ids);
	db_array_bind(&a, &times);
	db_array_bind(&a, &networks);
	return (db_exec(env, &apikey_set_used, &a, &r));
}
