/*
 * Shared by the files of factor/ only.
 */
#ifndef FACTOR_PRIV_H
#define FACTOR_PRIV_H

#include "auth/auth.h"
#include "crypto/crypto.h"
#include "factor/factor.h"
#include "mail/mail.h"
#include "webauthn/webauthn.h"

struct audit_event;

/*
 * passkey*.c: registering passkeys, managing one's own, and logging in with
 * them.
 */
#define PASSKEYS_PER_USER 20
struct passkey { /* as its user sees it */
	struct uuid id, aaguid;
	struct bytes credential;
	int alg;
	const char *name, *transports; /* with blanks between */
	bool backup_eligible, backed_up;
	int64_t created_us, used_us; /* 0: never */
};
struct passkey_list {
	struct passkey *items;
	int n;
};
struct passkey_owned { /* as an assertion is checked against it */
	struct uuid id, user_id;
	struct webauthn_stored stored;
};

/* passkey_challenge.c: who NULL: put to nobody known. What was put to
 * somebody is good in that session only. */
enum challenge_purpose {
	CHALLENGE_UNSET = 0,
	CHALLENGE_REGISTER,
	CHALLENGE_LOGIN,
	CHALLENGE_VERIFY
};
co_fn enum res challenge_new(struct ctx *, enum challenge_purpose,
    const struct principal *who, const char **text);
/* It is gone then, ours or not. */
co_fn enum res challenge_take(struct ctx *, enum challenge_purpose,
    const struct principal *who, const uint8_t challenge[TOKEN_BYTES],
    bool *ours);

/* passkey_credential.c: the body's member "credential"; VALIDATION with every
 * mistake. */
struct passkey_answer {
	struct bytes id, client_data;
	struct bytes attestation;                  /* of a new one */
	struct bytes data, signature, user_handle; /* of a use; handle: {0}
						    * when there is none */
	const char *transports[PASSKEY_TRANSPORTS_MAX];
	unsigned ntransports;
};
enum res passkey_read_new(struct ctx *, struct passkey_answer *);
enum res passkey_read_used(struct ctx *, struct passkey_answer *);
const char *base64url(struct arena *, const void *, size_t);

/* passkey_options.c */
struct webauthn_rp passkey_rp(void);
void passkey_reply_creation(
    struct ctx *, const char *challenge, const struct passkey_list *has);
void passkey_reply_request(
    struct ctx *, const char *challenge, const struct passkey_list *allowed);
void passkey_write_transports(struct json_out *, const char *list);

/* passkey.c: each with its audit row. */
/* from_us: what sessions of the account say from now on. */
co_fn enum res
passkey_register(struct ctx *, struct passkey *, int64_t *from_us);
co_fn enum res
passkey_rename(struct ctx *, const struct uuid *, struct passkey *);
/* has: the FACTOR_s that are left. */
co_fn enum res passkey_delete(struct ctx *, const struct uuid *, unsigned *has);
/* The row of an answer that does not hold, and the alert where a copy of an
 * authenticator may be at work. p NULL or without an id: not known. RES_ERR:
 * the row is not durable. */
co_fn enum res passkey_denied(
    struct ctx *, const struct passkey_owned *p, enum webauthn_fault);

/* passkey_login.c: an answer to a question put to nobody, and its account; or
 * one to cx->who, of a passkey of hers. BAD_CREDENTIALS, with its row. */
co_fn enum res
passkey_login(struct ctx *, struct passkey_owned *, struct auth_user *);
co_fn enum res passkey_verify(struct ctx *);

/* passkey_db.c */
co_fn enum res passkey_db_list(struct ctx *, struct passkey_list *);
co_fn enum res passkey_db_create(struct ctx *, const struct audit_event *,
    const struct passkey_answer *, const struct webauthn_credential *,
    struct passkey *); /* id and name are filled in */
co_fn enum res passkey_db_rename(struct ctx *, const struct audit_event *,
    const struct uuid *, const char *name, struct passkey *);
/* needed: not when it is the last factor (EL409). */
co_fn enum res passkey_db_delete(struct ctx *, const struct audit_event *,
    const struct uuid *, bool needed, int32_t *left);
