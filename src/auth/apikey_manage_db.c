/*
 * SQL of managing API keys: functions of schema eleusis that take the acting
 * user first. Changes carry their audit row in the same statement.
 */
#include <string.h>

#include "audit/audit.h"
#include "auth/auth_priv.h"

#define SHOWN                                                         \
	" s.id, s.user_id, s.created_by, s.prefix, s.name, s.scopes," \
	" s.expires_at, s.networks, s.limit_read, s.limit_write,"     \
	" s.limit_predict, s.limit_export, s.must_sign, s.sign_alg,"  \
	" s.public_key, s.previous_until, s.generation, s.version,"   \
	" s.created_at, s.updated_at, s.rotated_at, s.revoked_at,"    \
	" s.last_used_at, s.last_used_network"

DB_STATEMENT(apikey_get, DB_READ,
    "SELECT" SHOWN " FROM eleusis.api_key_get($1, $2, $3) AS s")
DB_STATEMENT(apikey_page, DB_READ,
    "SELECT" SHOWN " FROM eleusis.api_key_list($1, $2, $3, $4, $5) AS s")
DB_STATEMENT(apikey_insert, DB_WRITE,
    AUDIT_WITH "SELECT" SHOWN " FROM eleusis.api_key_create($12, $13, $14, $15,"
	       " $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)"
	       " AS s")
DB_STATEMENT(apikey_change, DB_WRITE,
    AUDIT_WITH "SELECT" SHOWN " FROM eleusis.api_key_update($12, $13, $14, $15,"
	       " $16, $17, $18, $19, $20) AS s")
DB_STATEMENT(apikey_renew, DB_WRITE,
    AUDIT_WITH "SELECT" SHOWN " FROM eleusis.api_key_rotate($12, $13, $14, $15,"
	       " $16, $17, $18) AS s")
