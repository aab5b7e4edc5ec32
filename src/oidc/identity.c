/*
 * Which account somebody of a provider is. In this order: the account that is
 * linked; if the provider may, the account with the e-mail that it says it
 * has verified; if it may, a new one. Nobody is ever known by e-mail alone
 * twice: the link decides from then on, and it names the provider and its
 * issuer, so that no provider can speak of another's people.
 */
#include <string.h>

#include "audit/audit.h"
#include "mail/mail.h"
#include "obs/obs.h"
#include "oidc/oidc_priv.h"

void
identity_subject(
    const struct provider *p, const char *sub, uint8_t out[DIGEST_BYTES])
{
	size_t issuer = strlen(p->issuer) + 1, len = issuer + strlen(sub);
	uint8_t *both = NULL;
	struct arena *arena = arena_new();

	both = arena_alloc(arena, len);
	memcpy(both, p->issuer, issuer);
	memcpy(both + issuer, sub, len - issuer);
	account_hash("oidc-subject", both, len, out);
	arena_destroy(&arena);
}

/* An event of this log-in about the account. */
static void
event(struct ctx *cx, struct audit_event *ev, const char *action,
    const struct uuid *user, const struct provider *p, const char *by)
{
	audit_event(cx, ev, AUDIT_ALLOWED);
	ev->action = action;
	audit_object(ev, "user", user);
	ev->detail = arena_printf(
	    cx->env.arena, "{\"provider\":\"%s\",\"by\":\"%s\"}", p->id, by);
}

/* The owner learns of it at the address that was hers before. */
static co_fn enum res
tell(struct ctx *cx, const struct account *user, const char *what)
{
	char when[TIME_STRLEN + 1];
	const char *values[] = { "name", user->name, "what", what, "when", when,
		NULL };

	time_format(cx->now_us, when);
	if (mail_send(&cx->env, MAIL_ACCOUNT_CHANGED, user->email, values) ==
	    RES_OK)
		return (RES_OK);
	log_event(LOG_LEVEL_WARN, "oidc.mail",
	    "the notice of a link to a provider, or of its end, was not "
	    "queued: %s",
	    cx->env.err.private);
	err_clear(&cx->env.err);
	return (RES_OK);
}

co_fn enum res
identity_unlinked(struct ctx *cx, const char *provider)
{
	const struct provider *p = provider_find(provider);
	const char *name = p != NULL ? p->name : provider;
	struct account user;
	unsigned ended;

	if (sessions_end_federated(
		cx, &cx->who->user_id, provider, NULL, &ended) != RES_OK ||
	    account_by_id(cx, &cx->who->user_id, &user) != RES_OK)
		return (RES_ERR);
	return (tell(cx, &user,
	    arena_printf(cx->env.arena,
		"Your account is linked to %s no more: it cannot be logged in "
		"with any longer.",
		name)));
}

static co_fn enum res
add(struct ctx *cx, const struct provider *p, const char *sub,
    const struct account *user, const char *by, struct identity *identity,
    enum oidc_reason *reason)
{
	uint8_t subject[DIGEST_BYTES];
	struct audit_event ev;

	uuid_v7(&identity->id);
	identity->user_id = user->id;
	identity_subject(p, sub, subject);
	event(cx, &ev, "identity.link", &user->id, p, by);
	if (identity_db_add(cx, &ev, identity, subject) == RES_OK)
		return (tell(cx, user,
		    arena_printf(cx->env.arena,
			"Your account was linked to %s: you can log in with "
			"it.",
			p->name)));
	*reason = audit_refused(cx, "EL409") ? OIDC_OTHER_LINKED :
		  audit_refused(cx, "EL404") ? OIDC_DISABLED :
					       OIDC_OK;
	if (*reason == OIDC_OK)
		return (RES_ERR);
	err_clear(&cx->env.err);
	return (RES_OK);
}

static bool
email_proved(const struct provider *p, const struct claims *c)
{
	return (c->email != NULL && strchr(c->email, '@') != NULL &&
		(c->email_verified || p->trust_email));
}

static co_fn enum res
provision(struct ctx *cx, const struct provider *p, const struct claims *c,
    enum role role, struct account *user, struct identity *identity,
    enum oidc_reason *reason)
{
	uint8_t subject[DIGEST_BYTES];
	struct audit_event ev;

