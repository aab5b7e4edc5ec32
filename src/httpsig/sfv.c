/*
 * Structured Field Values for HTTP (RFC 9651, which took over from RFC 8941):
 * dictionaries, inner lists, parameters, and all bare items but dates and
 * display strings, which no field that is read here has. Pure.
 *
 * Stricter than the RFC in three points, because two parties must read the
 * same out of a signature's parameters: no key twice (the RFC lets the last
 * one win), base64 with its padding, and lists of a bounded size.
 */
#include <sodium.h>
#include <string.h>

#include "httpsig/httpsig.h"

#define MEMBERS_MAX     64 /* of one dictionary, list or item */
#define DIGITS_MAX      15
#define WHOLE_DIGITS    12 /* of a decimal */
#define FRACTION_DIGITS 3

struct in {
	struct arena *arena;
	const char *p;
};

/* Members in the order they came. */
struct chain {
	struct sfv_member *first, *last;
	unsigned n;
};

static bool
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

static bool
is_lower(char c)
{
	return (c >= 'a' && c <= 'z');
}

static bool
is_alpha(char c)
{
	return (is_lower(c) || (c >= 'A' && c <= 'Z'));
}

static bool
in_set(char c, const char *set)
{
	return (c != '\0' && strchr(set, c) != NULL);
}

static void
skip(struct in *in, const char *set)
{
	in->p += strspn(in->p, set);
}

static bool
take(struct in *in, char c)
{
	if (*in->p != c)
		return (false);
	in->p++;
	return (true);
}

/* RES_ERR when the key is there already, or there are too many. */
static enum res
chain_add(struct arena *arena, struct chain *c, const char *key,
    struct sfv_value **value)
{
	struct sfv_member *m;

	if (c->n++ >= MEMBERS_MAX)
		return (RES_ERR);
	if (key != NULL && sfv_get(c->first, key) != NULL)
		return (RES_ERR);
	m = arena_alloc(arena, sizeof(*m));
	m->key = key;
	if (c->last != NULL)
		c->last->next = m;
	else
		c->first = m;
	c->last = m;
	*value = &m->value;

	return (RES_OK);
}

static enum res
read_key(struct in *in, const char **key)
{
	const char *start = in->p;

	if (!is_lower(*in->p) && *in->p != '*')
		return (RES_ERR);
	while (is_lower(*in->p) || is_digit(*in->p) || in_set(*in->p, "_-.*"))
		in->p++;
	*key = arena_strndup(in->arena, start, (size_t)(in->p - start));

	return (RES_OK);
}

/* The digits of a fraction, as thousandths. */
static enum res
read_fraction(struct in *in, int64_t *number)
{
	unsigned n;

	for (n = 0; is_digit(*in->p); n++) {
		if (n == FRACTION_DIGITS)
			return (RES_ERR);
		*number = *number * 10 + (*in->p++ - '0');
	}
	if (n == 0)
		return (RES_ERR);
	for (; n < FRACTION_DIGITS; n++)
		*number *= 10;

	return (RES_OK);
}

static enum res
read_number(struct in *in, struct sfv_value *v)
{
	bool negative = take(in, '-');
	unsigned digits;

	v->type = SFV_INTEGER;
	for (digits = 0; is_digit(*in->p); digits++) {
		if (digits == DIGITS_MAX)
			return (RES_ERR);
		v->i = v->i * 10 + (*in->p++ - '0');
	}
	if (digits == 0)
		return (RES_ERR);
	if (take(in, '.')) {
		v->type = SFV_DECIMAL;
		if (digits > WHOLE_DIGITS || read_fraction(in, &v->i) != RES_OK)
			return (RES_ERR);
	}
	if (negative)
		v->i = -v->i;

	return (RES_OK);
}

static enum res
read_string(struct in *in, struct sfv_value *v)
{
	struct buf b;

	buf_init(&b, in->arena, 32);
	for (in->p++; *in->p != '"'; in->p++) {
		if (*in->p == '\\' && !in_set(*++in->p, "\"\\"))
			return (RES_ERR);
		if (*in->p < 0x20 || *in->p > 0x7e)
			return (RES_ERR);
		buf_putc(&b, *in->p);
	}
	in->p++;
	v->type = SFV_STRING;
	v->s = b.data;
	v->len = b.len;

	return (RES_OK);
}

