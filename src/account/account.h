/*
 * account/: accounts and their passwords, as administrators and their holders
 * manage them. Invitations, changes and ends of accounts, forgotten passwords,
 * and the rules about new ones.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "http/http.h"

/* Handlers (password_api.c, unlock_api.c) */
co_fn enum res auth_password(struct ctx *);
co_fn enum res auth_unlock(struct ctx *);
extern const struct schema schema_password;

/* Handlers (user_api.c, user_me_api.c, invitation_api.c, reset_api.c) */
co_fn enum res users_invite(struct ctx *);
co_fn enum res users_list(struct ctx *);
co_fn enum res users_get(struct ctx *);
co_fn enum res users_update(struct ctx *); /* EP_MERGE_PATCH */
co_fn enum res users_delete(struct ctx *);
co_fn enum res users_invite_again(struct ctx *);
co_fn enum res users_send_reset(struct ctx *);
co_fn enum res auth_me_update(struct ctx *); /* EP_MERGE_PATCH */
co_fn enum res auth_invitation(struct ctx *);
co_fn enum res auth_reset_ask(struct ctx *);
co_fn enum res auth_reset_confirm(struct ctx *);
extern const struct schema schema_user_new, schema_user_patch, schema_account,
    schema_account_page, schema_account_query, schema_me_patch,
    schema_invitation, schema_reset_ask, schema_reset_confirm;

/* ---- password_policy.c --------------------------------------------------
 * What a new password must be (NIST SP 800-63B-4, 3.1.1.2): long enough, and
 * neither breached nor made of what everybody knows of the account. There are
 * no rules about kinds of characters. VALIDATION with one field mistake at
 * pointer ("/new_password"): min_length, max_length, breached or context.
 * email and name: the account's; NULL: it has none. Never suspends.
 */
enum res password_policy_check(struct ctx *, const char *pointer,
    const char *password, const char *email, const char *name);

/* password_rules.c: the same without a request (pure; for eleusisctl). NULL:
 * it may be one; else what is wrong with it, and *code as above. */
const char *password_mistake(const char *password, const char *email,
    const char *name, const char **code);

/*
 * breached.c (pure): the list in BREACHED_FILE. breached_load() maps it, in
 * the parent; with "" for a path there is none, and every password is taken
 * for a good one. One that is listed is found as it is and in lower case.
 */
enum res breached_load(const char *path, char *msg, size_t msglen);
bool breached_has(const char *password);
uint32_t breached_count(void);
/*
 * The file's parts, for who makes one (eleusisctl passwords build): the first
 * 64 bits of a SHA-1 decide. Prefixes ascend, none twice; the file's bytes go
 * to write(arg, ...), which returns false to give up.
 */
uint64_t breached_prefix(const char *password, size_t len);
bool breached_write(const uint64_t *prefixes, uint32_t n,
    bool (*write)(void *arg, const void *, size_t), void *arg);

#endif
