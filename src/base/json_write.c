/*
 * JSON out: yajl_gen printing into a buffer of the arena. What comes out is
 * valid whatever goes in: bytes that are not UTF-8 become U+FFFD, numbers
 * that JSON cannot write become null. Calling out of order (a value without
 * its key, the wrong end) is a bug of the caller and asserts.
 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "base/base_priv.h"

#define OUT_DEPTH_MAX 64 /* below yajl's own limit */
#define OUT_CAP       1024

enum place {
	PLACE_UNSET = 0,
	PLACE_TOP,   /* the one value is still to come */
	PLACE_DONE,  /* it has been written */
	PLACE_ARRAY, /* in an array */
	PLACE_KEY,   /* in an object, a key must follow */
	PLACE_VALUE  /* in an object, a value must follow */
};

struct json_out {
	yajl_gen gen;
	struct buf buf;
	unsigned depth;
	enum place place[OUT_DEPTH_MAX + 1];
};

static void
print(void *buf, const char *s, size_t len)
{
	buf_append(buf, s, len);
}

struct json_out *
json_out_new(struct arena *arena)
{
	struct json_out *out;
	yajl_alloc_funcs funcs;

	out = arena_alloc(arena, sizeof(*out));
	buf_init(&out->buf, arena, OUT_CAP);
	json_memory(&funcs, arena);
	out->gen = yajl_gen_alloc(&funcs);
	assert(out->gen != NULL);
	yajl_gen_config(out->gen, yajl_gen_print_callback, print, &out->buf);
	out->place[0] = PLACE_TOP;

	return (out);
}

static void
check(yajl_gen_status status)
{
	assert(status == yajl_gen_status_ok);
	(void)status;
}

/* Called before a value: moves the place behind it. */
static void
value_comes(struct json_out *out)
{
	enum place *place;

	place = &out->place[out->depth];
	assert(*place != PLACE_DONE && *place != PLACE_KEY);
	if (*place == PLACE_TOP)
		*place = PLACE_DONE;
	else if (*place == PLACE_VALUE)
		*place = PLACE_KEY;
}

static void
enter(struct json_out *out, enum place inside)
{
	value_comes(out);
	assert(out->depth < OUT_DEPTH_MAX);
	out->place[++out->depth] = inside;
}

static void
leave(struct json_out *out, enum place inside)
{
	assert(out->depth > 0 && out->place[out->depth] == inside);
	(void)inside;
	out->depth--;
}

void
json_obj(struct json_out *out)
{
	enter(out, PLACE_KEY);
	check(yajl_gen_map_open(out->gen));
}

void
json_obj_end(struct json_out *out)
{
	leave(out, PLACE_KEY);
	check(yajl_gen_map_close(out->gen));
}

void
json_arr(struct json_out *out)
{
	enter(out, PLACE_ARRAY);
	check(yajl_gen_array_open(out->gen));
}

void
json_arr_end(struct json_out *out)
{
	leave(out, PLACE_ARRAY);
	check(yajl_gen_array_close(out->gen));
}

/* Each byte that belongs to no well-formed sequence becomes U+FFFD. */
static void
repair_utf8(struct arena *arena, const char **s, size_t *len)
{
	struct buf fixed;
	const char *p, *end;
	size_t n;

	buf_init(&fixed, arena, *len + *len / 2);
	p = *s;
	end = p + *len;
	while (p < end) {
		n = utf8_valid_prefix(p, (size_t)(end - p));
		buf_append(&fixed, p, n);
		p += n;
		if (p < end) {
			buf_puts(&fixed, "\xef\xbf\xbd");
			p++;
		}
	}
	*s = fixed.data;
	*len = fixed.len;
}

static void
put_string(struct json_out *out, const char *s, size_t len)
{
	if (!utf8_valid(s, len))
		repair_utf8(out->buf.arena, &s, &len);
	check(yajl_gen_string(out->gen, (const unsigned char *)s, len));
}

void
json_key(struct json_out *out, const char *key)
{
	assert(out->place[out->depth] == PLACE_KEY);
	out->place[out->depth] = PLACE_VALUE;
	put_string(out, key, strlen(key));
}

void
json_strn(struct json_out *out, const char *s, size_t len)
{
	value_comes(out);
	put_string(out, s, len);
}

void
json_str(struct json_out *out, const char *s)
{
	if (s == NULL)
		json_null(out);
	else
		json_strn(out, s, strlen(s));
}

void
json_int(struct json_out *out, int64_t i)
{
	value_comes(out);
	check(yajl_gen_integer(out->gen, i));
}

void
json_num(struct json_out *out, double d)
{
	char text[DOUBLE_STRLEN + 1];

	if (!isfinite(d)) {
		json_null(out);
		return;
	}
	value_comes(out);
	str_from_double(d, text);
	check(yajl_gen_number(out->gen, text, strlen(text)));
}

void
json_bool(struct json_out *out, bool b)
{
	value_comes(out);
	check(yajl_gen_bool(out->gen, b));
}

void
json_null(struct json_out *out)
{
	value_comes(out);
	check(yajl_gen_null(out->gen));
}

void
json_uuid(struct json_out *out, const struct uuid *u)
{
	char text[UUID_STRLEN + 1];

	uuid_format(u, text);
	json_strn(out, text, UUID_STRLEN);
}

void
json_time(struct json_out *out, int64_t us)
{
	char text[TIME_STRLEN + 1];

	time_format(us, text);
	json_strn(out, text, TIME_STRLEN);
}

static void
put_members(struct json_out *out, const struct jval *v)
{
	const struct jval *member;

	json_obj(out);
	JSON_FOREACH (member, v) {
		json_key(out, member->key);
		json_value(out, member);
	}
	json_obj_end(out);
}

static void
put_elements(struct json_out *out, const struct jval *v)
{
	const struct jval *element;

	json_arr(out);
	JSON_FOREACH (element, v)
		json_value(out, element);
	json_arr_end(out);
}

void
json_value(struct json_out *out, const struct jval *v)
{
	switch (v->type) {
	case J_BOOL:
		json_bool(out, v->b);
		break;
	case J_INT:
		json_int(out, v->i);
		break;
	case J_NUM:
		json_num(out, v->d);
		break;
	case J_STR:
		json_strn(out, v->s, v->slen);
		break;
	case J_ARR:
		put_elements(out, v);
		break;
	case J_OBJ:
		put_members(out, v);
		break;
	case J_NULL:
		json_null(out);
		break;
	case J_UNSET:
		assert(false && "a value without a type");
	}
}

void
json_kstr(struct json_out *out, const char *key, const char *s)
{
	json_key(out, key);
	json_str(out, s);
}

void
json_kint(struct json_out *out, const char *key, int64_t i)
{
	json_key(out, key);
	json_int(out, i);
}

void
json_knum(struct json_out *out, const char *key, double d)
{
	json_key(out, key);
	json_num(out, d);
}

void
json_kbool(struct json_out *out, const char *key, bool b)
{
	json_key(out, key);
	json_bool(out, b);
}

void
json_kuuid(struct json_out *out, const char *key, const struct uuid *u)
{
	json_key(out, key);
	json_uuid(out, u);
}

void
json_ktime(struct json_out *out, const char *key, int64_t us)
{
	json_key(out, key);
	json_time(out, us);
}

void
json_finish(struct json_out *out, const char **text, size_t *len)
{
	assert(out->depth == 0 && out->place[0] == PLACE_DONE);

	*text = out->buf.data;
	*len = out->buf.len;
}
