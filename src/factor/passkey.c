/*
 * One's own passkeys: registered with a fresh proof of who it is, renamed,
 * and taken away. What changes them tells their owner by mail, in the same
 * transaction.
 */
#include <string.h>

#include "audit/audit.h"
#include "factor/factor_priv.h"
#include "obs/obs.h"

#define OBJECT "passkey"
#define FACTOR "a passkey"

/* ---- refusals --------------------------------------------------------------
 */

/* The log names nobody: the audit row of the request does. */
static void
alert(const struct ctx *cx)
{
	char request[UUID_STRLEN + 1];

	metric_add(METRIC_PASSKEY_COPIES, 1);
	uuid_format(&cx->request_id, request);
	log_event(LOG_LEVEL_WARN, "auth.alert",
	    "the signature counter of a passkey did not grow, there may be a "
	    "copy of it: see the audit row of request %s",
	    request);
}

co_fn enum res
passkey_denied(
    struct ctx *cx, const struct passkey_owned *p, enum webauthn_fault why)
{
	struct audit_event ev;
	char user[UUID_STRLEN + 1];
	struct buf detail;

	err_clear(&cx->env.err);
	audit_event(cx, &ev, AUDIT_DENIED);
	buf_init(&detail, cx->env.arena, 96);
	buf_printf(&detail, "{\"reason\":\"%s\"", webauthn_fault_slug(why));
	if (p != NULL && !uuid_is_nil(&p->id)) {
		audit_object(&ev, OBJECT, &p->id);
		uuid_format(&p->user_id, user);
		buf_printf(&detail, ",\"user\":\"%s\"", user);
	}
	if (why == WEBAUTHN_COUNTER) {
		alert(cx);
		buf_puts(&detail, ",\"alert\":true");
	}
	buf_putc(&detail, '}');
	ev.detail = detail.data;
	return (audit_append(cx, &ev));
}

static co_fn enum res
refused(struct ctx *cx, enum webauthn_fault why)
{
	if (passkey_denied(cx, NULL, why) != RES_OK)
		return (RES_ERR);
	return (err_fail(&cx->env.err, PROBLEM_PASSKEY_REFUSED, "%s",
	    webauthn_fault_text(why)));
}

static co_fn enum res
conflict(struct ctx *cx, const struct uuid *id, const char *why)
{
	err_clear(&cx->env.err);
	(void)err_fail(&cx->env.err, PROBLEM_CONFLICT, "%s", why);
	return (audit_failed(cx, OBJECT, id));
}

static co_fn enum res
not_found(struct ctx *cx, const struct uuid *id)
{
	/* Another problem: the refusal could not be recorded. */
	if (audit_denied(cx, OBJECT, id) == RES_OK ||
	    cx->env.err.problem != PROBLEM_NOT_FOUND)
		return (RES_ERR);
	err_clear(&cx->env.err);
	return (err_fail(&cx->env.err, PROBLEM_NOT_FOUND,
	    "There is no such passkey, or it is not yours."));
}

/* ---- registering -----------------------------------------------------------
 */

static enum res
check_name(struct ctx *cx, const char *name)
{
	if (strpbrk(name, "\n\t") == NULL)
		return (RES_OK);
	err_field(&cx->env.err, cx->env.arena, "/name", "format",
	    "must be on one line");
	return (err_fail(
	    &cx->env.err, PROBLEM_VALIDATION, "1 mistake: see errors"));
}

/* RES_OK and a fault: the answer does not hold. */
static co_fn enum res
examine(struct ctx *cx, const struct passkey_answer *answer,
    struct webauthn_credential *c, enum webauthn_fault *why)
{
	const struct webauthn_rp rp = passkey_rp();
	struct webauthn_client client;
	bool ours;

	if (webauthn_client_read(
		cx->env.arena, &answer->client_data, &client, why) != RES_OK)
		return (RES_OK);
	if (challenge_take(cx, CHALLENGE_REGISTER, cx->who, client.challenge,
		&ours) != RES_OK)
		return (RES_ERR);
	*why = WEBAUTHN_CHALLENGE;
	if (!ours || webauthn_register(cx->env.arena, &rp, &client,
			 &answer->attestation, c, why) != RES_OK)
		return (RES_OK);
	*why = WEBAUTHN_CREDENTIAL;
	if (c->id.len == answer->id.len &&
	    memcmp(c->id.p, answer->id.p, c->id.len) == 0)
		*why = WEBAUTHN_FAULT_UNSET;
	return (RES_OK);
}

