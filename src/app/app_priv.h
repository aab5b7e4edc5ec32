/*
 * Shared by the files of app/ only.
 */
#ifndef APP_PRIV_H
#define APP_PRIV_H

#include "app/app.h"
#include "crypto/crypto.h"
#include "io/io.h"

/* idempotency_db.c */
enum claim {
	CLAIM_UNSET = 0,
	CLAIM_NEW,  /* this transaction has it */
	CLAIM_KEPT, /* there is a reply */
	CLAIM_BUSY  /* another transaction has it */
};
struct kept {
	enum claim state;
	struct uuid id;
	const uint8_t *request_hash; /* DIGEST_BYTES */
	bool about_patient;
	struct uuid patient;
	const uint8_t *reply; /* sealed */
	size_t reply_len;
	bool visible; /* the patient is in the actor's care: key is set */
	struct wrapped_key key;
};
co_fn enum res idempotency_db_claim(
    struct ctx *, const uint8_t key_hash[DIGEST_BYTES], struct kept *);
co_fn enum res
idempotency_db_keep(struct ctx *, const uint8_t key_hash[DIGEST_BYTES],
    const struct uuid *principal, const struct kept *);
co_fn enum res
idempotency_db_forget(struct env *, int32_t limit, int32_t *gone);

#endif
