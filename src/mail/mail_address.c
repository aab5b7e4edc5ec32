/*
 * Which addresses mail is sent to: one plain mailbox. What RFC 5321 allows
 * beyond that (quoted local parts, address literals, comments) nobody has in
 * earnest, and it is how headers and commands get injected.
 */
#include <ctype.h>
#include <string.h>

#include "mail/mail_priv.h"

#define LOCAL_MAX 64 /* RFC 5321, 4.5.3.1.1 */

/* Atoms of RFC 5322, 3.2.3, and letters past ASCII. */
static bool
atom_char(unsigned char c)
{
	return (c >= 0x80 || isalnum(c) ||
		strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
domain_char(unsigned char c)
{
	return (c >= 0x80 || isalnum(c) || c == '-');
}

/* Parts with dots between them, none of them empty. */
static bool
dotted(const char *s, size_t len, bool (*good)(unsigned char))
{
	char before = '.';

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.' ? before == '.' : !good((unsigned char)s[i]))
			return (false);
		before = s[i];
	}
	return (before != '.');
}

bool
mail_address_valid(const char *s)
{
	size_t len = strnlen(s, MAIL_ADDRESS_MAX + 1);
	const char *at = strrchr(s, '@');

	if (len > MAIL_ADDRESS_MAX || at == NULL || !utf8_valid(s, len))
		return (false);
	return ((size_t)(at - s) <= LOCAL_MAX &&
		dotted(s, (size_t)(at - s), atom_char) && s[0] != '-' &&
		dotted(at + 1, strlen(at + 1), domain_char));
}
