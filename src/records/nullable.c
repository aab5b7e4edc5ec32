/*
 * What may be absent, between rows and JSON: in a struct a time is then 0, an
 * id nil and a text NULL, in the database and in JSON null.
 */
#include "records/records_priv.h"

int64_t
row_time(const struct db_rows *r, int row, int col)
{
	return (db_is_null(r, row, col) ? 0 : db_col_time(r, row, col));
}

void
row_uuid(const struct db_rows *r, int row, int col, struct uuid *out)
{
	*out = (struct uuid){ .b = { 0 } };
	if (!db_is_null(r, row, col))
		db_col_uuid(r, row, col, out);
}

const char *
row_text(const struct db_rows *r, int row, int col)
{
	return (db_is_null(r, row, col) ? NULL : db_col_text(r, row, col));
}

void
write_ktime(struct json_out *out, const char *key, int64_t us)
{
	if (us != 0)
		json_ktime(out, key, us);
	else
		json_kstr(out, key, NULL);
}

void
write_kuuid(struct json_out *out, const char *key, const struct uuid *id)
{
	if (!uuid_is_nil(id))
		json_kuuid(out, key, id);
	else
		json_kstr(out, key, NULL);
}
