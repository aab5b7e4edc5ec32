/*
 * JSON in: yajl's callbacks build a tree in the arena. Stricter than yajl:
 * well-formed UTF-8 and escapes are checked first (yajl lets overlong forms
 * and lone surrogates by), member names are unique and hold no U+0000, and
 * depth, nodes and digits are bounded. The detail of a mistake names where
 * it is, never what: a body may hold patient data.
 */
#include <assert.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/base_priv.h"

#define NODES_MAX     100000
#define NUMBER_MAX    128 /* characters of one number */
#define DEPTH_CEILING 64  /* what json_write.c can print again */
#define LINEAR_MAX    8   /* members compared one by one */

/* One object or array that is still open. */
struct frame {
	struct jval *container;
	const char *key;    /* the member whose value comes next */
	const char **names; /* open addressing, once over LINEAR_MAX */
	size_t slots;       /* a power of two, at most half full */
};

struct parser {
	struct arena *arena;
	struct jval *root;
	unsigned depth, depth_max, nodes;
	struct frame *frames;
	const char *mistake; /* set by the callback that cancels */
};

static int
fail(struct parser *p, const char *mistake)
{
	p->mistake = mistake;

	return (0);
}

/* Links a new value under the open container; NULL: too many. */
static struct jval *
add_value(struct parser *p, enum jtype type)
{
	struct jval *v, *parent;
	struct frame *frame;

	if (p->nodes++ >= NODES_MAX) {
		fail(p, "it has too many values");
		return (NULL);
	}
	v = arena_alloc(p->arena, sizeof(*v));
	v->type = type;
	if (p->depth == 0) {
		p->root = v;
		return (v);
	}

	frame = &p->frames[p->depth - 1];
	parent = frame->container;
	v->key = frame->key;
	frame->key = NULL;
	if (parent->child == NULL)
		parent->child = v;
	else
		parent->last->next = v;
	parent->last = v;
	parent->n++;

	return (v);
}

static int
on_null(void *ctx)
{
	return (add_value(ctx, J_NULL) != NULL);
}

static int
on_bool(void *ctx, int b)
{
	struct jval *v;

	if ((v = add_value(ctx, J_BOOL)) == NULL)
		return (0);
	v->b = b != 0;

	return (1);
}

/* yajl has checked the grammar; this decides what the number is worth. */
static int
on_number(void *ctx, const char *digits, size_t len)
{
	struct parser *p = ctx;
	struct jval *v;
	char text[NUMBER_MAX + 1];

	if (len > NUMBER_MAX)
		return (fail(p, "a number has too many digits"));
	memcpy(text, digits, len);
	text[len] = '\0';

	if ((v = add_value(p, J_NUM)) == NULL)
		return (0);
	if (!str_to_double(text, &v->d))
		return (fail(p, "a number is out of range"));
	if (str_to_int64(text, INT64_MIN, INT64_MAX, &v->i))
		v->type = J_INT;

	return (1);
}

static int
on_string(void *ctx, const unsigned char *s, size_t len)
{
	struct parser *p = ctx;
	struct jval *v;
	char *copy;

	if ((v = add_value(p, J_STR)) == NULL)
		return (0);
	copy = arena_alloc(p->arena, len + 1);
	memcpy(copy, s, len);
	v->s = copy;
	v->slen = len;

	return (1);
}

static int
open_container(struct parser *p, enum jtype type)
{
	struct jval *v;

	if (p->depth >= p->depth_max)
		return (fail(p, "it is nested too deep"));
	if ((v = add_value(p, type)) == NULL)
		return (0);
	p->frames[p->depth++] = (struct frame){ .container = v };

	return (1);
}

static int
on_obj(void *ctx)
{
	return (open_container(ctx, J_OBJ));
}

static int
on_arr(void *ctx)
{
	return (open_container(ctx, J_ARR));
}

static int
on_close(void *ctx)
{
	struct parser *p = ctx;

	p->depth--;

	return (1);
}

/* Keyed, so that nobody can choose names that all fall into one slot. */
static size_t
name_slot(const char *name, size_t slots)
{
	static _Thread_local uint8_t key[crypto_shorthash_KEYBYTES];
	static _Thread_local bool ready;
	uint8_t hash[crypto_shorthash_BYTES];

	if (!ready) {
		crypto_shorthash_keygen(key);
		ready = true;
	}
	crypto_shorthash(hash, (const uint8_t *)name, strlen(name), key);

	return (get_be64(hash) & (slots - 1));
}

/* False when the name is there already. */
static bool
names_insert(struct frame *frame, const char *name)
{
	size_t i;

	i = name_slot(name, frame->slots);
	while (frame->names[i] != NULL) {
		if (strcmp(frame->names[i], name) == 0)
			return (false);
		i = (i + 1) & (frame->slots - 1);
	}
	frame->names[i] = name;

	return (true);
}

static void
names_grow(struct parser *p, struct frame *frame)
{
	const struct jval *member;

	frame->slots = frame->slots == 0 ? LINEAR_MAX * 4 : frame->slots * 4;
	frame->names =
	    arena_alloc(p->arena, frame->slots * sizeof(*frame->names));
	JSON_FOREACH (member, frame->container)
		names_insert(frame, member->key);
}

