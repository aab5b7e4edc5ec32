/*
 * What predict/ seals and opens under a patient's data key: predictions of
 * its own, and of the record what a model may want. The places and members
 * of the latter are those that records/ writes; a unit test holds the two
 * together.
 */
#include <string.h>

#include "predict/predict_priv.h"

#define PAYLOAD_DEPTH   2 /* inputs and sources are objects */
#define PAYLOAD_VERSION 1 /* predictions and observations never change */
#define CODE_CONTEXT    "observation.code"

static void
place(struct seal_place *p, const char *table, const char *column,
    const struct uuid *row, int32_t version)
{
	p->table = table;
	p->column = column;
	p->row = *row;
	p->row_version = version;
}

static enum res
open_json(struct arena *arena, const struct data_key *key,
    const struct seal_place *where, const struct ciphertext *c,
    struct jval **out)
{
	struct err err;
	const char *text;
	size_t len;

	if (vault_open(arena, key, where, c->data, c->len, &text, &len) !=
	    RES_OK)
		return (RES_ERR);
	err_clear(&err);
	if (json_parse(arena, text, len, PAYLOAD_DEPTH, out, &err) != RES_OK)
		return (RES_ERR);

	return ((*out)->type == J_OBJ ? RES_OK : RES_ERR);
}

static const struct jval *
number(const struct jval *obj, const char *name)
{
	const struct jval *v = json_get(obj, name);

	return (v != NULL && (v->type == J_INT || v->type == J_NUM) ? v : NULL);
}

/* ---- predictions -------------------------------------------------------- */

static enum res
read_payload(const struct jval *v, struct prediction *p)
{
	const struct jval *probability = number(v, "probability");
	const struct jval *margin = number(v, "margin");

	p->inputs = json_get(v, "inputs");
	p->sources = json_get(v, "sources");
	if (probability == NULL || margin == NULL || p->inputs == NULL ||
	    p->inputs->type != J_OBJ || p->sources == NULL ||
	    p->sources->type != J_OBJ)
		return (RES_ERR);
	p->probability = probability->d;
	p->margin = margin->d;

	return (RES_OK);
}

static void
digest_inputs(struct arena *arena, const struct data_key *key,
    const struct inputs *in, uint8_t digest[DIGEST_BYTES])
{
	struct json_out *out = json_out_new(arena);
	const char *text;
	size_t len;

	inputs_write(out, in);
	json_finish(out, &text, &len);
	vault_digest(key, text, len, digest);
}

/*
 * The reply is made from what the payload says once parsed again, as it will
 * be whenever the prediction is read: both show the same numbers.
 */
enum res
prediction_seal(struct arena *arena, const struct data_key *key,
    struct prediction *p, const struct inputs *in, struct ciphertext *c,
    uint8_t inputs_digest[DIGEST_BYTES])
{
	struct json_out *out = json_out_new(arena);
	struct seal_place where;
	struct jval *v;
	struct err err;
	const char *text;
	size_t len;

	json_obj(out);
	json_knum(out, "probability", p->probability);
	json_knum(out, "margin", p->margin);
	json_key(out, "inputs");
	inputs_write(out, in);
	json_key(out, "sources");
	inputs_write_sources(out, in);
	json_obj_end(out);
	json_finish(out, &text, &len);

	err_clear(&err);
	if (json_parse(arena, text, len, PAYLOAD_DEPTH, &v, &err) != RES_OK ||
	    read_payload(v, p) != RES_OK)
		return (RES_ERR);
	place(&where, "prediction", "payload", &p->id, PAYLOAD_VERSION);
	vault_seal(arena, key, &where, text, len, &c->data, &c->len);
	digest_inputs(arena, key, in, inputs_digest);

	return (RES_OK);
}

enum res
prediction_open(struct arena *arena, const struct data_key *key,
    const struct ciphertext *c, struct prediction *p)
{
	struct seal_place where;
	struct jval *v;

	place(&where, "prediction", "payload", &p->id, PAYLOAD_VERSION);
	if (open_json(arena, key, &where, c, &v) != RES_OK)
		return (RES_ERR);

	return (read_payload(v, p));
}

/* ---- the record --------------------------------------------------------- */

enum res
record_open_patient(struct arena *arena, const struct data_key *key,
    const struct uuid *id, int32_t version, const struct ciphertext *identity,
    const struct ciphertext *clinical, const char **birth_date,
    const char **sex)
{
	struct seal_place where;
	struct jval *v;

	place(&where, "patient", "identity", id, version);
	if (open_json(arena, key, &where, identity, &v) != RES_OK)
		return (RES_ERR);
	*birth_date = json_get_str(v, "birth_date");
	place(&where, "patient", "clinical", id, version);
	if (open_json(arena, key, &where, clinical, &v) != RES_OK)
		return (RES_ERR);
	*sex = json_get_str(v, "sex");

	return (RES_OK);
}

enum res
record_open_observation(struct arena *arena, const struct data_key *key,
    const struct uuid *id, const struct ciphertext *c, double *value,
    int64_t *effective_us)
{
	const struct jval *measured;
	struct seal_place where;
	struct jval *v;
	const char *at;

	place(&where, "observation", "payload", id, PAYLOAD_VERSION);
	if (open_json(arena, key, &where, c, &v) != RES_OK)
		return (RES_ERR);
	measured = number(v, "value");
	at = json_get_str(v, "effective_at");
	if (measured == NULL || at == NULL)
		return (RES_ERR);
	*value = measured->d;

	return (time_parse(at, effective_us));
}

void
record_code_index(struct arena *arena, const struct data_key *key,
    const char *code, uint8_t out[CODE_INDEX])
{
	uint8_t digest[DIGEST_BYTES];
	struct buf text;

	buf_init(&text, arena, 64);
	buf_append(&text, CODE_CONTEXT, sizeof(CODE_CONTEXT)); /* and NUL */
	buf_puts(&text, code);
	vault_digest(key, text.data, text.len, digest);
	memcpy(out, digest, CODE_INDEX);
}
