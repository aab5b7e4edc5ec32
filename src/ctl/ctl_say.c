/*
 * What goes to standard error: what went wrong, and what to do.
 */
#include <stdio.h>

#include "ctl/ctl.h"

static void
say(const char *prefix, const char *fmt, va_list ap)
{
	/* What was printed before belongs before it. */
	fflush(stdout);
	fputs(prefix, stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void
ctl_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("eleusisctl: ", fmt, ap);
	va_end(ap);
}

void
ctl_hint(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("  -> ", fmt, ap);
	va_end(ap);
}
