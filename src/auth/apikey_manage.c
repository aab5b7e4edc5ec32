/*
 * What may be done with API keys, each step with its audit row. One's own
 * keys with the scope keys:write, everybody's with keys:admin; the database's
 * functions say so as well.
 *
 * A change costs two round trips to PostgreSQL (what is there, then the change)
 * and two to Redis, before the change and after it: see apikey_forget.c.
 */
#include <string.h>

#include <sodium.h>

#include "audit/audit.h"
#include "auth/auth_priv.h"
#include "mail/mail.h"
#include "obs/obs.h"

#define OBJECT "api_key"

static bool
manages_all(const struct ctx *cx)
{
	return (cx->who->scopes & scope_bit("keys:admin"));
}

/* Refused to somebody known: recorded first. */
static co_fn enum res
forbidden(struct ctx *cx, const char *why)
{
	struct audit_event event;

	err_clear(&cx->env.err);
	audit_event(cx, &event, AUDIT_DENIED);
	event.detail = audit_detail(cx, PROBLEM_FORBIDDEN);
	if (audit_append(cx, &event) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_AUTH_DENIED, 1);
	return (err_fail(&cx->env.err, PROBLEM_FORBIDDEN, "%s", why));
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
	    "There is no such API key, or it is not yours."));
}

static co_fn enum res
conflict(struct ctx *cx, const struct uuid *id, enum problem problem,
    const char *why)
{
	err_clear(&cx->env.err);
	(void)err_fail(&cx->env.err, problem, "%s", why);
	return (audit_failed(cx, OBJECT, id));
}

static co_fn enum res
refused(struct ctx *cx, const struct uuid *id, bool conditional)
{
	if (audit_refused(cx, "EL404"))
		return (not_found(cx, id));
	if (audit_refused(cx, "EL409"))
		return (conflict(cx, id, PROBLEM_CONFLICT,
		    "The key is revoked or expired: make another one."));
	if (audit_refused(cx, "EL412"))
		return (conditional ?
			    conflict(cx, id, PROBLEM_PRECONDITION_FAILED,
				"The key has another version than If-Match.") :
			    conflict(cx, id, PROBLEM_CONFLICT,
				"Someone else changed the key meanwhile."));
	return (audit_db_failed(cx, OBJECT, id));
}

static void
event_of(struct ctx *cx, struct audit_event *event, const struct apikey_row *r,
    const char *more)
{
	audit_event(cx, event, AUDIT_ALLOWED);
	audit_object(event, OBJECT, &r->key.id);
	event->detail =
	    arena_printf(cx->env.arena, "{\"version\":%d%s}", r->version, more);
}

/* ---- reading ---------------------------------------------------------------
 */

co_fn enum res
apikey_read(struct ctx *cx, const struct uuid *id, struct apikey_row *row)
{
	struct audit_event event;
	struct audit_ticket *ticket;
	struct db_rows *rows;
	struct db_op *op;

	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, OBJECT, id);
	if (audit_start(cx, &event, &ticket) != RES_OK ||
	    apikey_db_get_start(cx, id, &op) != RES_OK)
		return (RES_ERR);
	if (audit_wait(cx, ticket) != RES_OK)
		return (RES_ERR);
	if (db_wait(&cx->env, op, &rows) != RES_OK)
		return (audit_db_failed(cx, OBJECT, id));
	if (db_count(rows) == 0)
		return (not_found(cx, id));
	return (apikey_row_map(cx, rows, 0, row));
}

co_fn enum res
apikey_list(struct ctx *cx, const struct page *page, const struct uuid *user,
    struct apikey_row **list, int *n)
{
	struct audit_event event;
	struct db_rows *rows;

	if (user != NULL && !manages_all(cx) &&
	    !uuid_equal(user, &cx->who->user_id))
		return (forbidden(cx,
		    "Only those with the scope keys:admin see the keys of "
		    "other users."));
	audit_event(cx, &event, AUDIT_ALLOWED);
	if (user != NULL)
		audit_object(&event, "user", user);
	if (audit_append(cx, &event) != RES_OK)
		return (RES_ERR);
	if (apikey_db_list(cx, page, user, &rows) != RES_OK)
		return (audit_db_failed(cx, OBJECT, NULL));
	*n = db_count(rows);
	*list = arena_alloc(cx->env.arena, (size_t)(*n + 1) * sizeof(**list));
	for (int i = 0; i < *n; i++)
		if (apikey_row_map(cx, rows, i, &(*list)[i]) != RES_OK)
			return (RES_ERR);
	return (RES_OK);
}

