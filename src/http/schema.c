/*
 * JSON values against schema rows. Every mistake is found in one walk, up to
 * MISTAKES_MAX, each with its RFC 6901 pointer and a detail that says what
 * is expected and never what was sent: that may be patient data.
 *
 * Pointers are built only when there is a mistake to report; until then the
 * place in the document is a chain of struct at on the stack, as deep as the
 * schemas are nested.
 */
#include <stdio.h>
#include <string.h>

#include "http/http_priv.h"

#define MISTAKES_MAX    50
#define MAP_MEMBERS_MAX 256
#define MAP_KEY_MAX     64
#define NAME_SHOWN_MAX  64 /* longer unknown names are not repeated */

struct check {
	struct arena *arena;
	struct err *err;
	bool patch;
	bool query;
};
struct at {
	const struct at *up;
	const char *name; /* NULL: an array's element, or the root */
	unsigned index;
};

/* ---- reporting ---------------------------------------------------------- */

static void
put_pointer(struct buf *b, const struct at *at)
{
	if (at->up == NULL)
		return;
	put_pointer(b, at->up);
	buf_putc(b, '/');
	if (at->name == NULL) {
		buf_printf(b, "%u", at->index);
		return;
	}
	for (const char *p = at->name; *p != '\0'; p++) {
		if (*p == '~')
			buf_puts(b, "~0");
		else if (*p == '/')
			buf_puts(b, "~1");
		else
			buf_putc(b, *p);
	}
}

static const char *
pointer(const struct check *c, const struct at *at)
{
	struct buf b;

	if (c->query)
		return (arena_printf(
		    c->arena, "?%s", at->name != NULL ? at->name : ""));
	buf_init(&b, c->arena, 64);
	put_pointer(&b, at);

	return (b.data);
}

static bool
full(const struct check *c)
{
	return (c->err->nfields >= MISTAKES_MAX);
}

static void PRINTF(4, 5) mistake(const struct check *c, const struct at *at,
    const char *code, const char *fmt, ...)
{
	char detail[256];
	va_list ap;

	if (full(c))
		return;
	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	err_field(c->err, c->arena, pointer(c, at), code, "%s", detail);
}

/* ---- single values ------------------------------------------------------ */

bool
field_limited(const struct field *f)
{
	return (f->min != 0 || f->max != 0);
}

static void
check_value(const struct check *c, const struct at *at, const struct field *f,
    double value)
{
	if (!field_limited(f))
		return;
	if (value < f->min)
		mistake(c, at, "min", "must be at least %.15g", f->min);
	else if (value > f->max)
		mistake(c, at, "max", "must be at most %.15g", f->max);
}

/* unit is a plural in "s". */
static void
check_length(const struct check *c, const struct at *at, const struct field *f,
    size_t n, const char *unit)
{
	double limit;
	int shown;

	if (!field_limited(f) || ((double)n >= f->min && (double)n <= f->max))
		return;
	limit = (double)n < f->min ? f->min : f->max;
	shown = (int)strlen(unit) - (limit == 1);
	if ((double)n < f->min)
		mistake(c, at, "min_length", "must have at least %.15g %.*s",
		    limit, shown, unit);
	else
		mistake(c, at, "max_length", "must have at most %.15g %.*s",
		    limit, shown, unit);
}

static size_t
code_points(const char *s, size_t len)
{
	size_t n;

	n = 0;
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			n++;

	return (n);
}

/* PostgreSQL cannot store U+0000, and nobody can see the others. */
static bool
text_ok(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 && s[i] != '\n' && s[i] != '\t')
			return (false);

	return (true);
}

static void
check_string(const struct check *c, const struct at *at, const struct field *f,
    const struct jval *v)
{
	check_length(c, at, f, code_points(v->s, v->slen), "characters");
}

static void
check_number(const struct check *c, const struct at *at, const struct field *f,
    const struct jval *v)
{
	check_value(c, at, f, v->d);
}

static void
check_nothing(const struct check *c UNUSED, const struct at *at UNUSED,
    const struct field *f UNUSED, const struct jval *v UNUSED)
{
}

static void
check_uuid(const struct check *c, const struct at *at,
    const struct field *f UNUSED, const struct jval *v)
{
	struct uuid id;

	if (uuid_parse(v->s, &id) != RES_OK)
		mistake(c, at, "format", "must be a UUID");
}

static void
check_date(const struct check *c, const struct at *at,
    const struct field *f UNUSED, const struct jval *v)
{
	int32_t days;

	if (date_parse(v->s, &days) != RES_OK)
		mistake(c, at, "format",
		    "must be a date that exists, as in 2026-01-31");
}

