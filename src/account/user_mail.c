/*
 * Notices to those whose account was changed, in the transaction of the
 * change. Whoever gets another address is told at the old one: if it was not
 * meant, that is the one she still reads.
 */
#include <stdio.h>

#include "account/account_priv.h"
#include "mail/mail.h"

/* "2026-01-31 23:59 UTC" */
const char *
user_mail_time(struct ctx *cx)
{
	char text[TIME_STRLEN + 1];

	time_format(cx->now_us, text);
	return (arena_printf(cx->env.arena, "%.10s %.5s UTC", text, text + 11));
}

static void
also(struct buf *b, const char *what)
{
	buf_printf(b, b->len > 0 ? ", %s" : "%s", what);
}

/* Of what a mail tells; no more than the user may know of herself. */
static const char *
words(struct ctx *cx, const struct user_row *now, unsigned changes)
{
	struct buf b;

	buf_init(&b, cx->env.arena, 128);
	if (changes & USER_CHANGE_NAME)
		also(&b, "your name");
	if (changes & USER_CHANGE_ROLE)
		also(&b, arena_printf(cx->env.arena, "your role is now \"%s\"",
			     role_name(now->role)));
	if (changes & USER_CHANGE_SCOPES)
		also(&b, "what you are permitted to do");
	if (changes & USER_CHANGE_DISABLED)
		also(&b,
		    now->disabled ? "it is disabled" : "it is enabled again");
	if (changes & USER_CHANGE_ONETIME)
		also(&b, now->onetime ?
			     "you will have to change your password" :
			     "you need not change your password any more");
	return (b.data);
}

co_fn enum res
user_mail_changed(struct ctx *cx, const struct user_row *before,
    const struct user_row *after, unsigned changes)
{
	const char *const values[] = { "name", after->name, "what",
		words(cx, after, changes), "when", user_mail_time(cx), NULL };

	/* A service reads no mail. */
	if (before->role == ROLE_SERVICE)
		return (RES_OK);
	if ((changes & USER_CHANGE_EMAIL) &&
	    mail_send(&cx->env, MAIL_ADDRESS_CHANGED, before->email, values) !=
		RES_OK)
		return (RES_ERR);
	if (!(changes & ~USER_CHANGE_EMAIL))
		return (RES_OK);
	return (
	    mail_send(&cx->env, MAIL_ACCOUNT_CHANGED, after->email, values));
}
