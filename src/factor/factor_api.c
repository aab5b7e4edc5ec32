/*
 * /v1/me/totp, /v1/me/recovery-codes, /v1/me/factors: one's own second
 * factors. All that changes them wants a fresh proof of who it is, ends in a
 * new token for the session, and tells the owner by mail.
 *
 * Changes read first, so they take two round trips to PostgreSQL and more.
 */
#include <string.h>

#include <sodium.h>

#include "audit/audit.h"
#include "factor/factor_priv.h"

#define APP       "an authenticator app"
#define CONFIRM_S INT64_C(600) /* from the secret to its first code */

/* ---- the authenticator app -------------------------------------------------
 */

/* The host of ORIGIN, as apps show it above the code. */
static const char *
issuer(struct ctx *cx)
{
	const char *s = setting_str(SETTING_ORIGIN);
	const char *host = strstr(s, "://");

	host = host != NULL ? host + 3 : s;
	if (host[0] == '[')
		return (arena_strndup(
		    cx->env.arena, host + 1, strcspn(host, "]") - 1));
	return (arena_strndup(cx->env.arena, host, strcspn(host, ":")));
}

/* The form that authenticator apps read; it has no standard. A colon parts
 * issuer and account, so those of the issuer are encoded. */
static const char *
otpauth_uri(struct ctx *cx, const char *secret)
{
	const char *from = issuer(cx);
	struct buf b;

	buf_init(&b, cx->env.arena, 256);
	buf_puts(&b, "otpauth://totp/");
	query_encode(&b, from, strlen(from));
	buf_putc(&b, ':');
	query_encode(&b, cx->who->email, strlen(cx->who->email));
	buf_printf(&b, "?secret=%s&issuer=", secret);
	query_encode(&b, from, strlen(from));
	buf_printf(&b, "&algorithm=SHA1&digits=%d&period=%d", TOTP_DIGITS,
	    TOTP_STEP_S);
	return (b.data);
}

static void
reply_secret(struct ctx *cx, const uint8_t secret[TOTP_SECRET_BYTES])
{
	struct json_out *o = json_out_new(cx->env.arena);
	char text[TOTP_SECRET_STRLEN + 1];

	totp_secret_text(secret, text);
	json_obj(o);
	json_kstr(o, "secret", text);
	json_kstr(o, "uri", otpauth_uri(cx, text));
	json_kstr(o, "algorithm", "SHA1");
	json_kint(o, "digits", TOTP_DIGITS);
	json_kint(o, "period_seconds", TOTP_STEP_S);
	json_ktime(o, "expires_at", cx->now_us + CONFIRM_S * 1000000);
	json_obj_end(o);
	reply_json(cx, 200, o);
	sodium_memzero(text, sizeof(text));
}

static void
own_event(struct ctx *cx, struct audit_event *ev)
{
	audit_event(cx, ev, AUDIT_ALLOWED);
	audit_object(ev, "user", &cx->who->user_id);
}

static co_fn enum res
changed_meanwhile(struct ctx *cx)
{
	if (audit_refused(cx, "EL401"))
		return (session_is_over(cx));
	if (audit_refused(cx, "EL409"))
		return (factor_conflict(cx,
		    "The second factors or the account have changed "
		    "meanwhile: look, and begin again."));
	return (audit_db_failed(cx, "user", &cx->who->user_id));
}

co_fn enum res
auth_totp_begin(struct ctx *cx)
{
	uint8_t secret[TOTP_SECRET_BYTES];
	struct seal_place place;
	struct audit_event ev;
	const uint8_t *sealed;
	struct factors f;
	size_t len;

	if (factors_load(cx, &f) != RES_OK)
		return (RES_ERR);
	if (f.confirmed_us != 0)
		return (factor_conflict(
		    cx, "There is an authenticator app: take it away first."));
	totp_secret_new(secret);
	place = factor_place(&f.user.id, f.version + 1);
	account_seal(
	    cx->env.arena, &place, secret, sizeof(secret), &sealed, &len);
	own_event(cx, &ev);
	if (factor_db_begin(cx, &ev, f.version + 1, sealed, len) != RES_OK)
		return (changed_meanwhile(cx));
	reply_secret(cx, secret);
	sodium_memzero(secret, sizeof(secret));
	return (RES_OK);
}

/* The session's own token is a new one; the codes are shown this once. */
static co_fn enum res
reply_confirmed(
    struct ctx *cx, const struct factors *f, struct recovery_set *set)
{
	struct json_out *o = json_out_new(cx->env.arena);
	struct session_new session;
	struct principal who;

	if (login_raise(cx, AMR_OTP, f->user.sessions_from_us, &who,
		&session) != RES_OK)
		return (RES_ERR);
	json_obj(o);
	recovery_set_write(o, set);
	login_write(cx, o, &who, &session);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

static co_fn enum res
confirm(
    struct ctx *cx, struct factors *f, int64_t step, struct recovery_set *set)
{
	struct audit_event ev;
	struct db_tx *tx;
	enum res res;