static void
check_time(const struct check *c, const struct at *at,
    const struct field *f UNUSED, const struct jval *v)
{
	int64_t us;

	if (time_parse(v->s, &us) != RES_OK)
		mistake(c, at, "format",
		    "must be a time that exists, as in 2026-01-31T08:00:00Z");
}

static bool
choice_among(const char *choices, const char *s, size_t len)
{
	size_t n;

	for (;;) {
		n = strcspn(choices, "|");
		if (n == len && memcmp(choices, s, len) == 0)
			return (true);
		if (choices[n] == '\0')
			return (false);
		choices += n + 1;
	}
}

static void
check_enum(const struct check *c, const struct at *at, const struct field *f,
    const struct jval *v)
{
	if (!choice_among(f->choices, v->s, v->slen))
		mistake(c, at, "enum", "must be one of %s", f->choices);
}

/* ---- objects, maps and arrays ------------------------------------------- */

static void check_members(const struct check *, const struct at *,
    const struct schema *, const struct jval *);
static void check_field(const struct check *, const struct at *,
    const struct field *, const struct jval *);

/* A free object: anything JSON, but no text that could not be stored. */
static bool
tree_ok(const struct jval *v)
{
	const struct jval *child;

	if (v->key != NULL && !text_ok(v->key, strlen(v->key)))
		return (false);
	if (v->type == J_STR)
		return (text_ok(v->s, v->slen));
	JSON_FOREACH (child, v)
		if (!tree_ok(child))
			return (false);

	return (true);
}

static void
check_object(const struct check *c, const struct at *at, const struct field *f,
    const struct jval *v)
{
	if (f->sub != NULL)
		check_members(c, at, f->sub, v);
	else if (!tree_ok(v))
		mistake(c, at, "format",
		    "must not hold control characters in its texts");
}

static void
check_map_text(const struct check *c, const struct at *at, const struct jval *v)
{
	if (!text_ok(v->s, v->slen))
		mistake(c, at, "format", "must not hold control characters");
	else if (code_points(v->s, v->slen) > MAP_KEY_MAX)
		mistake(c, at, "max_length", "must have at most %d characters",
		    MAP_KEY_MAX);
}

static void
check_map_value(const struct check *c, const struct at *at,
    const struct field *f, const struct jval *v)
{
	bool any = f->type == FIELD_VALUE_MAP;

	if (v->type == J_INT || v->type == J_NUM)
		check_value(c, at, f, v->d);
	else if (any && v->type == J_STR)
		check_map_text(c, at, v);
	else if (v->type != J_NULL && !(any && v->type == J_BOOL))
		mistake(c, at, "type",
		    any ? "must be a number, true, false, a string or null" :
			  "must be a number or null");
}

static void
check_map(const struct check *c, const struct at *at, const struct field *f,
    const struct jval *v)
{
	const struct jval *m;
	struct at here;

	if (v->n > MAP_MEMBERS_MAX) {
		mistake(c, at, "max_length", "must have at most %d members",
		    MAP_MEMBERS_MAX);
		return;
	}
	JSON_FOREACH (m, v) {
		if (code_points(m->key, strlen(m->key)) > MAP_KEY_MAX) {
			mistake(c, at, "max_length",
			    "must have names of at most %d characters",
			    MAP_KEY_MAX);
			continue;
		}
		here = (struct at){ at, m->key, 0 };
		if (!text_ok(m->key, strlen(m->key)))
			mistake(c, at, "format",
			    "must not hold control characters in its names");
		else
			check_map_value(c, &here, f, m);
	}
}

static void
check_array(const struct check *c, const struct at *at, const struct field *f,
    const struct jval *v)
{
	const struct jval *element;
	struct field item = { .sub = f->sub };
	struct check whole = *c;
	struct at here = { at, NULL, 0 };

	check_length(c, at, f, v->n, "elements");
	/* A merge patch replaces arrays as they are (RFC 7396). */
	whole.patch = false;
	item.type = f->sub != NULL ? FIELD_OBJECT : FIELD_STRING;
	JSON_FOREACH (element, v) {
		if (full(c))
			return;
		check_field(&whole, &here, &item, element);
		here.index++;
	}
}

