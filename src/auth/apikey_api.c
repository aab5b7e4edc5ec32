/*
 * /v1/api-keys, /v1/api-keys/{key_id} and /v1/api-keys/{key_id}/rotate: from
 * request to row and from row to reply. Only sessions get here: a key cannot
 * make keys. The secrets stand in one reply and nowhere else.
 */
#include <string.h>

#include <sodium.h>

#include "auth/auth_priv.h"

static void
write_time(struct json_out *o, const char *name, int64_t us)
{
	json_key(o, name);
	if (us == 0)
		json_null(o);
	else
		json_time(o, us);
}

static const char *
status_of(const struct ctx *cx, const struct apikey_row *row)
{
	if (row->revoked_us != 0)
		return ("revoked");
	if (row->key.expires_us != 0 && row->key.expires_us <= cx->now_us)
		return ("expired");
	return ("active");
}

static void
write_networks(struct json_out *o, const struct apikey *key)
{
	char text[NETBLOCK_STRLEN + 1];

	json_key(o, "networks");
	json_arr(o);
	for (unsigned i = 0; i < key->nnetworks; i++) {
		netblock_format(&key->networks[i], text);
		json_str(o, text);
	}
	json_arr_end(o);
}

static void
write_limits(struct json_out *o, const struct apikey *key)
{
	json_key(o, "limits");
	json_obj(o);
	for (const struct apikey_limit *l = apikey_limits; l->name != NULL;
	     l++) {
		json_key(o, l->name);
		if (key->limits[l->class] == 0)
			json_null(o);
		else
			json_int(o, key->limits[l->class]);
	}
	json_obj_end(o);
}

static void
write_signature(struct json_out *o, const struct apikey *key)
{
	char text[API_SIGN_KEY_STRLEN + 1];

	json_key(o, "signature");
	if (key->alg == SIGNATURE_UNSET) {
		json_null(o);
		return;
	}
	json_obj(o);
	json_kstr(o, "alg", signature_alg_name(key->alg));
	api_sign_key_text(key->sign_key, text);
	json_kstr(o, "public_key", key->alg == SIGNATURE_ED25519 ? text : NULL);
	json_obj_end(o);
}

static void
write_last_used(struct json_out *o, const struct apikey_row *row)
{
	json_key(o, "last_used");
	if (row->used_us == 0) {
		json_null(o);
		return;
	}
	json_obj(o);
	json_ktime(o, "at", row->used_us);
	json_kstr(o, "network", row->used_network);
	json_obj_end(o);
}

/* The members, into an object that the caller has opened. */
static void
write_members(
    const struct ctx *cx, struct json_out *o, const struct apikey_row *row)
{
	const struct apikey *key = &row->key;

	json_kuuid(o, "id", &key->id);
	json_kuuid(o, "user_id", &key->user_id);
	json_kuuid(o, "created_by", &row->created_by);
	json_kstr(o, "prefix", key->prefix);
	json_kstr(o, "name", row->name);
	json_key(o, "scopes");
	scopes_write(o, key->scopes);
	json_kstr(o, "status", status_of(cx, row));
	write_time(o, "expires_at", key->expires_us);
	write_networks(o, key);
	write_limits(o, key);
	json_kbool(o, "must_sign", key->must_sign);
	write_signature(o, key);
	write_time(o, "former_secret_until",
	    key->previous_until_us > cx->now_us ? key->previous_until_us : 0);
	json_kint(o, "version", row->version);
	json_ktime(o, "created_at", row->created_us);
	json_ktime(o, "updated_at", row->updated_us);
	write_time(o, "rotated_at", row->rotated_us);
	write_time(o, "revoked_at", row->revoked_us);
	write_last_used(o, row);
}

static void
add_etag(struct ctx *cx, const struct apikey_row *row)
{
	reply_header(
	    cx, "ETag", arena_printf(cx->env.arena, "\"%d\"", row->version));
}

static enum res
reply_row(struct ctx *cx, const struct apikey_row *row)
{
	struct json_out *o = json_out_new(cx->env.arena);

	json_obj(o);
	write_members(cx, o, row);
	json_obj_end(o);
	add_etag(cx, row);
	reply_json(cx, 200, o);
	return (RES_OK);
}

