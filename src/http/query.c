/*
 * Query strings and forms: name=value pairs, percent-encoded UTF-8 with '+'
 * for a space. Strict, because what two parsers read differently is a way
 * around checks: no malformed escapes, no name twice, and in a query none that
 * is unknown. Forms are sent by programs of others, who may add to them.
 */
#include <string.h>

#include "http/http_priv.h"

#define PAIRS_MAX 32

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	if (c >= 'a' && c <= 'f')
		return (c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (c - 'A' + 10);

	return (-1);
}

bool
hex_pair(const char *s, unsigned char *out)
{
	int high, low;

	if ((high = hex_digit(s[0])) < 0 || (low = hex_digit(s[1])) < 0)
		return (false);
	*out = (unsigned char)(high << 4 | low);

	return (true);
}

void
query_encode(struct buf *b, const char *s, size_t len)
{
	static const char unreserved[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (size_t i = 0; i < len; i++) {
		if (s[i] != '\0' && strchr(unreserved, s[i]) != NULL)
			buf_putc(b, s[i]);
		else
			buf_printf(b, "%%%02X", (unsigned char)s[i]);
	}
}

static enum res
decode(struct arena *arena, const char *s, size_t len, const char **out,
    size_t *outlen)
{
	unsigned char c;
	char *text;
	size_t n;

	text = arena_alloc(arena, len + 1);
	n = 0;
	for (size_t i = 0; i < len; i++) {
		c = (unsigned char)s[i];
		if (c <= 0x20 || c >= 0x7f)
			return (RES_ERR);
		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			if (len - i < 3 || !hex_pair(s + i + 1, &c))
				return (RES_ERR);
			i += 2;
		}
		text[n++] = (char)c;
	}
	*out = text;
	*outlen = n;

	return (utf8_valid(text, n) ? RES_OK : RES_ERR);
}

/* A text that is no number or boolean stays one: the schema says so then. */
static void
set_type(struct jval *v, enum field_type type)
{
	if (strlen(v->s) != v->slen)
		return;
	if (type == FIELD_INTEGER &&
	    str_to_int64(v->s, INT64_MIN, INT64_MAX, &v->i)) {
		v->type = J_INT;
		v->d = (double)v->i;
	} else if (type == FIELD_NUMBER && str_to_double(v->s, &v->d)) {
		v->type = J_NUM;
	} else if (type == FIELD_BOOLEAN && strcmp(v->s, "true") == 0) {
		v->type = J_BOOL;
		v->b = true;
	} else if (type == FIELD_BOOLEAN && strcmp(v->s, "false") == 0) {
		v->type = J_BOOL;
	}
}

static void
append(struct jval *obj, struct jval *v)
{
	if (obj->last != NULL)
		obj->last->next = v;
	else
		obj->child = v;
	obj->last = v;
	obj->n++;
}

static enum field_type
type_of(const struct schema *s, const char *name)
{
	for (unsigned i = 0; i < s->nfields; i++)
		if (strcmp(s->fields[i].name, name) == 0)
			return (s->fields[i].type);

	return (FIELD_UNSET);
}

/* One pair; RES_ERR when its bytes are not a text. */
static enum res
read_pair(struct ctx *cx, const struct schema *schema, struct jval *obj,
    const char *s, size_t len)
{
	const char *eq, *name;
	size_t namelen, skip;
	struct jval *v;

	eq = memchr(s, '=', len);
	namelen = eq != NULL ? (size_t)(eq - s) : len;
	skip = eq != NULL ? namelen + 1 : len;
	v = arena_alloc(cx->env.arena, sizeof(*v));
	v->type = J_STR;
	if (decode(cx->env.arena, s, namelen, &name, &namelen) != RES_OK ||
	    strlen(name) != namelen || namelen == 0)
		return (RES_ERR);
	if (decode(cx->env.arena, s + skip, len - skip, &v->s, &v->slen) !=
	    RES_OK)
		return (RES_ERR);
	if (json_get(obj, name) != NULL) {
		err_field(&cx->env.err, cx->env.arena,
		    arena_printf(cx->env.arena, "%s%.64s",
			cx->ep->flags & EP_FORM ? "/" : "?", name),
		    "duplicate", "must be given once");
		return (RES_OK);
	}
	v->key = name;
	set_type(v, type_of(schema, name));
	append(obj, v);

	return (RES_OK);
}

static enum res
read_pairs(struct ctx *cx, const struct schema *schema, const char *s,
    enum problem problem, struct jval *obj)
{
	size_t len;
	unsigned n;

	n = 0;
	for (; *s != '\0'; s += len + (s[len] == '&')) {
		if ((len = strcspn(s, "&")) == 0)
			continue;
		if (++n > PAIRS_MAX)
			return (err_fail(&cx->env.err, problem,
			    "there are more than %d parameters", PAIRS_MAX));
		if (read_pair(cx, schema, obj, s, len) != RES_OK)
			return (err_fail(&cx->env.err, problem,
			    "parameter %u is not percent-encoded UTF-8 with "
			    "a name",
			    n));
	}

	return (RES_OK);
}

/* Without the members that the schema does not know. */
static void
keep_known(const struct schema *schema, struct jval *obj)
{
	struct jval *v = obj->child;

	obj->child = obj->last = NULL;
	obj->n = 0;
	while (v != NULL) {
		struct jval *next = v->next;

		v->next = NULL;
		if (type_of(schema, v->key) != FIELD_UNSET)
			append(obj, v);
		v = next;
	}
}

enum res
form_read(struct ctx *cx, const char *data, size_t len, struct jval **out)
{
	const struct schema *schema = cx->ep->body;
	struct jval *obj = arena_alloc(cx->env.arena, sizeof(*obj));

	obj->type = J_OBJ;
	if (memchr(data, '\0', len) != NULL)
		return (err_fail(&cx->env.err, PROBLEM_MALFORMED_REQUEST,
		    "the form is not percent-encoded UTF-8"));
	if (read_pairs(cx, schema, arena_strndup(cx->env.arena, data, len),
		PROBLEM_MALFORMED_REQUEST, obj) != RES_OK)
		return (RES_ERR);
	keep_known(schema, obj);
	*out = obj;

	return (RES_OK);
}

enum res
ctx_read_query(struct ctx *cx)
{
	static const struct schema none = { "None", "no parameters", NULL, 0 };
	const struct schema *schema;
	struct jval *obj;

	schema = cx->ep->query != NULL ? cx->ep->query : &none;
	obj = arena_alloc(cx->env.arena, sizeof(*obj));
	obj->type = J_OBJ;
	if (read_pairs(cx, schema,
		cx->query_string != NULL ? cx->query_string : "",
		PROBLEM_INVALID_QUERY, obj) != RES_OK)
		return (RES_ERR);
	if (schema_check_query(schema, obj, cx->env.arena, &cx->env.err) !=
	    RES_OK)
		return (RES_ERR);
	cx->query = obj;

	return (RES_OK);
}