DB_STATEMENT(apikey_end, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.api_key_revoke($12, $13, $14)")

enum column {
	COL_ID,
	COL_USER,
	COL_CREATED_BY,
	COL_PREFIX,
	COL_NAME,
	COL_SCOPES,
	COL_EXPIRES,
	COL_NETWORKS,
	COL_READ,
	COL_WRITE,
	COL_PREDICT,
	COL_EXPORT,
	COL_MUST_SIGN,
	COL_ALG,
	COL_PUBLIC_KEY,
	COL_PREVIOUS_UNTIL,
	COL_GENERATION,
	COL_VERSION,
	COL_CREATED,
	COL_UPDATED,
	COL_ROTATED,
	COL_REVOKED,
	COL_USED,
	COL_USED_NETWORK
};

static uint32_t
limit(const struct db_rows *r, int row, int col)
{
	return (
	    db_is_null(r, row, col) ? 0 : (uint32_t)db_col_int4(r, row, col));
}

static int64_t
instant(const struct db_rows *r, int row, int col)
{
	return (db_is_null(r, row, col) ? 0 : db_col_time(r, row, col));
}

static void
map_signing(const struct db_rows *r, int row, struct apikey *key)
{
	const void *v;
	size_t len;

	key->must_sign = db_col_bool(r, row, COL_MUST_SIGN);
	if (!db_is_null(r, row, COL_ALG))
		key->alg = signature_alg_parse(db_col_text(r, row, COL_ALG));
	if (db_is_null(r, row, COL_PUBLIC_KEY))
		return;
	v = db_col_bytes(r, row, COL_PUBLIC_KEY, &len);
	if (len == sizeof(key->sign_key))
		memcpy(key->sign_key, v, len);
}

static enum res
map_key(struct ctx *cx, const struct db_rows *r, int row, struct apikey *key)
{
	db_col_uuid(r, row, COL_ID, &key->id);
	db_col_uuid(r, row, COL_USER, &key->user_id);
	memcpy(
	    key->prefix, db_col_text(r, row, COL_PREFIX), APIKEY_PREFIX_STRLEN);
	key->scopes = scopes_parse(db_col_text(r, row, COL_SCOPES));
	key->expires_us = instant(r, row, COL_EXPIRES);
	key->previous_until_us = instant(r, row, COL_PREVIOUS_UNTIL);
	key->limits[RATE_READ] = limit(r, row, COL_READ);
	key->limits[RATE_WRITE] = limit(r, row, COL_WRITE);
	key->limits[RATE_PREDICT] = limit(r, row, COL_PREDICT);
	key->limits[RATE_EXPORT] = limit(r, row, COL_EXPORT);
	map_signing(r, row, key);
	return (apikey_networks_parse(
	    cx->env.arena, db_col_text(r, row, COL_NETWORKS), key));
}

enum res
apikey_row_map(
    struct ctx *cx, const struct db_rows *r, int row, struct apikey_row *out)
{
	memset(out, 0, sizeof(*out));
	db_col_uuid(r, row, COL_CREATED_BY, &out->created_by);
	out->name = db_col_text(r, row, COL_NAME);
	out->generation = db_col_int4(r, row, COL_GENERATION);
	out->version = db_col_int4(r, row, COL_VERSION);
	out->created_us = db_col_time(r, row, COL_CREATED);
	out->updated_us = db_col_time(r, row, COL_UPDATED);
	out->rotated_us = instant(r, row, COL_ROTATED);
	out->revoked_us = instant(r, row, COL_REVOKED);
	out->used_us = instant(r, row, COL_USED);
	if (!db_is_null(r, row, COL_USED_NETWORK))
		out->used_network = db_col_text(r, row, COL_USED_NETWORK);
	if (map_key(cx, r, row, &out->key) == RES_OK)
		return (RES_OK);
	err_private(&cx->env.err, "an API key's networks are none");
	return (err_fail(&cx->env.err, PROBLEM_INTERNAL,
	    "The request could not be carried out."));
}

static void
actor_args(struct ctx *cx, struct db_args *a)
{
	db_uuid(a, &cx->who->user_id);
	db_text(a, role_name(cx->who->role));
}

static void
get_args(struct ctx *cx, struct db_args *a, const struct uuid *id)
{
	db_args(a, &cx->env);
	actor_args(cx, a);
	db_uuid(a, id);
}

co_fn enum res
apikey_db_get(struct ctx *cx, const struct uuid *id, struct db_rows **r)
{
	struct db_args a;

	get_args(cx, &a, id);
	return (db_exec(&cx->env, &apikey_get, &a, r));
}

enum res
apikey_db_get_start(struct ctx *cx, const struct uuid *id, struct db_op **op)
{
	struct db_args a;

	get_args(cx, &a, id);
	return (db_start(&cx->env, &apikey_get, &a, op));
}

co_fn enum res
apikey_db_list(struct ctx *cx, const struct page *page, const struct uuid *user,
    struct db_rows **r)
{
	struct db_args a;

	db_args(&a, &cx->env);
	actor_args(cx, &a);
	db_uuid(&a, user);
	db_uuid(&a, page->has_after ? &page->after : NULL);
	db_int4(&a, page->limit + 1);
	return (db_exec(&cx->env, &apikey_page, &a, r));
}

static void
change_args(struct ctx *cx, struct db_args *a, const struct audit_event *ev,
    const struct uuid *id)
{
	db_args(a, &cx->env);
	audit_bind(a, ev);
	actor_args(cx, a);
	db_uuid(a, id);
}

static void
bind_time(struct db_args *a, int64_t us)
{
	if (us == 0)
		db_null(a);
	else
		db_time(a, us);
}

static void
bind_scopes(struct db_args *a, uint64_t set)
{
	struct db_array names;
	const char *name;

	db_array(&names, a->arena, DB_OID_TEXT);
	for (unsigned i = 0; (name = scope_name(i)) != NULL; i++)
		if (set & (UINT64_C(1) << i))
			db_array_add(&names, name, strlen(name));
	db_array_bind(a, &names);
}

static void
bind_networks(struct db_args *a, const struct apikey *key)
{
	char text[NETBLOCK_STRLEN + 1];
	struct db_array blocks;

	db_array(&blocks, a->arena, DB_OID_TEXT);
	for (unsigned i = 0; i < key->nnetworks; i++) {
		netblock_format(&key->networks[i], text);
		db_array_add(&blocks, text, strlen(text));
	}
	db_array_bind(a, &blocks);
}

/* In the order of apikey_limits, which is that of the columns. */
static void
bind_limits(struct db_args *a, const struct apikey *key)
{
	struct db_array limits;

	db_array(&limits, a->arena, DB_OID_INT4);
	for (const struct apikey_limit *l = apikey_limits; l->name != NULL;
	     l++) {
		if (key->limits[l->class] == 0)
			db_array_add(&limits, NULL, 0);
		else
			db_array_add_int4(
			    &limits, (int32_t)key->limits[l->class]);
	}
	db_array_bind(a, &limits);
}

/* Runs a change that answers with the row as it is now. */
static co_fn enum res
change(struct ctx *cx, struct db_stmt *s, struct db_args *a,
    struct apikey_row *row)
{
	struct db_rows *r;

	if (db_exec(&cx->env, s, a, &r) != RES_OK)
		return (RES_ERR);
	return (apikey_row_map(cx, r, 0, row));
}

co_fn enum res
apikey_db_create(struct ctx *cx, const struct audit_event *ev, enum role owner,
    const uint8_t *hash, const void *sealed, size_t len, struct apikey_row *row)
{
	const struct apikey *key = &row->key;
	struct db_args a;

	change_args(cx, &a, ev, &key->id);
	db_uuid(&a, &key->user_id);
	db_text(&a, role_name(owner));
	db_text(&a, key->prefix);
	db_text(&a, row->name);
	bind_scopes(&a, key->scopes);
	bind_time(&a, key->expires_us);
	bind_networks(&a, key);
	bind_limits(&a, key);
	db_bool(&a, key->must_sign);
	db_bytes(&a, hash, TOKEN_HASH_BYTES);
	db_text(&a,
	    key->alg != SIGNATURE_UNSET ? signature_alg_name(key->alg) : NULL);
	db_bytes(&a, sealed, len);
	db_int4(&a, APIKEYS_PER_USER);
	return (change(cx, &apikey_insert, &a, row));
}

/* row->version is the one that was read. */
co_fn enum res
apikey_db_update(
    struct ctx *cx, const struct audit_event *ev, struct apikey_row *row)
{
	const struct apikey *key = &row->key;
	struct db_args a;

	change_args(cx, &a, ev, &key->id);
	db_int4(&a, row->version);
	db_text(&a, row->name);
	bind_time(&a, key->expires_us);
	bind_networks(&a, key);
	bind_limits(&a, key);
	db_bool(&a, key->must_sign);
	return (change(cx, &apikey_change, &a, row));
}

co_fn enum res
apikey_db_rotate(struct ctx *cx, const struct audit_event *ev,
    int32_t overlap_s, const uint8_t *hash, const void *sealed, size_t len,
    struct apikey_row *row)
{
	struct db_args a;

	change_args(cx, &a, ev, &row->key.id);
	db_int4(&a, row->version);
	db_int4(&a, overlap_s);
	db_bytes(&a, hash, TOKEN_HASH_BYTES);
	db_bytes(&a, sealed, len);
	return (change(cx, &apikey_renew, &a, row));
}

co_fn enum res
apikey_db_revoke(
    struct ctx *cx, const struct audit_event *ev, const struct uuid *id)
{
	struct db_args a;
	struct db_rows *r;

	change_args(cx, &a, ev, id);
	return (db_exec(&cx->env, &apikey_end, &a, &r));
}
