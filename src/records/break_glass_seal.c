/*
 * What is said about an emergency: the clinician's reason and the reviewer's
 * note. Both may name clinical facts, so they are sealed under the patient's
 * data key, and gone when that is. Each is written once: version 1.
 */
#include <string.h>

#include "records/records_priv.h"

static void
place_of(struct seal_place *place, const struct uuid *id, const char *column)
{
	place->table = "break_glass";
	place->column = column;
	place->row = *id;
	place->row_version = 1;
}

void
break_glass_seal(struct arena *arena, const struct data_key *key,
    const struct uuid *id, const char *column, const char *text,
    struct sealed *out)
{
	struct seal_place place;

	place_of(&place, id, column);
	vault_seal(
	    arena, key, &place, text, strlen(text), &out->data, &out->len);
}

enum res
break_glass_unseal(struct arena *arena, const struct data_key *key,
    const struct uuid *id, const char *column, const struct sealed *sealed,
    const char **out)
{
	struct seal_place place;
	size_t len;

	*out = NULL;
	if (sealed->data == NULL)
		return (RES_OK);
	place_of(&place, id, column);

	return (vault_open(
	    arena, key, &place, sealed->data, sealed->len, out, &len));
}