/* ---- making ----------------------------------------------------------------
 */

static enum res
no_such_user(struct ctx *cx)
{
	err_field(&cx->env.err, cx->env.arena, "/user_id", "unknown",
	    "is not an enabled user");
	return (err_fail(
	    &cx->env.err, PROBLEM_VALIDATION, "1 mistake: see errors"));
}

/* Whoever has only some of her role's scopes has no power over those of the
 * role who have more: see user.c. */
static co_fn enum res
beyond(struct ctx *cx, const struct auth_user *user)
{
	if (user->role != cx->who->role ||
	    (user->scopes & ~cx->who->scopes) == 0)
		return (RES_OK);
	return (forbidden(
	    cx, "The account has more scopes of your role than you have."));
}

/* What somebody else does to the keys of a person is told to her. A service
 * reads no mail. */
static co_fn enum res
tell_owner(struct ctx *cx, const struct auth_user *owner, const char *what)
{
	const char *const values[] = { "name", owner->name, "what", what,
		"when", mail_when(cx->env.arena, cx->now_us), NULL };

	if (!owner->found || owner->role == ROLE_SERVICE)
		return (RES_OK);
	return (
	    mail_send(&cx->env, MAIL_ACCOUNT_CHANGED, owner->email, values));
}

/* Who owns a key that is there; not found: the actor herself. */
static co_fn enum res
other_owner(
    struct ctx *cx, const struct apikey_row *row, struct auth_user *owner)
{
	memset(owner, 0, sizeof(*owner));
	if (uuid_equal(&row->key.user_id, &cx->who->user_id))
		return (RES_OK);
	if (auth_db_by_id(cx, &row->key.user_id, owner) != RES_OK)
		return (RES_ERR);
	return (beyond(cx, owner));
}

/* One round trip more for other users: their rights decide on the scopes.
 * *user: not found when it is the actor herself. */
static co_fn enum res
find_owner(struct ctx *cx, struct uuid *id, enum role *role, uint64_t *allowed,
    struct auth_user *user)
{
	const char *text = json_get_str(cx->body, "user_id");

	memset(user, 0, sizeof(*user));
	*id = cx->who->user_id;
	*role = cx->who->role;
	*allowed = apikey_scopes(*role) & cx->who->scopes;
	/* The schema has checked that it is an id. */
	if (text == NULL || uuid_parse(text, id) != RES_OK ||
	    uuid_equal(id, &cx->who->user_id))
		return (RES_OK);
	if (!manages_all(cx))
		return (forbidden(cx,
		    "Only those with the scope keys:admin make keys for other "
		    "users."));
	if (auth_db_by_id(cx, id, user) != RES_OK)
		return (RES_ERR);
	if (!user->found || user->disabled || user->role == ROLE_UNSET)
		return (no_such_user(cx));
	*role = user->role;
	*allowed = apikey_scopes(*role) & user->scopes;
	return (beyond(cx, user));
}

/* The signing key as it is to be stored, NULL for none; a new one for HMAC. */
static const void *
signing_key(struct ctx *cx, const struct apikey_row *row, int32_t generation,
    struct apikey_secrets *secrets, size_t *len)
{
	uint8_t *sealed;

	*len = 0;
	if (row->key.alg == SIGNATURE_UNSET)
		return (NULL);
	if (row->key.alg == SIGNATURE_ED25519) {
		*len = sizeof(row->key.sign_key);
		return (row->key.sign_key);
	}
	api_sign_key_new(secrets->hmac);
	*len = API_SIGN_SEALED_BYTES;
	sealed = arena_alloc(cx->env.arena, *len);
	api_sign_key_seal(&row->key.id, generation, secrets->hmac, sealed);
	return (sealed);
}