co_fn enum res passkey_db_find(struct ctx *, const struct bytes *credential,
    struct passkey_owned *, bool *found);
/* Event NULL: somebody else makes the row. EL409: the counter did not grow. */
co_fn enum res passkey_db_used(struct ctx *, const struct audit_event *,
    const struct uuid *, const struct webauthn_use *);

/*
 * factor.c, factor_try.c, factor_db.c: authenticator apps and recovery codes.
 */
struct factors {
	struct auth_user user;
	int32_t version;       /* of the app's secret; 0: there never was one */
	const uint8_t *sealed; /* that secret; NULL: there is none */
	size_t sealed_len;
	int64_t begun_us, confirmed_us; /* 0: not */
	int64_t last_step;              /* used up, with all before it */
	int32_t codes_left;
};
struct recovery_set {
	char code[RECOVERY_CODES][RECOVERY_CODE_STRLEN + 1];
	uint8_t hash[RECOVERY_CODES][DIGEST_BYTES];
};
/* Of cx->who as it is now; UNAUTHENTICATED when the account is gone. */
co_fn enum res factors_load(struct ctx *, struct factors *);
/* CONFLICT, after its audit row. */
co_fn enum res factor_conflict(struct ctx *, const char *why);
/* The secret of the app; INTERNAL, after a row, when it does not open. */
co_fn enum res factor_secret(
    struct ctx *, const struct factors *, uint8_t secret[TOTP_SECRET_BYTES]);
struct seal_place factor_place(const struct uuid *user, int32_t version);
void recovery_set_new(const struct uuid *user, struct recovery_set *);
/* {"recovery_codes": [...]}: the key and its array; wipes the set. */
void recovery_set_write(struct json_out *, struct recovery_set *);
/* A change and the mail about it are one transaction. factor_change_end()
 * commits unless res says that the change failed, and passes that on with
 * what audit_refused() asks for. */
co_fn enum res factor_change_begin(struct ctx *, struct db_tx **);
/* UNAUTHENTICATED, after its row: the session was ended before the change. */
co_fn enum res session_is_over(struct ctx *);
co_fn enum res factor_change_end(struct ctx *, struct db_tx *, enum res,
    const struct auth_user *, enum mail_kind, const char *what);

/*
 * One try of a code, whichever kind: factor_try_begin(), which counts it as
 * failed (LOGIN_THROTTLED), then exactly one of the others. An unfinished
 * session ends with the last of its FACTOR_TRIES wrong ones.
 */
#define FACTOR_TRIES 5
struct factor_try {
	const struct auth_user *user;
	const char *factor; /* "totp", "recovery": for the audit log */
	struct lockout lockout;
	bool last; /* the session has no more */
};
co_fn enum res factor_try_begin(struct ctx *, const struct auth_user *,
    const char *factor, struct factor_try *);
/* BAD_CREDENTIALS, after its rows. */
co_fn enum res factor_try_wrong(struct ctx *, const struct factor_try *);
co_fn enum res factor_try_right(struct ctx *, const struct factor_try *);
/* It was never looked at; keeps cx's error. Returns RES_ERR. */
co_fn enum res factor_try_undo(struct ctx *, const struct factor_try *);

co_fn enum res
factor_db_load(struct ctx *, const struct uuid *, struct factors *);
/* Changes of cx->who's account, each with its audit row. EL409: see the
 * functions in the migration. */
co_fn enum res factor_db_begin(struct ctx *, const struct audit_event *,
    int32_t version, const void *sealed, size_t len);
co_fn enum res factor_db_confirm(struct ctx *, const struct audit_event *,
    int32_t version, int64_t step, const struct recovery_set *);
co_fn enum res factor_db_use(
    struct ctx *, const struct audit_event *, int32_t version, int64_t step);
co_fn enum res
factor_db_remove(struct ctx *, const struct audit_event *, bool needed);
co_fn enum res factor_db_recover(
    struct ctx *, const struct audit_event *, const uint8_t *hash);
co_fn enum res factor_db_codes(
    struct ctx *, const struct audit_event *, const struct recovery_set *);
co_fn enum res factor_db_reset(
    struct ctx *, const struct audit_event *, const struct uuid *user);

#endif