static void
reply_secrets(struct ctx *cx, int status, const struct apikey_row *row,
    const struct apikey_secrets *secrets)
{
	struct json_out *o = json_out_new(cx->env.arena);
	char hmac[API_SIGN_KEY_STRLEN + 1];

	json_obj(o);
	write_members(cx, o, row);
	json_kstr(o, "key", secrets->token.text);
	api_sign_key_text(secrets->hmac, hmac);
	json_kstr(o, "hmac_secret",
	    row->key.alg == SIGNATURE_HMAC_SHA256 ? hmac : NULL);
	json_obj_end(o);
	sodium_memzero(hmac, sizeof(hmac));
	add_etag(cx, row);
	reply_json(cx, status, o);
}

co_fn enum res
api_keys_create(struct ctx *cx)
{
	/* The arena is wiped when the request ends; a stack is not. */
	struct apikey_secrets *secrets =
	    arena_alloc(cx->env.arena, sizeof(*secrets));
	struct apikey_row *row = arena_alloc(cx->env.arena, sizeof(*row));
	char id[UUID_STRLEN + 1];

	if (apikey_create(cx, row, secrets) != RES_OK)
		return (RES_ERR);
	uuid_format(&row->key.id, id);
	reply_header(
	    cx, "Location", arena_printf(cx->env.arena, "/v1/api-keys/%s", id));
	reply_secrets(cx, 201, row, secrets);
	return (RES_OK);
}

co_fn enum res
api_keys_get(struct ctx *cx)
{
	struct apikey_row row;

	if (apikey_read(cx, ctx_param(cx, "key_id"), &row) != RES_OK)
		return (RES_ERR);
	return (reply_row(cx, &row));
}

co_fn enum res
api_keys_list(struct ctx *cx)
{
	const char *text = json_get_str(cx->query, "user_id");
	struct apikey_row *list;
	struct json_out *o;
	struct page page;
	struct uuid user;
	bool more;
	int n;

	if (page_read(cx, APIKEYS_PAGE, APIKEYS_PAGE_MAX, &page) != RES_OK)
		return (RES_ERR);
	/* The schema has checked that it is one. */
	if (text != NULL && uuid_parse(text, &user) != RES_OK)
		text = NULL;
	if (apikey_list(cx, &page, text != NULL ? &user : NULL, &list, &n) !=
	    RES_OK)
		return (RES_ERR);
	more = n > page.limit;
	n = more ? page.limit : n;
	o = json_out_new(cx->env.arena);
	json_obj(o);
	json_key(o, "items");
	json_arr(o);
	for (int i = 0; i < n; i++) {
		json_obj(o);
		write_members(cx, o, &list[i]);
		json_obj_end(o);
	}
	json_arr_end(o);
	page_write(cx, o, more, more ? &list[n - 1].key.id : NULL);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

co_fn enum res
api_keys_update(struct ctx *cx)
{
	const char *condition = ctx_header(cx, "if-match");
	struct apikey_row row;

	if (if_match(condition, 0) == IF_MATCH_MALFORMED)
		return (err_fail(&cx->env.err, PROBLEM_MALFORMED_REQUEST,
		    "If-Match must be * or a list of entity tags, as in "
		    "\"3\"."));
	if (apikey_update(cx, ctx_param(cx, "key_id"), condition, &row) !=
	    RES_OK)
		return (RES_ERR);
	return (reply_row(cx, &row));
}

co_fn enum res
api_keys_rotate(struct ctx *cx)
{
	const struct jval *overlap = json_get(cx->body, "overlap_seconds");
	struct apikey_secrets *secrets =
	    arena_alloc(cx->env.arena, sizeof(*secrets));
	struct apikey_row *row = arena_alloc(cx->env.arena, sizeof(*row));

	if (apikey_rotate(cx, ctx_param(cx, "key_id"),
		overlap != NULL ? (int32_t)overlap->i : 0,
		json_get_str(cx->body, "public_key"), row, secrets) != RES_OK)
		return (RES_ERR);
	reply_secrets(cx, 200, row, secrets);
	return (RES_OK);
}

co_fn enum res
api_keys_revoke(struct ctx *cx)
{
	if (apikey_revoke(cx, ctx_param(cx, "key_id")) != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 204);
	return (RES_OK);
}
