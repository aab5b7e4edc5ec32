/*
 * The If-Match header (RFC 9110, 13.1.1), and If-None-Match for what may be
 * kept by caches: "*", or a list of entity tags. Our
 * tags are a version number in quotes. The comparison is strong, so a weak
 * tag is well-formed but matches nothing.
 */
#include <stdio.h>
#include <string.h>

#include "http/http.h"

static const char *
skip_blanks(const char *s)
{
	return (s + strspn(s, " \t"));
}

/* One entity tag at *s; moves behind it. */
static bool
take_tag(const char **s, bool *weak, const char **tag, size_t *len)
{
	const char *p = *s;

	*weak = p[0] == 'W' && p[1] == '/';
	p += *weak ? 2 : 0;
	if (*p++ != '"')
		return (false);
	*tag = p;
	while ((unsigned char)*p > 0x20 && *p != '"' && *p != 0x7f)
		p++;
	*len = (size_t)(p - *tag);
	if (*p != '"')
		return (false);
	*s = p + 1;

	return (true);
}

bool
if_none_match(const char *header, const char *want)
{
	const char *s, *tag;
	size_t len;
	bool weak;

	if (header == NULL)
		return (false);
	s = skip_blanks(header);
	if (*s == '*')
		return (true);
	for (; *s != '\0'; s = skip_blanks(s)) {
		if (*s == ',') {
			s++;
			continue;
		}
		if (!take_tag(&s, &weak, &tag, &len))
			return (false);
		if (strlen(want) == len + 2 && memcmp(want + 1, tag, len) == 0)
			return (true);
	}

	return (false);
}

enum if_match
if_match(const char *header, int32_t version)
{
	const char *s, *tag;
	char want[16];
	size_t len, n;
	bool weak, found = false, any = false;

	if (header == NULL)
		return (IF_MATCH_YES);
	s = skip_blanks(header);
	if (*s == '*')
		return (*skip_blanks(s + 1) == '\0' ? IF_MATCH_YES :
						      IF_MATCH_MALFORMED);
	n = (size_t)snprintf(want, sizeof(want), "%d", version);
	for (;;) {
		/* Empty elements are to be ignored (RFC 9110, 5.6.1.2). */
		while (*s == ',')
			s = skip_blanks(s + 1);
		if (*s == '\0')
			break;
		if (!take_tag(&s, &weak, &tag, &len))
			return (IF_MATCH_MALFORMED);
		any = true;
		found |= !weak && len == n && memcmp(tag, want, n) == 0;
		s = skip_blanks(s);
		if (*s != ',' && *s != '\0')
			return (IF_MATCH_MALFORMED);
	}
	if (!any)
		return (IF_MATCH_MALFORMED);

	return (found ? IF_MATCH_YES : IF_MATCH_NO);
}
