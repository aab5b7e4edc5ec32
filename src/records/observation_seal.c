/*
 * The sealed column of an observation, and the index its code is found by.
 * An observation never changes, so its row version is always 1. What is
 * written here is also read by predict/, which has readers of its own.
 */
#include <string.h>

#include "records/records_priv.h"

#define PAYLOAD_DEPTH   1
#define PAYLOAD_VERSION 1
#define CODE_CONTEXT    "observation.code"

void
observation_code_index(struct arena *arena, const struct data_key *key,
    const char *code, uint8_t out[CODE_INDEX_BYTES])
{
	uint8_t digest[DIGEST_BYTES];
	struct buf text;

	buf_init(&text, arena, 64);
	buf_append(&text, CODE_CONTEXT, sizeof(CODE_CONTEXT)); /* and NUL */
	buf_puts(&text, code);
	vault_digest(key, text.data, text.len, digest);
	memcpy(out, digest, CODE_INDEX_BYTES);
}

static void
payload_place(struct seal_place *place, const struct uuid *id)
{
	place->table = "observation";
	place->column = "payload";
	place->row = *id;
	place->row_version = PAYLOAD_VERSION;
}

void
observation_seal(struct arena *arena, const struct data_key *key,
    const struct observation *o, struct sealed *out)
{
	struct seal_place place;
	struct json_out *json;
	const char *text;
	size_t len;

	json = json_out_new(arena);
	json_obj(json);
	observation_write_fields(json, o);
	json_obj_end(json);
	json_finish(json, &text, &len);
	payload_place(&place, &o->id);
	vault_seal(arena, key, &place, text, len, &out->data, &out->len);
}

static enum res
read_payload(const struct jval *v, struct observation *o)
{
	const struct jval *value;
	const char *at;

	if (v->type != J_OBJ)
		return (RES_ERR);
	value = json_get(v, "value");
	at = json_get_str(v, "effective_at");
	o->code = json_get_str(v, "code");
	o->unit = json_get_str(v, "unit");
	o->note = json_get_str(v, "note");
	if (value == NULL || (value->type != J_INT && value->type != J_NUM) ||
	    at == NULL || o->code == NULL || o->unit == NULL)
		return (RES_ERR);
	o->value = value->d;

	return (time_parse(at, &o->effective_us));
}

enum res
observation_open(struct arena *arena, const struct data_key *key,
    const struct observation_row *row, struct observation *o)
{
	struct seal_place place;
	struct jval *v;
	struct err err;
	const char *text;
	size_t len;

	o->id = row->id;
	o->created_us = row->created_us;
	payload_place(&place, &row->id);
	if (vault_open(arena, key, &place, row->payload.data, row->payload.len,
		&text, &len) != RES_OK)
		return (RES_ERR);
	err_clear(&err);
	if (json_parse(arena, text, len, PAYLOAD_DEPTH, &v, &err) != RES_OK)
		return (RES_ERR);

	return (read_payload(v, o));
}