static co_fn enum res
create_failed(struct ctx *cx)
{
	if (audit_refused(cx, "EL403"))
		return (forbidden(
		    cx, "Your account may not make this key any more."));
	if (audit_refused(cx, "EL404"))
		return (conflict(cx, NULL, PROBLEM_CONFLICT,
		    "The user was disabled or got another role meanwhile."));
	if (audit_refused(cx, "EL409"))
		return (conflict(cx, NULL, PROBLEM_CONFLICT,
		    arena_printf(cx->env.arena,
			"The user has %d keys in force: revoke one first.",
			APIKEYS_PER_USER)));
	return (audit_db_failed(cx, OBJECT, NULL));
}

static const char *
create_detail(struct ctx *cx, const struct apikey_row *row)
{
	char user[UUID_STRLEN + 1];

	uuid_format(&row->key.user_id, user);
	return (arena_printf(cx->env.arena,
	    ",\"user\":\"%s\",\"prefix\":\"%s\",\"scopes\":\"%s\"", user,
	    row->key.prefix, scopes_text(cx->env.arena, row->key.scopes)));
}

co_fn enum res
apikey_create(
    struct ctx *cx, struct apikey_row *row, struct apikey_secrets *secrets)
{
	struct audit_event event;
	struct auth_user other;
	struct db_tx *own = NULL;
	const void *sealed;
	enum role owner;
	enum res res;
	uint64_t allowed;
	size_t len;

	if (find_owner(cx, &row->key.user_id, &owner, &allowed, &other) !=
		RES_OK ||
	    apikey_from_body(cx, allowed, row) != RES_OK)
		return (RES_ERR);
	uuid_v7(&row->key.id);
	api_token_new(&secrets->token);
	memcpy(row->key.prefix, secrets->token.prefix, sizeof(row->key.prefix));
	row->version = row->generation = 1;
	sealed = signing_key(cx, row, row->generation, secrets, &len);
	event_of(cx, &event, row, create_detail(cx, row));
	if (other.found && user_tx_begin(cx, &own) != RES_OK)
		return (RES_ERR);
	res = apikey_db_create(
	    cx, &event, owner, secrets->token.hash, sealed, len, row);
	if (res != RES_OK)
		res = create_failed(cx);
	else
		res = tell_owner(cx, &other, "an API key was made for it");
	if (user_tx_end(cx, own, res) != RES_OK)
		return (RES_ERR);
	metric_add(METRIC_APIKEYS_CREATED, 1);
	return (RES_OK);
}

/* ---- changing --------------------------------------------------------------
 */

/* What is there, which the change then expects. */
static co_fn enum res
present(struct ctx *cx, const struct uuid *id, struct apikey_row *row)
{
	struct db_rows *rows;

	if (apikey_db_get(cx, id, &rows) != RES_OK)
		return (audit_db_failed(cx, OBJECT, id));
	if (db_count(rows) == 0)
		return (not_found(cx, id));
	return (apikey_row_map(cx, rows, 0, row));
}

static bool
in_force(const struct ctx *cx, const struct apikey_row *row)
{
	return (row->revoked_us == 0 &&
		(row->key.expires_us == 0 || row->key.expires_us > cx->now_us));
}

/* The change is made; the tombstone of before it stands as a rule. */
static co_fn void
forget_again(struct ctx *cx, const char *prefix)
{
	if (apikey_forget(cx, prefix) == RES_OK)
		return;
	err_clear(&cx->env.err);
	apikey_forget_later(prefix);
}

co_fn enum res
apikey_update(struct ctx *cx, const struct uuid *id, const char *condition,
    struct apikey_row *row)
{
	bool conditional = condition != NULL, changed;
	struct audit_event event;
	struct auth_user other;

	if (present(cx, id, row) != RES_OK ||
	    other_owner(cx, row, &other) != RES_OK)
		return (RES_ERR);
	if (if_match(condition, row->version) != IF_MATCH_YES)
		return (conflict(cx, id, PROBLEM_PRECONDITION_FAILED,
		    "The key has another version than If-Match."));
	if (!in_force(cx, row))
		return (conflict(cx, id, PROBLEM_CONFLICT,
		    "The key is revoked or expired: make another one."));
	if (apikey_merge(cx, row, &changed) != RES_OK)
		return (RES_ERR);
	if (!changed) {
		event_of(cx, &event, row, "");
		return (audit_append(cx, &event));
	}
	if (apikey_forget(cx, row->key.prefix) != RES_OK)
		return (RES_ERR);
	row->version++;
	event_of(cx, &event, row, "");
	row->version--;
	if (apikey_db_update(cx, &event, row) != RES_OK)
		return (refused(cx, id, conditional));
	forget_again(cx, row->key.prefix);
	metric_add(METRIC_APIKEYS_CHANGED, 1);
	return (RES_OK);
}

