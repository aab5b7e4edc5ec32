/*
 * Bound parameters in PostgreSQL's binary format. Values are copied into the
 * env's arena, so a caller's buffers may go at once.
 */
#include <assert.h>
#include <string.h>

#include "io/io.h"

/* timestamptz counts from 2000-01-01. */
#define PG_EPOCH_US INT64_C(946684800000000)

void
db_args(struct db_args *a, struct env *env)
{
	a->arena = env->arena;
	a->n = 0;
}

static void
bind(struct db_args *a, const void *v, size_t len, int fmt)
{
	assert(a->n < DB_ARGS_MAX);
	a->v[a->n] = v;
	a->len[a->n] = (int)len;
	a->fmt[a->n] = fmt;
	a->n++;
}

void
db_null(struct db_args *a)
{
	bind(a, NULL, 0, 1);
}

void
db_bool(struct db_args *a, bool b)
{
	uint8_t v = b;

	bind(a, arena_memdup(a->arena, &v, 1), 1, 1);
}

void
db_int4(struct db_args *a, int32_t i)
{
	uint8_t *v = arena_alloc(a->arena, 4);

	put_be32(v, (uint32_t)i);
	bind(a, v, 4, 1);
}

void
db_int8(struct db_args *a, int64_t i)
{
	uint8_t *v = arena_alloc(a->arena, 8);

	put_be64(v, (uint64_t)i);
	bind(a, v, 8, 1);
}

void
db_float8(struct db_args *a, double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	db_int8(a, (int64_t)bits);
}

void
db_text(struct db_args *a, const char *s)
{
	if (s == NULL)
		db_null(a);
	else
		bind(a, arena_strdup(a->arena, s), strlen(s), 0);
}

void
db_bytes(struct db_args *a, const void *v, size_t len)
{
	if (v == NULL)
		db_null(a);
	else
		bind(a, arena_memdup(a->arena, v, len), len, 1);
}

void
db_uuid(struct db_args *a, const struct uuid *u)
{
	if (u == NULL)
		db_null(a);
	else
		bind(a, arena_memdup(a->arena, u->b, 16), 16, 1);
}

void
db_time(struct db_args *a, int64_t us)
{
	db_int8(a, us - PG_EPOCH_US);
}

/*
 * Array header: dimensions, has-null flag, element type, then one dimension's
 * length and lower bound. Length and flag are filled in when it is bound.
 */
void
db_array(struct db_array *arr, struct arena *arena, enum db_oid oid)
{
	uint8_t head[20];

	memset(arr, 0, sizeof(*arr));
	buf_init(&arr->b, arena, 256);
	put_be32(head, 1);
	put_be32(head + 4, 0);
	put_be32(head + 8, (uint32_t)oid);
	put_be32(head + 12, 0);
	put_be32(head + 16, 1);
	buf_append(&arr->b, head, sizeof(head));
}

void
db_array_add(struct db_array *arr, const void *v, size_t len)
{
	uint8_t n[4];

	put_be32(n, v == NULL ? UINT32_MAX : (uint32_t)len);
	buf_append(&arr->b, n, sizeof(n));
	if (v == NULL)
		arr->nulls = true;
	else
		buf_append(&arr->b, v, len);
	arr->n++;
}

void
db_array_add_int4(struct db_array *arr, int32_t i)
{
	uint8_t v[4];

	put_be32(v, (uint32_t)i);
	db_array_add(arr, v, sizeof(v));
}

void
db_array_add_time(struct db_array *arr, int64_t us)
{
	uint8_t v[8];

	put_be64(v, (uint64_t)(us - PG_EPOCH_US));
	db_array_add(arr, v, sizeof(v));
}

void
db_array_bind(struct db_args *a, struct db_array *arr)
{
	uint8_t *head = (uint8_t *)arr->b.data;

	put_be32(head + 4, arr->nulls);
	put_be32(head + 12, (uint32_t)arr->n);
	if (arr->n == 0) {
		/* PostgreSQL writes an empty array without dimensions. */
		put_be32(head, 0);
		bind(a, arr->b.data, 12, 1);
		return;
	}
	bind(a, arr->b.data, arr->b.len, 1);
}
