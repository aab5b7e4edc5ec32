/*
 * The rules about new passwords as an answer to a request: one place for a
 * change, an invitation and a reset. The password is judged as it was sent;
 * nothing of it is changed or cut off, here or later.
 */
#include <string.h>

#include "account/account_priv.h"

enum res
password_policy_check(struct ctx *cx, const char *pointer, const char *password,
    const char *email, const char *name)
{
	const char *code, *mistake;

	mistake = password_mistake(password, email, name, &code);
	if (mistake == NULL)
		return (RES_OK);
	if (strcmp(code, "min_length") == 0)
		err_field(&cx->env.err, cx->env.arena, pointer, code,
		    "must have at least %lld characters",
		    (long long)setting_int(SETTING_PASSWORD_MIN));
	else
		err_field(
		    &cx->env.err, cx->env.arena, pointer, code, "%s", mistake);
	return (err_fail(&cx->env.err, PROBLEM_VALIDATION,
	    "The new password is not acceptable."));
}
