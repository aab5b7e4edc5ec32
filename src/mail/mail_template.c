/*
 * The words of every mail, and the values that are put into them. A value
 * stays on its line: control characters in it become spaces, so that a name
 * can neither add a line nor a header.
 */
#include <string.h>
#include <time.h>

#include "mail/mail_priv.h"

enum {
	MAIL_NOTICE,
	MAIL_LINK
};

static const struct {
	const char *name, *subject, *text;
	int needed;
} templates[MAIL_MAX] = {
#define MAIL(id, name, needed, subject, text) \
	[MAIL_##id] = { name, subject, text, needed },
#include "mail/tbl/mails.def"
#undef MAIL
};

const char *
mail_kind_name(enum mail_kind kind)
{
	return (templates[kind].name);
}

enum mail_kind
mail_kind_parse(const char *name)
{
	for (enum mail_kind k = MAIL_UNSET + 1; k < MAIL_MAX; k++)
		if (strcmp(templates[k].name, name) == 0)
			return (k);
	return (MAIL_UNSET);
}

bool
mail_kind_is_link(enum mail_kind kind)
{
	return (templates[kind].needed == MAIL_LINK);
}

static const char *
value_of(const char *const *values, const char *name, size_t len)
{
	for (; values != NULL && *values != NULL; values += 2)
		if (strlen(values[0]) == len &&
		    memcmp(values[0], name, len) == 0)
			return (values[1]);
	return (NULL);
}

static void
put_value(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++)
		buf_putc(b, (unsigned char)*s < ' ' || *s == 0x7f ? ' ' : *s);
}

/* NULL when a value is missing. */
static const char *
fill(struct arena *arena, const char *template, const char *const *values,
    const char **missing)
{
	struct buf b;
	const char *end, *value;

	buf_init(&b, arena, 512);
	for (const char *p = template; *p != '\0'; p++) {
		if (*p != '{' || (end = strchr(p, '}')) == NULL) {
			buf_putc(&b, *p);
			continue;
		}
		value = value_of(values, p + 1, (size_t)(end - p - 1));
		if (value == NULL) {
			*missing =
			    arena_strndup(arena, p + 1, (size_t)(end - p - 1));
			return (NULL);
		}
		put_value(&b, value);
		p = end;
	}
	return (b.data);
}

enum res
mail_fill(struct arena *arena, const char *service, const char *const *values,
    struct mail *mail, const char **missing)
{
	const char **all;
	size_t n = 0;

	while (values != NULL && values[n] != NULL)
		n += 2;
	all = arena_alloc(arena, (n + 3) * sizeof(*all));
	all[0] = "service";
	all[1] = service;
	if (n > 0)
		memcpy(all + 2, values, n * sizeof(*all));
	mail->subject =
	    fill(arena, templates[mail->kind].subject, all, missing);
	if (mail->subject == NULL)
		return (RES_ERR);
	mail->text = fill(arena, templates[mail->kind].text, all, missing);
	return (mail->text != NULL ? RES_OK : RES_ERR);
}

const char *
mail_when(struct arena *arena, int64_t us)
{
	time_t t = (time_t)(us / 1000000);
	char text[64];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%e %B %Y, %H:%M UTC", &tm);
	return (arena_strdup(arena, text[0] == ' ' ? text + 1 : text));
}
