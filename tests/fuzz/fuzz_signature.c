/*
 * libFuzzer target of structured fields and signature bases. The input is
 * lines: a Signature-Input, a request target, then fields. Whatever is
 * accepted must be written in a form that reads back as the same, and a base
 * must have just one line a component, each beginning with its identifier, of
 * printable ASCII: nothing that a client sends may look like another line.
 * Whatever is refused must say why.
 */
#include <stdlib.h>
#include <string.h>

#include "httpsig/httpsig.h"

#define FIELDS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool truth)
{
	if (!truth)
		abort();
}

/* Cuts a line off; NULL: there is none left. */
static char *
next_line(char **text)
{
	char *line = *text, *end;

	if (line == NULL)
		return (NULL);
	if ((end = strchr(line, '\n')) != NULL)
		*end = '\0';
	*text = end != NULL ? end + 1 : NULL;

	return (line);
}

static void
message_of(
    struct message *m, struct ctx_field *fields, char *target, char *rest)
{
	char *line, *colon;

	memset(m, 0, sizeof(*m));
	m->method = "GET";
	m->scheme = "https";
	m->authority = "example.com";
	m->path = target != NULL ? target : "/";
	if (target != NULL && (colon = strchr(target, '?')) != NULL) {
		*colon = '\0';
		m->query = colon + 1;
	}
	m->fields = fields;
	while (m->nfields < FIELDS_MAX && (line = next_line(&rest)) != NULL) {
		if ((colon = strchr(line, ':')) == NULL)
			continue;
		*colon = '\0';
		fields[m->nfields].name = line;
		fields[m->nfields++].value = colon + 1;
	}
}

static const char *
written(struct arena *arena, const struct sfv_value *v)
{
	struct buf b;

	buf_init(&b, arena, 64);
	sfv_write(&b, v);

	return (b.data);
}

static void
reads_back(struct arena *arena, const struct sfv_member *m)
{
	const struct sfv_member *again;
	const char *first = written(arena, &m->value);

	must(sfv_dictionary(arena, arena_printf(arena, "%s=%s", m->key, first),
		 &again) == RES_OK);
	must(again->next == NULL && again->value.type == m->value.type);
	must(strcmp(written(arena, &again->value), first) == 0);
}

static void
check_base(const struct buf *base, const struct sig_component *c, unsigned n,
    const char *params)
{
	const char *line = base->data, *end;

	must(strlen(base->data) == base->len);
	for (size_t i = 0; i < base->len; i++)
		must((base->data[i] >= 0x20 && base->data[i] <= 0x7e) ||
		     base->data[i] == '\n' || base->data[i] == '\t');
	for (unsigned i = 0; i < n; i++, line = end + 1) {
		must((end = strchr(line, '\n')) != NULL);
		must(strncmp(line, c[i].identifier, strlen(c[i].identifier)) ==
		     0);
		must(strncmp(line + strlen(c[i].identifier), ": ", 2) == 0);
	}
	must(strchr(line, '\n') == NULL);
	must(strncmp(line, "\"@signature-params\": ", 21) == 0);
	must(strcmp(line + 21, params) == 0);
}

static void
build(
    struct arena *arena, const struct sfv_value *list, const struct message *m)
{
	struct sig_component c[COMPONENTS_MAX];
	const struct sfv_member *item;
	const char *why = NULL, *params = written(arena, list);
	struct buf base;
	unsigned n = 0;

	for (item = list->items; item != NULL; item = item->next) {
		if (n == COMPONENTS_MAX)
			return;
		if (component_read(arena, &item->value, &c[n++], &why) !=
		    RES_OK) {
			must(why != NULL && *why != '\0');
			return;
		}
	}
	if (signature_base(arena, m, c, n, params, &base, &why) == RES_OK)
		check_base(&base, c, n, params);
	else
		must(why != NULL && *why != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct ctx_field fields[FIELDS_MAX];
	const struct sfv_member *m;
	char *text, *input, *target;
	struct message msg;

	text = arena_strndup(arena, (const char *)data, size);
	input = next_line(&text);
	target = next_line(&text);
	message_of(&msg, fields, target, text);
	if (sfv_dictionary(arena, input, &m) == RES_OK) {
		for (; m != NULL; m = m->next) {
			reads_back(arena, m);
			if (m->value.type == SFV_LIST)
				build(arena, &m->value, &msg);
		}
	}
	arena_destroy(&arena);

	return (0);
}