static bool
name_is_new(struct parser *p, struct frame *frame, const char *name)
{
	unsigned n;

	n = frame->container->n;
	if (n < LINEAR_MAX)
		return (json_get(frame->container, name) == NULL);
	if ((size_t)n * 2 >= frame->slots)
		names_grow(p, frame);

	return (names_insert(frame, name));
}

static int
on_key(void *ctx, const unsigned char *s, size_t len)
{
	struct parser *p = ctx;
	struct frame *frame;
	char *name;

	if (memchr(s, '\0', len) != NULL)
		return (fail(p, "a member name holds U+0000"));
	name = arena_alloc(p->arena, len + 1);
	memcpy(name, s, len);

	frame = &p->frames[p->depth - 1];
	if (!name_is_new(p, frame, name))
		return (fail(p, "a member name occurs twice"));
	frame->key = name;

	return (1);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_obj,
	.yajl_map_key = on_key,
	.yajl_end_map = on_close,
	.yajl_start_array = on_arr,
	.yajl_end_array = on_close,
};

/* The four digits of a \u escape; -1 when they are not there. */
static int
escape_unit(const char *s, const char *end)
{
	int i, digit, unit;

	if (end - s < 6 || s[0] != '\\' || s[1] != 'u')
		return (-1);
	unit = 0;
	for (i = 2; i < 6; i++) {
		if (s[i] >= '0' && s[i] <= '9')
			digit = s[i] - '0';
		else if ((s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'f')
			digit = (s[i] | 0x20) - 'a' + 10;
		else
			return (-1);
		unit = unit * 16 + digit;
	}

	return (unit);
}

/* Finds the first surrogate escape without its partner (RFC 8259, 8.2). */
static bool
surrogates_paired(const char *s, const char *end, const char **where)
{
	int unit, second;

	for (; (s = memchr(s, '\\', (size_t)(end - s))) != NULL; s += 2) {
		if (end - s < 2)
			break;
		unit = escape_unit(s, end);
		if (unit < 0xd800 || unit > 0xdfff)
			continue;
		*where = s;
		second = escape_unit(s + 6 < end ? s + 6 : end, end);
		if (unit >= 0xdc00 || second < 0xdc00 || second > 0xdfff)
			return (false);
		s += 10;
	}

	return (true);
}

static enum res
refuse(struct err *err, const char *mistake, size_t at)
{
	return (err_fail(err, PROBLEM_MALFORMED_JSON,
	    "The body is not acceptable: %s at byte %zu.", mistake, at));
}

static enum res
check_text(const char *text, size_t len, struct err *err)
{
	const char *where;
	size_t valid;

	if (len == 0)
		return (refuse(err, "it is empty", 0));
	if ((valid = utf8_valid_prefix(text, len)) != len)
		return (refuse(err, "it is not UTF-8", valid));
	if (!surrogates_paired(text, text + len, &where))
		return (refuse(
		    err, "half of a surrogate pair", (size_t)(where - text)));

	return (RES_OK);
}

/* yajl's own error text would quote the body: only its kind is kept. */
static enum res
run(struct parser *p, const char *text, size_t len, struct err *err)
{
	yajl_handle yajl;
	yajl_status status;
	yajl_alloc_funcs funcs;
	const char *mistake;
	size_t at;

	json_memory(&funcs, p->arena);
	yajl = yajl_alloc(&callbacks, &funcs, p);
	assert(yajl != NULL);

	mistake = "a syntax error";
	status = yajl_parse(yajl, (const unsigned char *)text, len);
	at = yajl_get_bytes_consumed(yajl);
	if (status == yajl_status_ok) {
		mistake = "it ends too early";
		at = len;
		status = yajl_complete_parse(yajl);
	}
	yajl_free(yajl);

	if (p->mistake != NULL)
		return (refuse(err, p->mistake, at));
	if (status != yajl_status_ok || p->root == NULL)
		return (refuse(err, mistake, at));

	return (RES_OK);
}

enum res
json_parse(struct arena *arena, const void *text, size_t len, unsigned depth,
    struct jval **out, struct err *err)
{
	struct parser p = { .arena = arena, .depth_max = depth };

	assert(depth <= DEPTH_CEILING);

	if (check_text(text, len, err) != RES_OK)
		return (RES_ERR);
	p.frames = arena_alloc(arena, depth * sizeof(*p.frames));
	if (run(&p, text, len, err) != RES_OK)
		return (RES_ERR);
	*out = p.root;

	return (RES_OK);
}

const struct jval *
json_get(const struct jval *obj, const char *key)
{
	const struct jval *member;

	if (obj == NULL || obj->type != J_OBJ)
		return (NULL);
	JSON_FOREACH (member, obj) {
		if (strcmp(member->key, key) == 0)
			return (member);
	}

	return (NULL);
}

const char *
json_get_str(const struct jval *obj, const char *key)
{
	const struct jval *v;

	v = json_get(obj, key);

	return (v != NULL && v->type == J_STR ? v->s : NULL);
}
