/*
 * E-mail addresses as operands and options.
 */
#include "ctl/ctl.h"

_Static_assert(CTL_EMAIL_MAX == EMAIL_MAX, "e-mail addresses");

enum res
ctl_email(const char *in, char out[CTL_EMAIL_MAX + 1])
{
	if (email_parse(in, out) == RES_OK)
		return (RES_OK);
	ctl_error("\"%s\" is not an e-mail address", in);
	ctl_hint("it must look like ada@example.org");

	return (RES_ERR);
}