	own_event(cx, &ev);
	if (factor_change_begin(cx, &tx) != RES_OK)
		return (RES_ERR);
	res = session_db_holds(cx);
	if (res == RES_OK)
		res = factor_db_confirm(cx, &ev, f->version, step, set);
	if (res == RES_OK)
		res = session_db_from(cx, &f->user.sessions_from_us);
	res = factor_change_end(cx, tx, res, &f->user, MAIL_FACTOR_ADDED, APP);
	return (res == RES_OK ? RES_OK : changed_meanwhile(cx));
}

/* The code is of the app's secret; which step's, so that it cannot be used
 * again to log in. */
static co_fn enum res
check_first_code(struct ctx *cx, const struct factors *f, int64_t *step)
{
	uint8_t secret[TOTP_SECRET_BYTES];
	struct factor_try t;
	bool right;

	if (factor_try_begin(cx, &f->user, "totp", &t) != RES_OK)
		return (RES_ERR);
	if (factor_secret(cx, f, secret) != RES_OK)
		return (factor_try_undo(cx, &t));
	right = totp_find(secret, json_get_str(cx->body, "code"),
	    cx->now_us / 1000000, 0, step);
	sodium_memzero(secret, sizeof(secret));
	return (right ? factor_try_right(cx, &t) : factor_try_wrong(cx, &t));
}

co_fn enum res
auth_totp_confirm(struct ctx *cx)
{
	struct recovery_set set;
	struct factors f;
	int64_t step;
	enum res res;

	if (factors_load(cx, &f) != RES_OK)
		return (RES_ERR);
	if (f.confirmed_us != 0)
		return (factor_conflict(
		    cx, "The authenticator app is confirmed already."));
	if (f.sealed == NULL || cx->now_us - f.begun_us > CONFIRM_S * 1000000)
		return (factor_conflict(cx,
		    "There is no secret to confirm, or it is too old: ask for "
		    "one at /v1/me/totp."));
	if (check_first_code(cx, &f, &step) != RES_OK)
		return (RES_ERR);
	recovery_set_new(&f.user.id, &set);
	res = confirm(cx, &f, step, &set);
	if (res == RES_OK)
		res = reply_confirmed(cx, &f, &set);
	sodium_memzero(&set, sizeof(set));
	return (res);
}

/* Sessions that count on the app end, and this one goes on without it. */
static co_fn enum res
reply_removed(struct ctx *cx, const struct factors *f)
{
	struct principal who = *cx->who;
	struct session_new session;

	who.has &= ~(unsigned)FACTOR_TOTP;
	if (f->user.passkeys == 0)
		who.has = 0;
	if (session_replace(cx, &who, true, &session) != RES_OK)
		return (RES_ERR);
	login_reply(cx, &who, &session);
	return (RES_OK);
}

co_fn enum res
auth_totp_remove(struct ctx *cx)
{
	struct audit_event ev;
	struct factors f;
	struct db_tx *tx;
	enum res res;
	bool needed;

	if (factors_load(cx, &f) != RES_OK)
		return (RES_ERR);
	needed = login_role_needs_factor(f.user.role);
	if (f.confirmed_us == 0)
		return (factor_conflict(cx, "There is no authenticator app."));
	if (needed && f.user.passkeys == 0)
		return (factor_conflict(cx,
		    "Your role needs a second factor and this is the last "
		    "one: set a passkey up first, or let an administrator "
		    "take it away."));
	own_event(cx, &ev);
	if (factor_change_begin(cx, &tx) != RES_OK)
		return (RES_ERR);
	res = factor_db_remove(cx, &ev, needed);
	res = factor_change_end(cx, tx, res, &f.user, MAIL_FACTOR_REMOVED, APP);
	if (res != RES_OK)
		return (changed_meanwhile(cx));
	return (reply_removed(cx, &f));
}

/* ---- recovery codes and what there is --------------------------------------
 */

co_fn enum res
auth_recovery_codes(struct ctx *cx)
{
	struct json_out *o = json_out_new(cx->env.arena);
	struct recovery_set set;
	struct audit_event ev;
	struct factors f;
	struct db_tx *tx;
	enum res res;

	if (factors_load(cx, &f) != RES_OK)
		return (RES_ERR);
	if (!auth_has_factor(&f.user))
		return (factor_conflict(cx,
		    "Recovery codes are for those who have a second factor: "
		    "set one up first."));
	recovery_set_new(&f.user.id, &set);
	own_event(cx, &ev);
	if (factor_change_begin(cx, &tx) != RES_OK)
		return (RES_ERR);
	res = factor_db_codes(cx, &ev, &set);
	res = factor_change_end(
	    cx, tx, res, &f.user, MAIL_FACTOR_ADDED, "new recovery codes");
	if (res != RES_OK)
		return (changed_meanwhile(cx));
	json_obj(o);
	recovery_set_write(o, &set);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

co_fn enum res
auth_factors(struct ctx *cx)
{
	struct json_out *o = json_out_new(cx->env.arena);
	struct factors f;

	if (factors_load(cx, &f) != RES_OK)
		return (RES_ERR);
	json_obj(o);
	json_key(o, "totp");
	if (f.confirmed_us != 0) {
		json_obj(o);
		json_ktime(o, "confirmed_at", f.confirmed_us);
		json_obj_end(o);
	} else
		json_null(o);
	json_kint(o, "recovery_codes_left", f.codes_left);
	json_kint(o, "passkeys", f.user.passkeys);
	json_kbool(o, "password", f.user.password_hash[0] != '\0');
	json_kbool(o, "required", login_role_needs_factor(f.user.role));
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}
