/*
 * eleusisctl settings and version. With --markdown it writes the text of
 * docs/settings.md from the table that the server reads, and with its
 * defaults, so that the two cannot differ.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

/* The flags as settings.def writes them, in words. */
struct doc {
	const char *id, *type, *def, *flags, *text;
	long long min, max;
};

static const struct doc docs[] = {
#define SETTING(id, type, def, min, max, flags, text) \
	{ #id, #type, def, #flags, text, min, max },
#include "base/tbl/settings.def"
#undef SETTING
};

static const char intro[] =
    "# Settings\n"
    "\n"
    "Written by `eleusisctl settings --markdown`; do not edit.\n"
    "\n"
    "A value comes from the environment (`ELEUSIS_` and the name in capitals),"
    "\nelse from `conf/<env>.conf` (`name = value`, `#` begins a comment), else"
    "\nit is the default. Mistakes are all reported at once at the start."
    " In\nproduction (`env = prod`) those marked *required* must be set, and"
    " not to\ntheir default. `eleusisctl settings` prints the values in force."
    "\n\n"
    "| setting | default | values | meaning |\n"
    "|---|---|---|---|\n";

static void
print_lower(const char *s)
{
	for (; *s != '\0'; s++)
		putchar(*s >= 'A' && *s <= 'Z' ? *s | 0x20 : *s);
}

static void
print_values(const struct doc *d)
{
	if (strcmp(d->type, "BOOL") == 0)
		printf("true, false");
	else if (strcmp(d->type, "INT") == 0)
		printf("%lld to %lld", d->min, d->max);
	else if (strstr(d->flags, "S_FILE") != NULL)
		printf("a path that exists");
	else
		printf("text, %lld to %lld bytes", d->min, d->max);
}

static void
print_markdown(void)
{
	size_t i;

	fputs(intro, stdout);
	for (i = 0; i < NELEM(docs); i++) {
		printf("| `");
		print_lower(docs[i].id);
		if (docs[i].def[0] == '\0')
			printf("` | (empty) | ");
		else
			printf("` | `%s` | ", docs[i].def);
		print_values(&docs[i]);
		printf(" | %s%s |\n", docs[i].text,
		    strstr(docs[i].flags, "S_NODEV") != NULL ? "; *required*" :
							       "");
	}
}

static void
print_line(const char *line)
{
	puts(line);
}

enum ctl_exit
ctl_settings(const struct ctl_args *args)
{
	if (ctl_value(args, "markdown") != NULL)
		print_markdown();
	else
		settings_print(print_line);

	return (CTL_DONE);
}

enum ctl_exit
ctl_version(const struct ctl_args *args UNUSED)
{
	printf("eleusisctl %s\n", ELEUSIS_VERSION);

	return (CTL_DONE);
}