/* The public key that the body may bring along. */
static enum res
new_public_key(struct ctx *cx, const char *text, struct apikey_row *row)
{
	if (text == NULL)
		return (RES_OK);
	if (row->key.alg != SIGNATURE_ED25519)
		err_field(&cx->env.err, cx->env.arena, "/public_key", "unknown",
		    "belongs to keys that sign with ed25519");
	else if (api_public_key_read(text, row->key.sign_key) != RES_OK)
		err_field(&cx->env.err, cx->env.arena, "/public_key", "format",
		    "must be an Ed25519 public key: 32 bytes in base64 with "
		    "padding");
	else
		return (RES_OK);
	return (err_fail(
	    &cx->env.err, PROBLEM_VALIDATION, "1 mistake: see errors"));
}

co_fn enum res
apikey_rotate(struct ctx *cx, const struct uuid *id, int32_t overlap_s,
    const char *public_key, struct apikey_row *row,
    struct apikey_secrets *secrets)
{
	struct audit_event event;
	struct auth_user other;
	struct db_tx *own = NULL;
	const void *sealed;
	enum res res;
	size_t len;

	if (present(cx, id, row) != RES_OK ||
	    other_owner(cx, row, &other) != RES_OK)
		return (RES_ERR);
	if (!in_force(cx, row))
		return (conflict(cx, id, PROBLEM_CONFLICT,
		    "The key is revoked or expired: make another one."));
	if (new_public_key(cx, public_key, row) != RES_OK ||
	    apikey_forget(cx, row->key.prefix) != RES_OK)
		return (RES_ERR);
	api_token_renew(row->key.prefix, &secrets->token);
	sealed = signing_key(cx, row, row->generation + 1, secrets, &len);
	row->version++;
	event_of(cx, &event, row,
	    arena_printf(cx->env.arena, ",\"overlap_seconds\":%d", overlap_s));
	row->version--;
	if (other.found && user_tx_begin(cx, &own) != RES_OK)
		return (RES_ERR);
	res = apikey_db_rotate(
	    cx, &event, overlap_s, secrets->token.hash, sealed, len, row);
	if (res != RES_OK)
		res = refused(cx, id, false);
	else
		res = tell_owner(
		    cx, &other, "an API key of it was given a new secret");
	if (user_tx_end(cx, own, res) != RES_OK)
		return (RES_ERR);
	forget_again(cx, row->key.prefix);
	metric_add(METRIC_APIKEYS_ROTATED, 1);
	return (RES_OK);
}

/* Done and recorded; it must not look as if it were not, nor as if it were
 * already so everywhere. */
static co_fn enum res
believed(struct ctx *cx, const struct uuid *id, const char *prefix)
{
	struct err why = cx->env.err;

	apikey_forget_later(prefix);
	err_clear(&cx->env.err);
	err_private(&cx->env.err, "%s", why.private);
	cx->env.err.retry_after = 1;
	(void)err_fail(&cx->env.err, PROBLEM_UNAVAILABLE,
	    "The key is revoked, but not every server may know yet: for at "
	    "most %d seconds it may still be believed. Repeat the request to "
	    "be sure.",
	    APIKEY_FRESH_S);
	return (audit_failed(cx, OBJECT, id));
}

/* Revoked also when Redis is away, and again when it was so already: whoever
 * was told to repeat it gets the tombstone this time. */
co_fn enum res
apikey_revoke(struct ctx *cx, const struct uuid *id)
{
	struct audit_event event;
	struct apikey_row row;

	if (present(cx, id, &row) != RES_OK)
		return (RES_ERR);
	if (apikey_forget(cx, row.key.prefix) != RES_OK)
		err_clear(&cx->env.err);
	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, OBJECT, id);
	if (apikey_db_revoke(cx, &event, id) != RES_OK)
		return (refused(cx, id, false));
	metric_add(METRIC_APIKEYS_REVOKED, row.revoked_us == 0);
	if (apikey_forget(cx, row.key.prefix) != RES_OK)
		return (believed(cx, id, row.key.prefix));
	return (RES_OK);
}