static co_fn enum res
create_failed(struct ctx *cx)
{
	if (audit_refused(cx, "EL401"))
		return (session_is_over(cx));
	if (audit_refused(cx, "23505"))
		return (conflict(cx, NULL, "This passkey is registered."));
	if (audit_refused(cx, "EL409"))
		return (conflict(cx, NULL,
		    arena_printf(cx->env.arena,
			"There are %d passkeys: remove one first.",
			PASSKEYS_PER_USER)));
	if (audit_refused(cx, "EL404"))
		return (
		    conflict(cx, NULL, "The account was disabled meanwhile."));
	return (audit_db_failed(cx, OBJECT, NULL));
}

static const char *
create_detail(struct ctx *cx, const struct webauthn_credential *c)
{
	char model[UUID_STRLEN + 1];

	uuid_format(&c->aaguid, model);
	return (arena_printf(cx->env.arena,
	    "{\"alg\":\"%s\",\"aaguid\":\"%s\",\"backed_up\":%s}",
	    webauthn_alg_name(c->alg), model, c->backed_up ? "true" : "false"));
}

static co_fn enum res
create(struct ctx *cx, const struct passkey_answer *answer,
    const struct webauthn_credential *c, struct passkey *p, int64_t *from_us)
{
	struct audit_event ev;
	struct auth_user user;
	struct db_tx *tx;
	enum res res;

	uuid_v7(&p->id);
	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, OBJECT, &p->id);
	ev.detail = create_detail(cx, c);
	/* For the mail: the session's address may be one of before. */
	if (auth_db_by_id(cx, &cx->who->user_id, &user) != RES_OK ||
	    factor_change_begin(cx, &tx) != RES_OK)
		return (RES_ERR);
	res = session_db_holds(cx);
	if (res == RES_OK)
		res = passkey_db_create(cx, &ev, answer, c, p);
	if (res == RES_OK)
		res = session_db_from(cx, from_us);
	if (factor_change_end(cx, tx, res, &user, MAIL_FACTOR_ADDED, FACTOR) !=
	    RES_OK)
		return (create_failed(cx));
	return (RES_OK);
}

co_fn enum res
passkey_register(struct ctx *cx, struct passkey *p, int64_t *from_us)
{
	struct webauthn_credential c;
	struct passkey_answer answer;
	enum webauthn_fault why;

	memset(p, 0, sizeof(*p));
	p->name = json_get_str(cx->body, "name");
	if (check_name(cx, p->name) != RES_OK ||
	    passkey_read_new(cx, &answer) != RES_OK ||
	    examine(cx, &answer, &c, &why) != RES_OK)
		return (RES_ERR);
	if (why != WEBAUTHN_FAULT_UNSET)
		return (refused(cx, why));
	return (create(cx, &answer, &c, p, from_us));
}

/* ---- changing --------------------------------------------------------------
 */

co_fn enum res
passkey_rename(struct ctx *cx, const struct uuid *id, struct passkey *p)
{
	const char *name = json_get_str(cx->body, "name");
	struct audit_event ev;

	if (check_name(cx, name) != RES_OK)
		return (RES_ERR);
	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, OBJECT, id);
	if (passkey_db_rename(cx, &ev, id, name, p) == RES_OK)
		return (RES_OK);
	if (audit_refused(cx, "EL404"))
		return (not_found(cx, id));
	return (audit_db_failed(cx, OBJECT, id));
}

static co_fn enum res
delete_failed(struct ctx *cx, const struct uuid *id)
{
	if (audit_refused(cx, "EL404"))
		return (not_found(cx, id));
	if (audit_refused(cx, "EL409"))
		return (conflict(cx, id,
		    "Your role needs a second factor, and this is the last "
		    "one: set another one up first."));
	return (audit_db_failed(cx, OBJECT, id));
}

co_fn enum res
passkey_delete(struct ctx *cx, const struct uuid *id, unsigned *has)
{
	struct audit_event ev;
	struct auth_user user;
	struct db_tx *tx;
	int32_t left = 0;
	enum res res;

	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, OBJECT, id);
	if (auth_db_by_id(cx, &cx->who->user_id, &user) != RES_OK ||
	    factor_change_begin(cx, &tx) != RES_OK)
		return (RES_ERR);
	res = passkey_db_delete(
	    cx, &ev, id, login_role_needs_factor(cx->who->role), &left);
	if (factor_change_end(
		cx, tx, res, &user, MAIL_FACTOR_REMOVED, FACTOR) != RES_OK)
		return (delete_failed(cx, id));
	if (left == 0)
		*has &= ~(unsigned)FACTOR_PASSKEY;
	if (left == 0 && !user.totp)
		*has = 0;
	return (RES_OK);
}
