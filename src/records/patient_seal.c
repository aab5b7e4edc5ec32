/*
 * The two sealed columns of a patient. Each is a JSON object under the
 * patient's data key, bound to its column, row and row version: a column of
 * another patient or of an older version does not open.
 */
#include <string.h>

#include "records/records_priv.h"

#define PART_DEPTH 1 /* a flat object */

static void
part_place(struct seal_place *place, enum patient_part part,
    const struct uuid *id, int32_t version)
{
	place->table = "patient";
	place->column = part == PART_IDENTITY ? "identity" : "clinical";
	place->row = *id;
	place->row_version = version;
}

static void
seal_part(struct arena *arena, const struct data_key *key,
    const struct patient *p, enum patient_part part, struct sealed *out)
{
	struct seal_place place;
	struct json_out *json;
	const char *text;
	size_t len;

	json = json_out_new(arena);
	json_obj(json);
	patient_write_fields(json, p, part);
	json_obj_end(json);
	json_finish(json, &text, &len);
	part_place(&place, part, &p->id, p->version);
	vault_seal(arena, key, &place, text, len, &out->data, &out->len);
}

void
patient_seal(struct arena *arena, const struct data_key *key,
    const struct patient *p, struct sealed *identity, struct sealed *clinical)
{
	seal_part(arena, key, p, PART_IDENTITY, identity);
	seal_part(arena, key, p, PART_CLINICAL, clinical);
}

static enum res
open_part(struct arena *arena, const struct data_key *key,
    const struct sealed *sealed, enum patient_part part, struct patient *p)
{
	struct seal_place place;
	struct jval *v;
	struct err err;
	const char *text;
	size_t len;

	part_place(&place, part, &p->id, p->version);
	if (vault_open(arena, key, &place, sealed->data, sealed->len, &text,
		&len) != RES_OK)
		return (RES_ERR);
	err_clear(&err);
	if (json_parse(arena, text, len, PART_DEPTH, &v, &err) != RES_OK)
		return (RES_ERR);

	return (patient_read_fields(p, v, part));
}

enum res
patient_open(struct arena *arena, const struct data_key *key,
    const struct patient_row *row, struct patient *p)
{
	memset(p, 0, sizeof(*p));
	p->id = row->id;
	p->version = row->version;
	p->created_us = row->created_us;
	p->updated_us = row->updated_us;
	if (open_part(arena, key, &row->identity, PART_IDENTITY, p) != RES_OK)
		return (RES_ERR);

	return (open_part(arena, key, &row->clinical, PART_CLINICAL, p));
}

const uint8_t *
patient_mrn_index(struct arena *arena, const char *mrn)
{
	uint8_t *index;

	if (mrn == NULL)
		return (NULL);
	index = arena_alloc(arena, BLIND_INDEX_BYTES);
	blind_index("patient.mrn", mrn, index);

	return (index);
}
