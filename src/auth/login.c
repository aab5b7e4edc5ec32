/*
 * From a proof of who it is to a session. Passwords, passkeys, invitations and
 * OpenID Connect all come here, so that one place decides whether the log-in
 * is finished, makes its audit row, and sees that the account did not change
 * while it was under way.
 *
 * Stages: an account that has a second factor must show it unless two factors
 * were shown already; one whose role needs a second factor and that has none
 * must set it up. Until then the session is good for nothing else.
 */
#include <string.h>

#include <sodium.h>

#include "audit/audit.h"
#include "auth/auth_priv.h"
#include "crypto/crypto.h"
#include "obs/obs.h"

#define TWO_FACTORS (AMR_MFA | AMR_PASSKEY | AMR_OTP | AMR_RECOVERY)

/* SECOND_FACTOR_ROLES, a list with blanks between. */
bool
login_role_needs_factor(enum role role)
{
	const char *s = setting_str(SETTING_SECOND_FACTOR_ROLES);
	const char *name = role_name(role);
	size_t n;

	for (; *s != '\0'; s += n + (s[n] == ' ')) {
		n = strcspn(s, " ");
		if (n == strlen(name) && memcmp(s, name, n) == 0)
			return (true);
	}
	return (false);
}

static enum session_stage
stage_of(const struct auth_user *user, unsigned amr)
{
	if (amr & TWO_FACTORS)
		return (STAGE_FULL);
	if (auth_has_factor(user))
		return (STAGE_SECOND_FACTOR);
	return (login_role_needs_factor(user->role) ? STAGE_ENROL : STAGE_FULL);
}

static unsigned
factors_of(const struct auth_user *user)
{
	return ((user->totp ? FACTOR_TOTP | FACTOR_RECOVERY : 0) |
		(user->passkeys > 0 ? FACTOR_PASSKEY : 0));
}

/* What is told to the user: the network, not the very address. */
const char *
login_network(struct ctx *cx)
{
	char text[NETBLOCK_STRLEN + 1];
	struct netblock block;

	netblock_around(&cx->client, 24, 48, &block);
	netblock_format(&block, text);
	return (arena_strdup(cx->env.arena, text));
}

const char *
login_device(struct ctx *cx)
{
	return (user_agent_label(cx->env.arena, ctx_header(cx, "user-agent")));
}

static void
fill(struct ctx *cx, const struct login *l, struct principal *who)
{
	const struct auth_user *user = &l->user;

	*who = (struct principal){ .user_id = user->id,
		.role = user->role,
		.scopes = user->scopes,
		.email = user->email,
		.name = user->name,
		.cookie = l->cookie,
		.onetime = user->onetime,
		.stage = stage_of(user, l->amr),
		.has = factors_of(user),
		.amr = l->amr,
		.sessions_from_us = user->sessions_from_us,
		.device = login_device(cx),
		.network = login_network(cx),
		.provider = l->provider != NULL ? l->provider : "",
		.provider_sid =
		    l->provider_sid != NULL ? l->provider_sid : "" };
	uuid_v7(&who->session_id);
	/* Half a log-in proves nothing. */
	if (who->stage != STAGE_SECOND_FACTOR)
		who->proved_us = l->proved_us != 0 ? l->proved_us : cx->now_us;
}

static co_fn enum res
login_failed(struct ctx *cx, const struct auth_user *user)
{
	metric_add(METRIC_LOGINS_ERROR, 1);
	return (audit_failed(cx, "user", &user->id));
}

static bool
same_account(const struct auth_user *then, const struct auth_user *now)
{
	return (now->found && !now->disabled && now->role == then->role &&
		now->scopes == then->scopes && now->onetime == then->onetime &&
		factors_of(now) == factors_of(then) &&
		now->sessions_from_us == then->sessions_from_us &&
		password_same_setting(now->password_hash, then->password_hash));
}

/*
 * Whoever changes an account commits that first, then ends its sessions. A
 * session that was too late to be among them began after the change, sees it
 * here, and ends itself.
 */
