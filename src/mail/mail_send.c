/*
 * mail_send(): a template and its values become a sealed row of the outbox.
 */
#include <string.h>

#include "mail/mail_priv.h"
#include "obs/obs.h"

enum res
mail_required(struct env *env)
{
	if (mail_configured())
		return (RES_OK);
	return (err_fail(&env->err, PROBLEM_UNAVAILABLE,
	    "This server sends no mail, and this cannot be done without it. "
	    "Whoever runs it must set MAIL_URL."));
}

co_fn enum res
mail_send(struct env *env, enum mail_kind kind, const char *to,
    const char *const *values)
{
	struct mail_row row;
	const char *why;

	if (!mail_kind_is_link(kind) &&
	    (!mail_configured() || !mail_address_valid(to))) {
		metric_add(METRIC_MAILS_DROPPED, 1);
		return (RES_OK);
	}
	if (mail_required(env) != RES_OK)
		return (RES_ERR);
	/* The caller's mistake, or an address that was never one. */
	if (mail_compose(env->arena, kind, to, values, &row, &why) != RES_OK) {
		err_private(&env->err, "mail: %s", why);
		return (err_fail(&env->err, PROBLEM_INTERNAL,
		    "A message about this could not be written."));
	}
	if (mail_db_queue(env, &row) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_MAILS_QUEUED, 1);
	mail_wake();
	return (RES_OK);
}
