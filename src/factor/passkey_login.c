/*
 * A passkey shown: for a log-in, when nobody says who she is but the passkey
 * itself, or by somebody whose session asks for it. Every refusal looks the
 * same to the client; the audit row has the reason.
 *
 * The challenge is gone with the first look at it, whatever comes of that. A
 * log-in costs three statements and one command before those that every log-in
 * costs: who it is comes with the passkey, and the counter is written only
 * when all else is right.
 */
#include <string.h>

#include "audit/audit.h"
#include "factor/factor_priv.h"
#include "obs/obs.h"

static co_fn enum res
refuse(struct ctx *cx, const struct passkey_owned *p, enum webauthn_fault why)
{
	if (passkey_denied(cx, p, why) != RES_OK)
		return (RES_ERR);
	return (err_fail(&cx->env.err, PROBLEM_BAD_CREDENTIALS,
	    "The passkey was not accepted."));
}

/* The handle is the user's id: a browser gives back what it was given when
 * the passkey was registered. */
static bool
handle_is(const struct passkey_answer *answer, const struct uuid *user)
{
	return (answer->user_handle.len == sizeof(user->b) &&
		memcmp(answer->user_handle.p, user->b, sizeof(user->b)) == 0);
}

/* Named before: the handle may be left out, but must not be another's. */
static bool
owner_fits(const struct passkey_answer *answer, const struct passkey_owned *p,
    const struct principal *who)
{
	if (who == NULL)
		return (handle_is(answer, &p->user_id));
	return (
	    uuid_equal(&p->user_id, &who->user_id) &&
	    (answer->user_handle.len == 0 || handle_is(answer, &p->user_id)));
}

/* RES_OK and a fault: the answer does not hold. */
static co_fn enum res
examine(struct ctx *cx, enum challenge_purpose purpose,
    const struct principal *who, struct passkey_owned *p,
    struct webauthn_use *use, enum webauthn_fault *why)
{
	const struct webauthn_rp rp = passkey_rp();
	struct webauthn_client client;
	struct passkey_answer answer;
	bool yes;

	memset(p, 0, sizeof(*p));
	if (passkey_read_used(cx, &answer) != RES_OK)
		return (RES_ERR);
	if (webauthn_client_read(
		cx->env.arena, &answer.client_data, &client, why) != RES_OK)
		return (RES_OK);
	if (challenge_take(cx, purpose, who, client.challenge, &yes) != RES_OK)
		return (RES_ERR);
	*why = WEBAUTHN_CHALLENGE;
	if (!yes)
		return (RES_OK);
	if (passkey_db_find(cx, &answer.id, p, &yes) != RES_OK)
		return (RES_ERR);
	*why = WEBAUTHN_UNKNOWN;
	if (!yes)
		return (RES_OK);
	*why = WEBAUTHN_USER_HANDLE;
	if (owner_fits(&answer, p, who) &&
	    webauthn_assert(cx->env.arena, &rp, &client, &p->stored,
		&answer.data, &answer.signature, use, why) == RES_OK)
		*why = WEBAUTHN_FAULT_UNSET;
	return (RES_OK);
}

/* What the use of a passkey was refused for. */
static co_fn enum res
not_used(struct ctx *cx, const struct passkey_owned *p)
{
	if (audit_refused(cx, "EL409"))
		return (refuse(cx, p, WEBAUTHN_COUNTER));
	if (audit_refused(cx, "EL404"))
		return (refuse(cx, p, WEBAUTHN_UNKNOWN));
	return (audit_db_failed(cx, "passkey", &p->id));
}

static co_fn enum res
login_refused(
    struct ctx *cx, const struct passkey_owned *p, enum webauthn_fault why)
{
	metric_add(METRIC_LOGINS_FAILURE, 1);
	return (refuse(cx, p, why));
}

co_fn enum res
passkey_login(struct ctx *cx, struct passkey_owned *p, struct auth_user *user)
{
	struct webauthn_use use;
	enum webauthn_fault why;

	if (examine(cx, CHALLENGE_LOGIN, NULL, p, &use, &why) != RES_OK)
		return (RES_ERR);
	if (why != WEBAUTHN_FAULT_UNSET)
		return (login_refused(cx, p, why));
	if (auth_db_by_id(cx, &p->user_id, user) != RES_OK)
		return (RES_ERR);
	if (!user->found || user->disabled || user->deleted ||
	    user->role == ROLE_UNSET)
		return (login_refused(cx, p, WEBAUTHN_ACCOUNT));
	if (passkey_db_used(cx, NULL, &p->id, &use) == RES_OK)
		return (RES_OK);
	metric_add(METRIC_LOGINS_FAILURE, 1);
	return (not_used(cx, p));
}

co_fn enum res
passkey_verify(struct ctx *cx)
{
	struct passkey_owned p;
	struct webauthn_use use;
	enum webauthn_fault why;
	struct audit_event ev;

	if (examine(cx, CHALLENGE_VERIFY, cx->who, &p, &use, &why) != RES_OK)
		return (RES_ERR);
	if (why != WEBAUTHN_FAULT_UNSET)
		return (refuse(cx, &p, why));
	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "passkey", &p.id);
	if (passkey_db_used(cx, &ev, &p.id, &use) != RES_OK)
		return (not_used(cx, &p));
	return (RES_OK);
}
