/*
 * E-mail addresses as log-in names: the part of RFC 5321 that people use.
 * ASCII only; lower case, because no one remembers which letters were not.
 */
#include <ctype.h>
#include <string.h>

#include "base/base.h"

#define LOCAL_MAX 64
#define LABEL_MAX 63

/* Dot-separated atoms (RFC 5321 Dot-string). */
static bool
local_valid(const char *s, size_t len)
{
	/* A dash in front is an option to many a mailer: no mail goes there. */
	if (len == 0 || len > LOCAL_MAX || s[0] == '.' || s[0] == '-' ||
	    s[len - 1] == '.')
		return (false);
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.' && s[i + 1] == '.')
			return (false);
		if (!isalnum((unsigned char)s[i]) &&
		    strchr("!#$%&'*+-/=?^_`{|}~.", s[i]) == NULL)
			return (false);
	}

	return (true);
}

static bool
label_valid(const char *s, size_t len)
{
	if (len == 0 || len > LABEL_MAX || s[0] == '-' || s[len - 1] == '-')
		return (false);
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)s[i]) && s[i] != '-')
			return (false);
	}

	return (true);
}

static bool
domain_valid(const char *s)
{
	size_t len;

	for (;;) {
		len = strcspn(s, ".");
		if (!label_valid(s, len))
			return (false);
		if (s[len] == '\0')
			return (true);
		s += len + 1;
	}
}

enum res
email_parse(const char *in, char out[EMAIL_MAX + 1])
{
	size_t len = strlen(in), at = strcspn(in, "@");

	if (len > EMAIL_MAX || in[at] == '\0' || !local_valid(in, at) ||
	    !domain_valid(in + at + 1))
		return (RES_ERR);
	for (size_t i = 0; i <= len; i++)
		out[i] = (char)tolower((unsigned char)in[i]);

	return (RES_OK);
}