static co_fn enum res
login_recheck(
    struct ctx *cx, const struct auth_user *user, const struct principal *who)
{
	struct auth_user now;
	enum res res = auth_db_by_id(cx, &user->id, &now);

	if (res == RES_OK && same_account(user, &now))
		return (RES_OK);
	/* Should it fail: nobody was told the token. */
	(void)session_destroy(cx, who);
	if (res != RES_OK)
		return (login_failed(cx, user));
	err_clear(&cx->env.err);
	return (attempt_refused(cx, user, NULL));
}

static const char *
login_detail(struct ctx *cx, const struct login *l, const struct principal *who)
{
	struct json_out *o = json_out_new(cx->env.arena);
	const char *text;
	size_t len;

	json_obj(o);
	json_key(o, "amr");
	amr_write(o, who->amr);
	if (who->provider[0] != '\0')
		json_kstr(o, "provider", who->provider);
	if (l->passkey != NULL)
		json_kuuid(o, "passkey", l->passkey);
	json_obj_end(o);
	json_finish(o, &text, &len);
	return (text);
}

co_fn enum res
login_session(struct ctx *cx, const struct login *l, struct principal *who,
    struct session_new *session)
{
	struct audit_event ev;

	fill(cx, l, who);
	cx->actor_kind = "user";
	cx->actor_id = who->user_id;
	cx->session_id = who->session_id;
	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "user", &who->user_id);
	ev.detail = login_detail(cx, l, who);
	if (login_record(cx, l, who, &ev) != RES_OK)
		return (cx->env.err.problem == PROBLEM_UNAVAILABLE ?
			    RES_ERR :
			    login_failed(cx, &l->user));
	if (session_create(cx, who, session) != RES_OK)
		return (login_failed(cx, &l->user));
	if (login_recheck(cx, &l->user, who) != RES_OK) {
		sodium_memzero(session, sizeof(*session));
		return (RES_ERR);
	}
	metric_add(METRIC_LOGINS_SUCCESS, 1);
	if (who->cookie && l->attempt != NULL)
		device_cookie_set(cx, l->attempt, l->user.password_hash);
	return (RES_OK);
}

co_fn enum res
login_complete(struct ctx *cx, const struct login *l)
{
	struct session_new session;
	struct principal who;

	if (login_session(cx, l, &who, &session) != RES_OK)
		return (RES_ERR);
	login_reply(cx, &who, &session);
	return (RES_OK);
}

/* A password and something else are two factors. */
static unsigned
amr_joined(unsigned before, unsigned more)
{
	unsigned amr = before | more;

	if ((amr & (AMR_PWD | AMR_OIDC)) &&
	    (amr & (AMR_OTP | AMR_RECOVERY | AMR_PASSKEY)))
		amr |= AMR_MFA;
	return (amr);
}

co_fn enum res
login_raise(struct ctx *cx, unsigned amr, int64_t from_us,
    struct principal *who, struct session_new *session)
{
	bool alone = from_us != cx->who->sessions_from_us;

	*who = *cx->who;
	who->sessions_from_us = from_us;
	who->amr = amr_joined(who->amr, amr);
	/* The password once more enrols nobody. */
	if (who->amr & TWO_FACTORS)
		who->stage = STAGE_FULL;
	who->proved_us = cx->now_us;
	if (amr & AMR_OTP)
		who->has |= FACTOR_TOTP | FACTOR_RECOVERY;
	if (amr & AMR_PASSKEY)
		who->has |= FACTOR_PASSKEY;
	return (session_replace(cx, who, alone, session));
}

co_fn enum res
login_proved(struct ctx *cx, unsigned amr)
{
	struct session_new session;
	struct principal who;

	if (login_raise(cx, amr, cx->who->sessions_from_us, &who, &session) !=
	    RES_OK)
		return (RES_ERR);
	login_reply(cx, &who, &session);
	return (RES_OK);
}
