/*
 * The one place an error is described. The function that sees a failure
 * fills the request's struct err: the problem and detail go to the client,
 * private goes to the log only. Whoever is above just passes RES_ERR on.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

static const struct problem_row rows[PROBLEM_MAX] = {
#define PROBLEM(id, status, slug, title) \
	[PROBLEM_##id] = { status, slug, title },
#include "base/tbl/problems.def"
#undef PROBLEM
};

/* A text cut in the middle of a character would not be UTF-8 any more. */
static void
trim_partial_char(char *s, size_t size)
{
	size_t len, start;

	len = strlen(s);
	if (len + 1 < size)
		return;
	start = len;
	while (start > 0 && len - start < 3 &&
	       ((unsigned char)s[start - 1] & 0xc0) == 0x80)
		start--;
	if (start > 0 && ((unsigned char)s[start - 1] & 0xc0) == 0xc0)
		start--;
	if (!utf8_valid(s + start, len - start))
		s[start] = '\0';
}

static void PRINTF(3, 0)
    format_into(char *out, size_t size, const char *fmt, va_list ap)
{
	if (vsnprintf(out, size, fmt, ap) < 0)
		out[0] = '\0';
	trim_partial_char(out, size);
}

const struct problem_row *
problem_row(enum problem p)
{
	assert(p > PROBLEM_UNSET && p < PROBLEM_MAX);

	return (&rows[p]);
}

void
err_clear(struct err *err)
{
	memset(err, 0, sizeof(*err));
}

enum res
err_fail(struct err *err, enum problem p, const char *fmt, ...)
{
	va_list ap;

	assert(p > PROBLEM_UNSET && p < PROBLEM_MAX);

	if (err->problem != PROBLEM_UNSET)
		return (RES_ERR);

	err->problem = p;
	va_start(ap, fmt);
	format_into(err->detail, sizeof(err->detail), fmt, ap);
	va_end(ap);

	return (RES_ERR);
}

void
err_private(struct err *err, const char *fmt, ...)
{
	size_t len;
	va_list ap;

	len = strlen(err->private);
	if (len > 0 && len + 3 < sizeof(err->private)) {
		memcpy(err->private + len, "; ", 3);
		len += 2;
	}

	va_start(ap, fmt);
	format_into(err->private + len, sizeof(err->private) - len, fmt, ap);
	va_end(ap);
}

/*
 * Mistakes past ERR_FIELDS_MAX are counted in nfields but not kept: a body
 * of 100,000 unknown members must not make a reply of 100,000 entries.
 */
void
err_field(struct err *err, struct arena *arena, const char *pointer,
    const char *code, const char *fmt, ...)
{
	struct err_field *field;
	va_list ap;

	if (err->nfields++ >= ERR_FIELDS_MAX)
		return;

	field = arena_alloc(arena, sizeof(*field));
	field->pointer = arena_strdup(arena, pointer);
	field->code = arena_strdup(arena, code);
	va_start(ap, fmt);
	field->detail = arena_vprintf(arena, fmt, ap);
	va_end(ap);

	if (err->fields == NULL)
		err->fields = field;
	else
		*err->fields_tail = field;
	err->fields_tail = &field->next;
}