	uuid_v7(&identity->id);
	uuid_v7(&identity->user_id);
	identity_subject(p, c->sub, subject);
	event(cx, &ev, "user.create", &identity->user_id, p, "provider");
	if (identity_db_provision(cx, &ev, identity, subject, c, role) ==
	    RES_OK)
		return (account_by_id(cx, &identity->user_id, user));
	/* 23514: an address or a name that no account can have. */
	if (!audit_refused(cx, "EL409") && !audit_refused(cx, "23514"))
		return (RES_ERR);
	err_clear(&cx->env.err);
	*reason = OIDC_NOT_LINKED;
	return (RES_OK);
}

/* Nobody is linked yet. */
static co_fn enum res
first_time(struct ctx *cx, const struct provider *p, const struct claims *c,
    enum role role, struct account *user, struct identity *identity,
    enum oidc_reason *reason)
{
	*reason = OIDC_NOT_LINKED;
	if (!email_proved(p, c))
		return (RES_OK);
	if (account_by_email(cx, c->email, user) != RES_OK)
		return (RES_ERR);
	if (user->found && !user->usable)
		*reason = OIDC_DISABLED;
	if (user->found && (!user->usable || !p->link_email))
		return (RES_OK);
	if (!user->found && (!p->provision || role == ROLE_UNSET))
		return (RES_OK);
	*reason = OIDC_OK;
	if (user->found)
		return (add(cx, p, c->sub, user, "email", identity, reason));
	return (provision(cx, p, c, role, user, identity, reason));
}

/* A role that the provider takes away or gives ends the user's sessions: they
 * were begun with another one. */
static co_fn enum res
give_role(struct ctx *cx, const struct provider *p, enum role role,
    struct account *user)
{
	struct audit_event ev;

	if (p->role_claim == NULL || role == user->role)
		return (RES_OK);
	audit_event(cx, &ev, AUDIT_ALLOWED);
	ev.action = "user.role";
	audit_object(&ev, "user", &user->id);
	ev.detail = arena_printf(cx->env.arena,
	    "{\"provider\":\"%s\",\"from\":\"%s\",\"to\":\"%s\"}", p->id,
	    role_name(user->role), role_name(role));
	if (identity_db_role(cx, &ev, user, role) != RES_OK) {
		if (!audit_refused(cx, "EL409"))
			return (RES_ERR);
		err_clear(&cx->env.err);
		log_event(LOG_LEVEL_WARN, "oidc.role",
		    "provider %s would take the last admin's role away: kept",
		    p->id);
		return (RES_OK);
	}
	user->role = role;
	sessions_forget(cx, &user->id);
	return (RES_OK);
}

co_fn enum res
identity_resolve(struct ctx *cx, const struct provider *p,
    const struct code_reply *reply, struct account *user, struct uuid *identity,
    enum oidc_reason *reason)
{
	enum role role = claims_role(reply->id_token.claims, p);
	uint8_t subject[DIGEST_BYTES];
	struct identity i;
	bool found;

	memset(user, 0, sizeof(*user));
	*reason = OIDC_NO_ROLE;
	if (p->role_claim != NULL && role == ROLE_UNSET)
		return (RES_OK);
	*reason = OIDC_OK;
	identity_subject(p, reply->claims.sub, subject);
	if (identity_db_find(cx, p, subject, &i, &found) != RES_OK)
		return (RES_ERR);
	if (found && account_by_id(cx, &i.user_id, user) != RES_OK)
		return (RES_ERR);
	if (!found &&
	    first_time(cx, p, &reply->claims, role, user, &i, reason) != RES_OK)
		return (RES_ERR);
	if (*reason == OIDC_OK && !user->usable)
		*reason = OIDC_DISABLED;
	*identity = i.id;
	if (*reason != OIDC_OK)
		return (RES_OK);
	return (give_role(cx, p, role, user));
}

co_fn enum res
identity_link(struct ctx *cx, const struct provider *p,
    const struct claims *claims, const struct uuid *user_id,
    enum oidc_reason *reason)
{
	uint8_t subject[DIGEST_BYTES];
	struct audit_event ev;
	struct account user;
	struct identity i;
	bool found;

	*reason = OIDC_OK;
	identity_subject(p, claims->sub, subject);
	if (account_by_id(cx, user_id, &user) != RES_OK ||
	    identity_db_find(cx, p, subject, &i, &found) != RES_OK)
		return (RES_ERR);
	if (!user.usable)
		*reason = OIDC_DISABLED;
	else if (found && !uuid_equal(&i.user_id, user_id))
		*reason = OIDC_OTHER_LINKED;
	if (*reason != OIDC_OK)
		return (RES_OK);
	if (!found)
		return (add(cx, p, claims->sub, &user, "session", &i, reason));
	event(cx, &ev, "identity.link", user_id, p, "session");
	return (audit_append(cx, &ev));
}
