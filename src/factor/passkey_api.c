/*
 * /v1/me/passkeys, /v1/auth/passkey and what is below them: from request to
 * question or answer, and to the reply.
 */
#include <string.h>

#include <sodium.h>

#include "factor/factor_priv.h"

static void
write_members(struct ctx *cx, struct json_out *o, const struct passkey *p)
{
	json_kuuid(o, "id", &p->id);
	json_kstr(o, "name", p->name);
	json_kstr(o, "credential_id",
	    base64url(cx->env.arena, p->credential.p, p->credential.len));
	json_kstr(o, "algorithm", webauthn_alg_name(p->alg));
	json_key(o, "aaguid");
	if (uuid_is_nil(&p->aaguid))
		json_null(o);
	else
		json_uuid(o, &p->aaguid);
	passkey_write_transports(o, p->transports);
	json_kbool(o, "backup_eligible", p->backup_eligible);
	json_kbool(o, "backed_up", p->backed_up);
	json_ktime(o, "created_at", p->created_us);
	json_key(o, "last_used_at");
	if (p->used_us == 0)
		json_null(o);
	else
		json_time(o, p->used_us);
}

/* ---- one's own -------------------------------------------------------------
 */

co_fn enum res
passkeys_options(struct ctx *cx)
{
	struct passkey_list list;
	const char *challenge;

	if (passkey_db_list(cx, &list) != RES_OK)
		return (RES_ERR);
	if (list.n >= PASSKEYS_PER_USER)
		return (err_fail(&cx->env.err, PROBLEM_CONFLICT,
		    "There are %d passkeys: remove one first.",
		    PASSKEYS_PER_USER));
	if (challenge_new(cx, CHALLENGE_REGISTER, cx->who, &challenge) !=
	    RES_OK)
		return (RES_ERR);
	passkey_reply_creation(cx, challenge, &list);
	return (RES_OK);
}

/*
 * From now on the session may be asked for this passkey, and one that had to
 * set a factor up is finished: it goes on under a new token. The passkey is
 * registered and recorded even when that fails, and the next log-in finds it.
 */
co_fn enum res
passkeys_create(struct ctx *cx)
{
	struct session_new session;
	struct principal who;
	struct passkey p;
	struct json_out *o;
	char id[UUID_STRLEN + 1];
	int64_t from_us;

	if (passkey_register(cx, &p, &from_us) != RES_OK ||
	    login_raise(cx, AMR_PASSKEY, from_us, &who, &session) != RES_OK)
		return (RES_ERR);
	o = json_out_new(cx->env.arena);
	json_obj(o);
	json_key(o, "passkey");
	json_obj(o);
	write_members(cx, o, &p);
	json_obj_end(o);
	login_write(cx, o, &who, &session);
	json_obj_end(o);
	uuid_format(&p.id, id);
	reply_header(cx, "Location",
	    arena_printf(cx->env.arena, "/v1/me/passkeys/%s", id));
	reply_json(cx, 201, o);
	return (RES_OK);
}

co_fn enum res
passkeys_list(struct ctx *cx)
{
	struct json_out *o = json_out_new(cx->env.arena);
	struct passkey_list list;

	if (passkey_db_list(cx, &list) != RES_OK)
		return (RES_ERR);
	json_obj(o);
	json_key(o, "items");
	json_arr(o);
	for (int i = 0; i < list.n; i++) {
		json_obj(o);
		write_members(cx, o, &list.items[i]);
		json_obj_end(o);
	}
	json_arr_end(o);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

co_fn enum res
passkeys_rename(struct ctx *cx)
{
	struct json_out *o = json_out_new(cx->env.arena);
	struct passkey p;

	if (passkey_rename(cx, ctx_param(cx, "passkey_id"), &p) != RES_OK)
		return (RES_ERR);
	json_obj(o);
	write_members(cx, o, &p);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

/* Sessions that were opened with the passkey end, as do all others of the
 * user, for nobody can tell which those are; this one goes on. */
co_fn enum res
passkeys_delete(struct ctx *cx)
{
	struct principal who = *cx->who;
	struct session_new session;

	if (passkey_delete(cx, ctx_param(cx, "passkey_id"), &who.has) !=
		RES_OK ||
	    session_replace(cx, &who, true, &session) != RES_OK)
		return (RES_ERR);
	login_reply(cx, &who, &session);
	return (RES_OK);
}

/* ---- log-in ----------------------------------------------------------------
 */

/* The same for everybody: nothing is looked up. */
co_fn enum res
passkeys_login_options(struct ctx *cx)
{
	const struct passkey_list none = { NULL, 0 };
	const char *challenge;

	if (challenge_new(cx, CHALLENGE_LOGIN, NULL, &challenge) != RES_OK)
		return (RES_ERR);
	passkey_reply_request(cx, challenge, &none);
	return (RES_OK);
}

co_fn enum res
passkeys_login(struct ctx *cx)
{
	const char *mode = json_get_str(cx->body, "mode");
	struct login l = { .amr = AMR_PASSKEY,
		.cookie = mode != NULL && strcmp(mode, "cookie") == 0 };
	struct passkey_owned p;

	if (passkey_login(cx, &p, &l.user) != RES_OK)
		return (RES_ERR);
	l.passkey = &p.id;
	return (login_complete(cx, &l));
}

/* ---- second factor, step-up ------------------------------------------------
 */

co_fn enum res
passkeys_verify_options(struct ctx *cx)
{
	struct passkey_list list;
	const char *challenge;

	if (passkey_db_list(cx, &list) != RES_OK)
		return (RES_ERR);
	if (list.n == 0)
		return (err_fail(&cx->env.err, PROBLEM_CONFLICT,
		    "The account has no passkey."));
	if (challenge_new(cx, CHALLENGE_VERIFY, cx->who, &challenge) != RES_OK)
		return (RES_ERR);
	passkey_reply_request(cx, challenge, &list);
	return (RES_OK);
}

co_fn enum res
passkeys_verify(struct ctx *cx)
{
	if (passkey_verify(cx) != RES_OK)
		return (RES_ERR);
	return (login_proved(cx, AMR_PASSKEY));
}
