/*
 * POST /v1/auth/password-reset and its confirmation: a forgotten password.
 *
 * Who asks learns nothing: the reply is the same and leaves at the same time
 * whether there is such an account or not, for all that depends on it happens
 * in a coroutine behind it. Should the server stop in between, no mail comes
 * and nothing has changed: one asks again.
 *
 * The link sets a password and nothing else. No session is made, so that a
 * second factor is asked for as ever.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "account/account_priv.h"
#include "audit/audit.h"
#include "mail/mail.h"
#include "obs/obs.h"

#define LIMIT_MS 5000

struct ask {
	char email[EMAIL_MAX + 1];
	struct uuid request_id;
	char client_ip[CLIENT_IP_SIZE];
};

static void
ask_event(
    const struct ask *ask, const struct uuid *user, struct audit_event *ev)
{
	*ev = (struct audit_event){ .at_us = time_now_us(),
		.action = "user.password_reset",
		.outcome = AUDIT_ALLOWED,
		.actor_kind = "anonymous",
		.request_id = ask->request_id,
		.client_ip =
		    ask->client_ip[0] != '\0' ? ask->client_ip : NULL };
	uuid_v7(&ev->id);
	audit_object(ev, "user", user);
}

/* Token, audit row and mail, in env's transaction; or nothing. */
static co_fn enum res
send_link(struct env *env, const struct ask *ask)
{
	struct user_token *token = arena_alloc(env->arena, sizeof(*token));
	struct token_holder holder;
	struct audit_event event;
	bool found;

	user_token_new(USER_TOKEN_RESET, token);
	if (user_db_reset_ask(env, ask->email, token, &holder, &found) !=
	    RES_OK)
		return (RES_ERR);
	if (!found)
		return (RES_OK);
	ask_event(ask, &holder.id, &event);
	if (user_db_note(env, &event) != RES_OK)
		return (RES_ERR);
	return (user_token_mail(
	    env, USER_TOKEN_RESET, token, holder.email, holder.name, NULL));
}

static co_fn void
answer(void *arg)
{
	struct ask *ask = arg;
	struct db_tx *tx;
	struct env env;

	env_init(&env, time_mono_ms() + LIMIT_MS);
	if (db_begin(&env, &tx) == RES_OK) {
		env.tx = tx;
		if (send_link(&env, ask) == RES_OK)
			(void)db_commit(&env, tx);
		env.tx = NULL;
		db_rollback(&env, tx);
	}
	if (env.err.problem != PROBLEM_UNSET)
		log_event(LOG_LEVEL_WARN, "reset.mail",
		    "a link for a new password was not sent: %s",
		    env.err.private);
	env_done(&env);
	sodium_memzero(ask, sizeof(*ask));
	free(ask);
}

static enum res
answer_later(struct ctx *cx)
{
	struct ask *ask = calloc(1, sizeof(*ask));

	if (ask != NULL) {
		(void)snprintf(ask->email, sizeof(ask->email), "%s",
		    json_get_str(cx->body, "email"));
		(void)snprintf(ask->client_ip, sizeof(ask->client_ip), "%s",
		    cx->client_ip);
		ask->request_id = cx->request_id;
		if (co_spawn("reset-mail", answer, ask) == RES_OK)
			return (RES_OK);
	}
	free(ask);
	return (err_fail(&cx->env.err, PROBLEM_BUSY,
	    "Too much is under way: ask again in a moment."));
}

co_fn enum res
auth_reset_ask(struct ctx *cx)
{
	struct audit_event event;

	if (mail_required(&cx->env) != RES_OK)
		return (RES_ERR);
	audit_event(cx, &event, AUDIT_ALLOWED);
	if (audit_append(cx, &event) != RES_OK || answer_later(cx) != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 202);
	return (RES_OK);
}

/* Uses the token up, and tells the user, in one transaction. */
static co_fn enum res
redeem(struct ctx *cx, const struct token_holder *holder)
{
	const char *const values[] = { "name", holder->name, "when",
		user_mail_time(cx), "network", login_network(cx), "device",
		login_device(cx), NULL };
	struct audit_event event;

	audit_event(cx, &event, AUDIT_ALLOWED);
	event.actor_kind = "user";
	event.actor_id = holder->id;
	audit_object(&event, "user", &holder->id);
	if (user_db_token_redeem(cx, &event, USER_TOKEN_RESET, holder, NULL) !=
	    RES_OK)
		return (audit_refused(cx, "EL404") ?
			    user_token_refused(cx) :
			    audit_db_failed(cx, "user", &holder->id));
	return (
	    mail_send(&cx->env, MAIL_PASSWORD_CHANGED, holder->email, values));
}

co_fn enum res
auth_reset_confirm(struct ctx *cx)
{
	struct token_holder *holder =
	    arena_alloc(cx->env.arena, sizeof(*holder));
	struct db_tx *own;

	if (user_token_check(cx, USER_TOKEN_RESET, holder) != RES_OK)
		return (RES_ERR);
	if (user_tx_begin(cx, &own) != RES_OK ||
	    user_tx_end(cx, own, redeem(cx, holder)) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_USERS_RESET, 1);
	if (user_end(cx, &holder->id, "") != RES_OK)
		return (RES_ERR);
	reply_empty(cx, 204);
	return (RES_OK);
}
