/*
 * Accept-Encoding: may a reply come compressed? And the Accept header (RFC
 * 9110, 12.5.1): may the client be answered in JSON? Of the ranges that include
 * application/json the most specific one counts, and a weight of 0 says no.
 * Parameters other than q are not looked at. What does not speak of JSON at
 * all, and is not empty, says no as well.
 */
#include <string.h>
#include <strings.h>

#include "http/http_priv.h"

#define BLANKS " \t"

/* The ranges that include something, the most specific one last. */
struct wanted {
	const char *ranges[3];
};

static const struct wanted json = { { "*/*", "application/*",
    "application/json" } };
static const struct wanted gzip = { { "*", "x-gzip", "gzip" } };

/* How closely a range of n bytes fits what is wanted; 0: not at all. */
static int
closeness(const struct wanted *w, const char *range, size_t n)
{
	const char *const *ranges = w->ranges;

	for (size_t i = 0; i < NELEM(w->ranges); i++)
		if (n == strlen(ranges[i]) &&
		    strncasecmp(range, ranges[i], n) == 0)
			return ((int)i + 1);

	return (0);
}

/* "0", "0." and "0.000"; s begins after "q=". */
static bool
is_zero(const char *s)
{
	if (*s++ != '0')
		return (false);
	if (*s == '.')
		s++;
	s += strspn(s, "0");

	return (*s == '\0' || strchr(BLANKS ",;", *s) != NULL);
}

/* The parameters of one range, up to its comma or the end. */
static bool
weight_is_zero(const char *s)
{
	bool zero = false;

	for (s += strcspn(s, ",;"); *s == ';'; s += strcspn(s, ",;")) {
		s++;
		s += strspn(s, BLANKS);
		if (strncasecmp(s, "q=", 2) == 0)
			zero = is_zero(s + 2);
	}

	return (zero);
}

/* Of a list that is empty or absent, by_default holds. */
static bool
accepts(const struct wanted *w, const char *value, bool by_default)
{
	bool any = false, wanted = false;
	int best = 0, close;
	size_t n;

	for (; *value != '\0'; value += strcspn(value, ",")) {
		value += strspn(value, BLANKS ",");
		if ((n = strcspn(value, BLANKS ",;")) == 0)
			continue;
		any = true;
		close = closeness(w, value, n);
		if (close == 0 || close < best)
			continue;
		best = close;
		wanted = !weight_is_zero(value);
	}

	return (any ? wanted : by_default);
}

bool
accept_has_json(const char *value)
{
	return (accepts(&json, value, true));
}

bool
accept_has_gzip(const char *value)
{
	return (accepts(&gzip, value, false));
}

bool
accept_gzip(struct ctx *cx)
{
	const char *value = ctx_header_list(cx, "accept-encoding");

	return (value != NULL && accept_has_gzip(value));
}

enum res
accept_check(struct ctx *cx)
{
	const char *value;

	if (cx->ep->reply == NULL)
		return (RES_OK);
	value = ctx_header_list(cx, "accept");
	if (value == NULL || accept_has_json(value))
		return (RES_OK);

	return (err_fail(&cx->env.err, PROBLEM_NOT_ACCEPTABLE,
	    "the reply is application/json"));
}
