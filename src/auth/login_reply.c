/*
 * What a log-in answers: the new token, how far it has come, and who it is.
 * The same document follows whatever moves a session on to a new token.
 */
#include <string.h>

#include <sodium.h>

#include "auth/auth_priv.h"

static const struct field user_fields[] = {
	{ "id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL, "the user" },
	{ "email", FIELD_STRING, F_REQUIRED, 3, 254, NULL, NULL, "e-mail" },
	{ "name", FIELD_STRING, F_REQUIRED, 1, 200, NULL, NULL, "full name" },
	{ "role", FIELD_ENUM, F_REQUIRED, 0, 0,
	    "admin|clinician|auditor|service", NULL, "role" },
	{ "scopes", FIELD_ARRAY, F_REQUIRED, 0, 64, NULL, NULL,
	    "what the role, and the API key in use, allow" },
};
const struct schema schema_user = { "User", "A user.", user_fields,
	NELEM(user_fields) };

static const struct field passkey_fields[] = {
	{ "id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL, "the passkey" },
	{ "name", FIELD_STRING, F_REQUIRED, 1, 100, NULL, NULL,
	    "what its user calls it" },
	{ "credential_id", FIELD_STRING, F_REQUIRED, 22, 1364, NULL, NULL,
	    "the authenticator's name for it, in base64url" },
	{ "algorithm", FIELD_ENUM, F_REQUIRED, 0, 0, "ES256|EdDSA|RS256", NULL,
	    "how it signs" },
	{ "aaguid", FIELD_UUID, F_REQUIRED | F_NULLABLE, 0, 0, NULL, NULL,
	    "the authenticator's model; null: not said" },
	{ "transports", FIELD_ARRAY, F_REQUIRED, 0, PASSKEY_TRANSPORTS_MAX,
	    NULL, NULL, "how browsers reach it" },
	{ "backup_eligible", FIELD_BOOLEAN, F_REQUIRED, 0, 0, NULL, NULL,
	    "it can be copied to other devices" },
	{ "backed_up", FIELD_BOOLEAN, F_REQUIRED, 0, 0, NULL, NULL,
	    "it was, as of its last use" },
	{ "created_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL,
	    "when it was registered" },
	{ "last_used_at", FIELD_TIME, F_REQUIRED | F_NULLABLE, 0, 0, NULL, NULL,
	    "its last successful use; null: none" },
};
const struct schema schema_passkey = { "Passkey", "A passkey.", passkey_fields,
	NELEM(passkey_fields) };

static const struct field login_reply_fields[] = {
	{ "token", FIELD_STRING, 0, 43, 43, NULL, NULL,
	    "bearer mode: send it as Authorization: Bearer" },
	{ "csrf_token", FIELD_STRING, 0, 43, 43, NULL, NULL,
	    "cookie mode: send it as X-CSRF-Token" },
	{ "session_id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL,
	    "the session's public name; it stays when the token changes" },
	{ "stage", FIELD_ENUM, F_REQUIRED, 0, 0, "full|second-factor|enrol",
	    NULL,
	    "what the log-in still lacks: a second factor is to be shown, or "
	    "to be set up; full: nothing" },
	{ "methods", FIELD_ARRAY, F_REQUIRED, 0, 8, NULL, NULL,
	    "what can be shown now, to go on or for a step-up: totp, "
	    "recovery, passkey, password" },
	{ "amr", FIELD_ARRAY, F_REQUIRED, 0, 8, NULL, NULL,
	    "how it was proved who you are (RFC 8176)" },
	{ "step_up_until", FIELD_TIME, F_REQUIRED | F_NULLABLE, 0, 0, NULL,
	    NULL, "the proof counts as fresh until then; null: it does not" },
	{ "expires_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL,
	    "the session's end in any case" },
	{ "idle_timeout_seconds", FIELD_INTEGER, F_REQUIRED, 1, 86400, NULL,
	    NULL, "the session's end after silence" },
	{ "password_change_required", FIELD_BOOLEAN, F_REQUIRED, 0, 0, NULL,
	    NULL, "true: only the password can be changed" },
	{ "user", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, &schema_user,
	    "who logged in" },
	{ "passkey", FIELD_OBJECT, 0, 0, 0, NULL, &schema_passkey,
	    "after one was registered: the new one" },
	{ "recovery_codes", FIELD_ARRAY, 0, RECOVERY_CODES, RECOVERY_CODES,
	    NULL, NULL,
	    "only when an authenticator app was confirmed: each is good once, "
	    "instead of the app; not shown again" },
};
const struct schema schema_login_reply = { "LoginReply", "A new session.",
	login_reply_fields, NELEM(login_reply_fields) };

static const struct {
	unsigned bit;
	const char *name;
} amr_names[] = {
	{ AMR_PWD, "pwd" },
	{ AMR_OTP, "otp" },
	{ AMR_RECOVERY, "recovery" },
	{ AMR_PASSKEY, "passkey" },
	{ AMR_OIDC, "oidc" },
	{ AMR_MFA, "mfa" },
};

void
amr_write(struct json_out *o, unsigned amr)
{
	json_arr(o);
	for (size_t i = 0; i < NELEM(amr_names); i++)
		if (amr & amr_names[i].bit)
			json_str(o, amr_names[i].name);
	json_arr_end(o);
}

void
login_write_user(struct json_out *o, const struct principal *who)
{
	json_key(o, "user");
	json_obj(o);
	json_kuuid(o, "id", &who->user_id);
	json_kstr(o, "email", who->email);
	json_kstr(o, "name", who->name);
	json_kstr(o, "role", role_name(who->role));
	json_key(o, "scopes");
	scopes_write(o, who->scopes);
	json_obj_end(o);
}

const char *
session_stage_name(enum session_stage stage)
{
	switch (stage) {
	case STAGE_SECOND_FACTOR:
		return ("second-factor");
	case STAGE_ENROL:
		return ("enrol");
	default:
		return ("full");
	}
}

static void
write_methods(struct json_out *o, const struct principal *who)
{
	json_key(o, "methods");
	json_arr(o);
	if (who->has & FACTOR_TOTP)
		json_str(o, "totp");
	if (who->has & FACTOR_RECOVERY)
		json_str(o, "recovery");
	if (who->has & FACTOR_PASSKEY)
		json_str(o, "passkey");
	if (who->has == 0)
		json_str(o, "password");
	json_arr_end(o);
}

void
login_write_proof(
    struct ctx *cx, struct json_out *o, const struct principal *who)
{
	int64_t until = who->proved_us;

	json_kstr(o, "stage", session_stage_name(who->stage));
	json_key(o, "amr");
	amr_write(o, who->amr);
	if (until != 0)
		until += setting_int(SETTING_STEP_UP_S) * 1000000;
	json_key(o, "step_up_until");
	if (until > cx->now_us)
		json_time(o, until);
	else
		json_null(o);
	write_methods(o, who);
	json_kint(o, "idle_timeout_seconds", session_idle_s(who->cookie));
}

void
session_cookie_set(struct ctx *cx, const struct session_new *session)
{
	reply_header(cx, "Set-Cookie",
	    arena_printf(cx->env.arena,
		SESSION_COOKIE_NAME
		"=%s; Path=/; Secure; HttpOnly; SameSite=Strict",
		session->token));
}

static void
write_token(struct ctx *cx, struct json_out *o, const struct principal *who,
    const struct session_new *session)
{
	if (!who->cookie) {
		json_kstr(o, "token", session->token);
		return;
	}
	session_cookie_set(cx, session);
	json_kstr(o, "csrf_token", session->csrf);
}

void
login_write(struct ctx *cx, struct json_out *o, const struct principal *who,
    struct session_new *session)
{
	write_token(cx, o, who, session);
	json_kuuid(o, "session_id", &who->session_id);
	login_write_proof(cx, o, who);
	json_ktime(o, "expires_at", session->expires_us);
	json_kbool(o, "password_change_required", who->onetime);
	login_write_user(o, who);
	sodium_memzero(session, sizeof(*session));
}

void
login_reply(
    struct ctx *cx, const struct principal *who, struct session_new *session)
{
	struct json_out *o = json_out_new(cx->env.arena);

	json_obj(o);
	login_write(cx, o, who, session);
	json_obj_end(o);
	reply_json(cx, 200, o);
}
