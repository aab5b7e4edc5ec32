/*
 * Shared by the files of account/ only.
 */
#ifndef ACCOUNT_PRIV_H
#define ACCOUNT_PRIV_H

#include "account/account.h"
#include "auth/auth.h"
#include "crypto/crypto.h"

struct audit_event;

/*
 * user*.c: accounts as administrators see and change them.
 */
#define USERS_PAGE     20
#define USERS_PAGE_MAX 100
struct user_row {
	struct uuid id;
	const char *email, *name;
	const char *status; /* active, invited, disabled or deleted */
	enum role role;
	bool narrowed;   /* has a list of scopes of its own, which is: */
	uint64_t scopes; /* else the role's */
	bool disabled, onetime, has_password, has_factor, deleted;
	int32_t version;
	int64_t invited_until_us; /* 0: no invitation is open */
	int64_t created_us, updated_us;
};
/* What a change is about, as bits; the names of user_change_names. */
#define USER_CHANGE_NAME     0x01
#define USER_CHANGE_EMAIL    0x02
#define USER_CHANGE_ROLE     0x04
#define USER_CHANGE_SCOPES   0x08
#define USER_CHANGE_DISABLED 0x10
#define USER_CHANGE_ONETIME  0x20
/* Those that end her sessions: all that decides who may do what. */
#define USER_CHANGE_RIGHTS (0x3f & ~USER_CHANGE_NAME)
/* Of all, with blanks between. */
const char *user_change_names(struct arena *, unsigned changes);

/* user_fields.c: bodies to rows; VALIDATION with every mistake. */
enum res user_from_body(struct ctx *, struct user_row *);
enum res user_merge(struct ctx *, struct user_row *, unsigned *changes);
/* A name that is fit for a line of a mail; err_field() unless it is. */
void user_check_name(struct ctx *, const char *);
enum res user_mistakes(struct ctx *);

/* user.c: what may be done with accounts, each with its audit row. */
co_fn enum res user_create(struct ctx *, struct user_row *);
co_fn enum res user_read(struct ctx *, const struct uuid *, struct user_row *);
/* status, role NULL: any. One row more than the page's limit, if there is
 * one. */
co_fn enum res user_list(struct ctx *, const struct page *, const char *status,
    const char *role, struct user_row **, int *n);
co_fn enum res user_update(struct ctx *, const struct uuid *,
    const char *condition, struct user_row *);
co_fn enum res user_delete(
    struct ctx *, const struct uuid *, const char *condition, int32_t *version);
/* Sends an invitation once more, or a link for a new password. */
co_fn enum res
user_invite_again(struct ctx *, const struct uuid *, struct user_row *);
co_fn enum res user_send_reset(struct ctx *, const struct uuid *);

/* user_refusal.c: how a change of an account ends badly, each with its row. */
co_fn enum res
user_forbidden(struct ctx *, const struct uuid *, const char *why);
co_fn enum res
user_conflict(struct ctx *, const struct uuid *, enum problem, const char *why);
co_fn enum res user_not_found(struct ctx *, const struct uuid *);
/* After a statement of user_db.c has failed. conditional: with If-Match;
 * state: what EL409 means. */
co_fn enum res user_refused(
    struct ctx *, const struct uuid *, bool conditional, const char *state);

/* user_mail.c: notices to those whose account was changed. */
co_fn enum res user_mail_changed(struct ctx *, const struct user_row *before,
    const struct user_row *after, unsigned changes);
const char *user_mail_time(struct ctx *);

/* user_token.c: one-time tokens that go out by mail. */
enum user_token_kind {
	USER_TOKEN_UNSET = 0,
	USER_TOKEN_INVITATION,
	USER_TOKEN_RESET,
	USER_TOKEN_MAX
};
struct user_token {
	char text[TOKEN_STRLEN + 1];
	uint8_t hash[DIGEST_BYTES];
};
const char *user_token_purpose(enum user_token_kind);
int32_t user_token_seconds(enum user_token_kind);
void user_token_new(enum user_token_kind, struct user_token *);
/* The mail with the link. role of an invitation only. */
co_fn enum res
user_token_mail(struct env *, enum user_token_kind, const struct user_token *,
    const char *to, const char *name, const char *role);
/*
 * A token, its holder and the new password: *hash is what the password is to
 * be stored as. BAD_TOKEN after the same work whether the token is unknown,
 * used up, expired or void, counted as a refusal of nobody known; VALIDATION
 * when the policy refuses the password.
 */
struct token_holder {
	struct uuid id;
	const char *email, *name;
	uint8_t hash[DIGEST_BYTES]; /* of the token */
	const char *password_hash;
};
co_fn enum res
user_token_check(struct ctx *, enum user_token_kind, struct token_holder *);
co_fn enum res user_token_refused(struct ctx *);

/* user_db.c */
co_fn enum res
user_db_get(struct ctx *, const struct uuid *, struct db_rows **);
enum res user_db_get_start(struct ctx *, const struct uuid *, struct db_op **);
enum res
user_row_map(struct ctx *, const struct db_rows *, int row, struct user_row *);
co_fn enum res user_db_list(struct ctx *, const struct page *,
    const char *status, const char *role, struct db_rows **);
/* *prefixes: of the keys in force. */
co_fn enum res
user_db_keys(struct ctx *, const struct uuid *, const char **prefixes);
/* token NULL: none. */
co_fn enum res user_db_invite(struct ctx *, const struct audit_event *,
    const struct user_token *, struct user_row *);
co_fn enum res user_db_update(struct ctx *, const struct audit_event *,
    unsigned changes, struct user_row *);
co_fn enum res user_db_delete(
    struct ctx *, const struct audit_event *, const struct user_row *);
co_fn enum res
user_db_rename(struct ctx *, const struct audit_event *, const char *name);
co_fn enum res user_db_token_send(struct ctx *, const struct audit_event *,
    enum user_token_kind, const struct user_token *, struct user_row *);

/* user_token_db.c */
co_fn enum res user_db_token_holder(struct ctx *, enum user_token_kind,
    const uint8_t hash[DIGEST_BYTES], struct token_holder *, bool *found);
co_fn enum res user_db_token_redeem(struct ctx *, const struct audit_event *,
    enum user_token_kind, const struct token_holder *, const char *name);
/* *found: somebody is to get the mail. */
co_fn enum res user_db_reset_ask(struct env *, const char *email,
    const struct user_token *, struct token_holder *, bool *found);
co_fn enum res user_db_note(struct env *, const struct audit_event *);

#endif