static enum res
read_token(struct in *in, struct sfv_value *v)
{
	const char *start = in->p;

	while (is_alpha(*in->p) || is_digit(*in->p) ||
	       in_set(*in->p, "!#$%&'*+-.^_`|~:/"))
		in->p++;
	v->type = SFV_TOKEN;
	v->len = (size_t)(in->p - start);
	v->s = arena_strndup(in->arena, start, v->len);

	return (RES_OK);
}

static enum res
read_bytes(struct in *in, struct sfv_value *v)
{
	const char *start = ++in->p, *end = strchr(start, ':');
	size_t text;
	char *out;

	if (end == NULL)
		return (RES_ERR);
	text = (size_t)(end - start);
	out = arena_alloc(in->arena, text / 4 * 3 + 1);
	if (sodium_base642bin((uint8_t *)out, text / 4 * 3, start, text, NULL,
		&v->len, NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
		return (RES_ERR);
	in->p = end + 1;
	v->type = SFV_BYTES;
	v->s = out;

	return (RES_OK);
}

static enum res
read_boolean(struct in *in, struct sfv_value *v)
{
	in->p++;
	if (*in->p != '0' && *in->p != '1')
		return (RES_ERR);
	v->type = SFV_BOOLEAN;
	v->i = *in->p++ == '1';

	return (RES_OK);
}

static enum res
read_bare(struct in *in, struct sfv_value *v)
{
	if (is_digit(*in->p) || *in->p == '-')
		return (read_number(in, v));
	if (*in->p == '"')
		return (read_string(in, v));
	if (is_alpha(*in->p) || *in->p == '*')
		return (read_token(in, v));
	if (*in->p == ':')
		return (read_bytes(in, v));
	if (*in->p == '?')
		return (read_boolean(in, v));

	return (RES_ERR);
}

static void
set_true(struct sfv_value *v)
{
	v->type = SFV_BOOLEAN;
	v->i = 1;
}

static enum res
read_params(struct in *in, struct sfv_value *of)
{
	struct chain c = { 0 };
	struct sfv_value *v;
	const char *key;

	while (take(in, ';')) {
		skip(in, " ");
		if (read_key(in, &key) != RES_OK ||
		    chain_add(in->arena, &c, key, &v) != RES_OK)
			return (RES_ERR);
		if (!take(in, '='))
			set_true(v);
		else if (read_bare(in, v) != RES_OK)
			return (RES_ERR);
	}
	of->params = c.first;

	return (RES_OK);
}

static enum res
read_item(struct in *in, struct sfv_value *v)
{
	if (read_bare(in, v) != RES_OK)
		return (RES_ERR);

	return (read_params(in, v));
}

static enum res
read_inner_list(struct in *in, struct sfv_value *list)
{
	struct chain c = { 0 };
	struct sfv_value *v;

	in->p++;
	for (skip(in, " "); !take(in, ')'); skip(in, " ")) {
		if (chain_add(in->arena, &c, NULL, &v) != RES_OK ||
		    read_item(in, v) != RES_OK)
			return (RES_ERR);
		if (*in->p != ' ' && *in->p != ')')
			return (RES_ERR);
	}
	list->type = SFV_LIST;
	list->items = c.first;

	return (read_params(in, list));
}

static enum res
read_member(struct in *in, struct chain *c)
{
	struct sfv_value *v;
	const char *key;

	if (read_key(in, &key) != RES_OK ||
	    chain_add(in->arena, c, key, &v) != RES_OK)
		return (RES_ERR);
	if (!take(in, '=')) {
		set_true(v);
		return (read_params(in, v));
	}

	return (*in->p == '(' ? read_inner_list(in, v) : read_item(in, v));
}

enum res
sfv_dictionary(
    struct arena *arena, const char *text, const struct sfv_member **first)
{
	struct in in = { arena, text };
	struct chain c = { 0 };

	skip(&in, " ");
	while (*in.p != '\0') {
		if (read_member(&in, &c) != RES_OK)
			return (RES_ERR);
		skip(&in, " \t");
		if (*in.p == '\0')
			break;
		if (!take(&in, ','))
			return (RES_ERR);
		skip(&in, " \t");
		if (*in.p == '\0')
			return (RES_ERR);
	}
	*first = c.first;

	return (RES_OK);
}

const struct sfv_value *
sfv_get(const struct sfv_member *m, const char *key)
{
	for (; m != NULL; m = m->next)
		if (strcmp(m->key, key) == 0)
			return (&m->value);

	return (NULL);
}