#define JBIT(t) (1u << (t))
static const struct kind {
	unsigned accepts; /* JSON types, as bits */
	const char *must;
	void (*check)(const struct check *, const struct at *,
	    const struct field *, const struct jval *);
} kinds[] = {
	[FIELD_STRING] = { JBIT(J_STR), "a string", check_string },
	[FIELD_INTEGER] = { JBIT(J_INT),
	    "an integer, without fraction or exponent", check_number },
	[FIELD_NUMBER] = { JBIT(J_INT) | JBIT(J_NUM), "a number",
	    check_number },
	[FIELD_BOOLEAN] = { JBIT(J_BOOL), "true or false", check_nothing },
	[FIELD_UUID] = { JBIT(J_STR), "a string with a UUID", check_uuid },
	[FIELD_DATE] = { JBIT(J_STR), "a string with a date", check_date },
	[FIELD_TIME] = { JBIT(J_STR), "a string with a time", check_time },
	[FIELD_ENUM] = { JBIT(J_STR), "a string", check_enum },
	[FIELD_OBJECT] = { JBIT(J_OBJ), "an object", check_object },
	[FIELD_NUMBER_MAP] = { JBIT(J_OBJ), "an object of numbers", check_map },
	[FIELD_VALUE_MAP] = { JBIT(J_OBJ), "an object of values", check_map },
	[FIELD_ARRAY] = { JBIT(J_ARR), "an array", check_array },
};

static void
check_field(const struct check *c, const struct at *at, const struct field *f,
    const struct jval *v)
{
	const struct kind *kind = &kinds[f->type];

	if (v->type == J_NULL && (f->flags & F_NULLABLE))
		return;
	if (v->type == J_NULL)
		mistake(c, at, "null", "must not be null");
	else if (!(kind->accepts & JBIT(v->type)))
		mistake(c, at, "type", "must be %s", kind->must);
	else if (v->type == J_STR && !text_ok(v->s, v->slen))
		mistake(c, at, "format", "must not hold control characters");
	else
		kind->check(c, at, f, v);
}

static int
field_index(const struct schema *s, const char *name)
{
	for (unsigned i = 0; i < s->nfields; i++)
		if (strcmp(s->fields[i].name, name) == 0)
			return ((int)i);

	return (-1);
}

static void
unknown(const struct check *c, const struct at *at, const struct at *here)
{
	const char *what;

	what = c->query ? "query parameter" : "member";
	if (strlen(here->name) <= NAME_SHOWN_MAX)
		mistake(c, here, "unknown", "is not a known %s", what);
	else
		mistake(c, at, "unknown", "has an unknown %s with a long name",
		    what);
}

static void
check_missing(const struct check *c, const struct at *at,
    const struct schema *s, uint64_t seen)
{
	const struct field *f;
	struct at here;

	if (c->patch)
		return;
	for (unsigned i = 0; i < s->nfields; i++) {
		f = &s->fields[i];
		if (!(f->flags & F_REQUIRED) || (f->flags & F_REPLY_ONLY) ||
		    (seen & (UINT64_C(1) << i)))
			continue;
		here = (struct at){ at, f->name, 0 };
		mistake(c, &here, "required", "is required");
	}
}

/* A closed object: members in their order, then what is missing. */
static void
check_members(const struct check *c, const struct at *at,
    const struct schema *s, const struct jval *v)
{
	const struct jval *m;
	struct at here;
	uint64_t seen;
	int i;

	seen = 0;
	JSON_FOREACH (m, v) {
		if (full(c))
			return;
		here = (struct at){ at, m->key, 0 };
		i = field_index(s, m->key);
		if (i < 0) {
			unknown(c, at, &here);
			continue;
		}
		seen |= UINT64_C(1) << i;
		if (s->fields[i].flags & F_REPLY_ONLY)
			mistake(c, &here, "unknown", "is set by the server");
		else
			check_field(c, &here, &s->fields[i], m);
	}
	check_missing(c, at, s, seen);
}

/* ---- the two entrances -------------------------------------------------- */

static enum res
finish(const struct check *c, enum problem problem)
{
	unsigned n = c->err->nfields;

	if (n == 0)
		return (RES_OK);

	return (err_fail(c->err, problem, "%s%u mistake%s: see errors",
	    full(c) ? "at least " : "", n, n == 1 ? "" : "s"));
}

enum res
schema_check(const struct schema *s, const struct jval *v, bool merge_patch,
    enum problem problem, struct arena *arena, struct err *err)
{
	struct check c = { arena, err, merge_patch, false };
	struct at root = { NULL, NULL, 0 };

	if (v->type != J_OBJ)
		mistake(&c, &root, "type", "must be an object");
	else
		check_members(&c, &root, s, v);

	return (finish(
	    &c, problem != PROBLEM_UNSET ? problem : PROBLEM_VALIDATION));
}

enum res
schema_check_query(const struct schema *s, const struct jval *v,
    struct arena *arena, struct err *err)
{
	struct check c = { arena, err, false, true };
	struct at root = { NULL, NULL, 0 };

	check_members(&c, &root, s, v);

	return (finish(&c, PROBLEM_INVALID_QUERY));
}
