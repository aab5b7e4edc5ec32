/*
 * One-time tokens that go out by mail: an invitation's, and one for a new
 * password. 256 bits at random; the database has a keyed hash of each, so that
 * neither it nor its backup opens anything. In the link the token stands
 * behind the '#', which no browser sends to any server.
 *
 * A token that is no good costs what a good one does, Argon2's time included,
 * and all of them get the same answer.
 */
#include <string.h>

#include <sodium.h>

#include "account/account_priv.h"
#include "audit/audit.h"
#include "mail/mail.h"
#include "obs/obs.h"

static const struct {
	const char *purpose; /* as in eleusis.user_token, and of the hash */
	const char *page;
	enum mail_kind mail;
} kinds[USER_TOKEN_MAX] = {
	[USER_TOKEN_INVITATION] = { "invitation", "/invite", MAIL_INVITATION },
	[USER_TOKEN_RESET] = { "password-reset", "/reset",
	    MAIL_PASSWORD_RESET },
};

const char *
user_token_purpose(enum user_token_kind kind)
{
	return (kinds[kind].purpose);
}

int32_t
user_token_seconds(enum user_token_kind kind)
{
	if (kind == USER_TOKEN_INVITATION)
		return ((int32_t)setting_int(SETTING_INVITATION_HOURS) * 3600);
	return ((int32_t)setting_int(SETTING_RESET_MINUTES) * 60);
}

static void
hash_of(enum user_token_kind kind, const char *text, uint8_t out[DIGEST_BYTES])
{
	account_hash(kinds[kind].purpose, text, strlen(text), out);
}

void
user_token_new(enum user_token_kind kind, struct user_token *out)
{
	struct token token;

	token_new(&token);
	memcpy(out->text, token.text, sizeof(out->text));
	hash_of(kind, out->text, out->hash);
	sodium_memzero(&token, sizeof(token));
}

co_fn enum res
user_token_mail(struct env *env, enum user_token_kind kind,
    const struct user_token *token, const char *to, const char *name,
    const char *role)
{
	bool invitation = kind == USER_TOKEN_INVITATION;
	const char *number = arena_printf(env->arena, "%lld",
	    (long long)setting_int(
		invitation ? SETTING_INVITATION_HOURS : SETTING_RESET_MINUTES));
	const char *const values[] = { "name", name, "link",
		arena_printf(env->arena, "%s%s#token=%s",
		    setting_str(SETTING_ORIGIN), kinds[kind].page, token->text),
		invitation ? "hours" : "minutes", number,
		invitation ? "role" : NULL, role, NULL };

	return (mail_send(env, kinds[kind].mail, to, values));
}

static co_fn enum res
hash_password(struct ctx *cx, const char *password, const char **out)
{
	struct password_job *job = arena_alloc(cx->env.arena, sizeof(*job));

	job->password = password;
	job->ops = (unsigned long long)setting_int(SETTING_ARGON2_OPS);
	job->mem_bytes = (size_t)setting_int(SETTING_ARGON2_MEM_KIB) * 1024;
	metric_add(METRIC_POOL_JOBS, 1);
	if (pool_run(&cx->env, password_hash_job, job) != RES_OK)
		return (RES_ERR);
	if (!job->ok)
		return (err_fail(&cx->env.err, PROBLEM_BUSY,
		    "There is not enough memory to hash a password."));
	*out = job->hash;
	return (RES_OK);
}

co_fn enum res
user_token_refused(struct ctx *cx)
{
	denial_note(DENIAL_UNAUTHENTICATED, &cx->client);
	err_clear(&cx->env.err);
	return (err_fail(&cx->env.err, PROBLEM_BAD_TOKEN,
	    "The link is used up, it has expired, another one was sent after "
	    "it, or it is not ours. Ask for a new one."));
}

/* The policy knows the holder's name and address; a stranger's mistake is
 * told only to who has a token. */
co_fn enum res
user_token_check(
    struct ctx *cx, enum user_token_kind kind, struct token_holder *holder)
{
	const char *password = json_get_str(cx->body, "password");
	bool found, fits;

	hash_of(kind, json_get_str(cx->body, "token"), holder->hash);
	if (user_db_token_holder(cx, kind, holder->hash, holder, &found) !=
	    RES_OK)
		return (RES_ERR);
	fits = password_policy_check(cx, "/password", password,
		   found ? holder->email : NULL,
		   found ? holder->name : NULL) == RES_OK;
	if (found && !fits)
		return (RES_ERR);
	err_clear(&cx->env.err);
	/* What the policy refuses may be too long to be hashed. */
	if (hash_password(cx, fits ? password : "", &holder->password_hash) !=
	    RES_OK)
		return (RES_ERR);
	return (found ? RES_OK : user_token_refused(cx));
}
