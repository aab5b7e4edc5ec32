/*
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a POST may be
 * repeated without being carried out twice. The key is claimed, the request
 * carried out and its reply kept in one transaction of PostgreSQL, so that a
 * crash at any point leaves either both or neither. That makes five round
 * trips instead of one, which only those who send the header pay.
 *
 * A failed request leaves nothing behind: repeated, it is tried again. A kept
 * reply is sealed under the data key of the patient it is about, so that it is
 * forgotten with her, and given out only while she is in the actor's care.
 */
#include <string.h>

#include <sodium.h>

#include "app/app_priv.h"
#include "audit/audit.h"
#include "auth/auth.h"
#include "obs/obs.h"

#define KEY_MAX    255
#define SWEEP_MS   (5 * 60 * 1000)
#define SWEEP_ROWS 1000
#define KEPT_TABLE "kept_reply"

struct claim_hashes {
	uint8_t key[DIGEST_BYTES], request[DIGEST_BYTES];
};

/* Visible ASCII, with or without the quotes of a structured-field string
 * (RFC 9651, 3.3.3): the two are one key. */
static enum res
read_key(struct ctx *cx, const char **key)
{
	const char *s = ctx_header_list(cx, "idempotency-key");
	size_t len, quoted;

	*key = NULL;
	if (s == NULL)
		return (RES_OK);
	len = strlen(s);
	quoted = len >= 2 && s[0] == '"' && s[len - 1] == '"';
	s += quoted;
	len -= 2 * quoted;
	for (size_t i = 0; i < len; i++) {
		if (s[i] <= 0x20 || s[i] >= 0x7f || s[i] == '"' ||
		    s[i] == '\\' || s[i] == ',')
			len = 0;
	}
	if (len == 0 || len > KEY_MAX)
		return (err_fail(&cx->env.err, PROBLEM_MALFORMED_REQUEST,
		    "Idempotency-Key must be one string of 1 to %d visible "
		    "ASCII characters without quotes, commas and backslashes; "
		    "a UUID is best.",
		    KEY_MAX));
	*key = arena_strndup(cx->env.arena, s, len);
	return (RES_OK);
}

static const struct uuid *
principal_id(const struct ctx *cx)
{
	return (cx->who->key != NULL ? &cx->who->key->id : &cx->who->user_id);
}

static struct kept_part
part(const void *data, size_t len)
{
	return ((struct kept_part){ data, len });
}

static struct kept_part
part_text(const char *s)
{
	return (part(s != NULL ? s : "", s != NULL ? strlen(s) : 0));
}

static void
make_hashes(struct ctx *cx, const char *key, struct claim_hashes *h)
{
	size_t len;
	const void *body = ctx_body(cx, &len);
	const struct kept_part whose[] = { part(principal_id(cx)->b, 16),
		part_text(cx->ep->name), part_text(key) };
	const struct kept_part what[] = { part_text(cx->path),
		part_text(cx->query_string),
		part(body != NULL ? body : "", len) };

	kept_hash(whose, NELEM(whose), h->key);
	kept_hash(what, NELEM(what), h->request);
}

/* ---- a reply that is there ------------------------------------------------
 */

static co_fn enum res
replay_refused(struct ctx *cx, enum problem problem, const char *detail)
{
	struct audit_event ev;

	metric_add(METRIC_IDEMPOTENCY_REFUSED, 1);
	audit_event(cx, &ev, AUDIT_DENIED);
	ev.detail = audit_detail(cx, problem);
	if (audit_append(cx, &ev) != RES_OK)
		return (RES_ERR);
	return (err_fail(&cx->env.err, problem, "%s", detail));
}

static void
place_of(const struct kept *k, struct seal_place *place)
{
	*place = (struct seal_place){ KEPT_TABLE, "reply", k->id, 1 };
}

static co_fn const struct data_key *
key_of(struct ctx *cx, const struct kept *k)
{
	struct data_key *own;

	if (k->about_patient)
		return (audit_open_key(cx, &k->patient, &k->key));
	own = arena_alloc(cx->env.arena, sizeof(*own));
	kept_key(own);
	return (own);
}

/* Whoever gets the reply again sees again what is in it. */
static co_fn enum res
replay_audit(struct ctx *cx, const struct kept *k)
{
	struct audit_event ev;

	audit_event(cx, &ev, AUDIT_ALLOWED);
	ev.action = arena_printf(cx->env.arena, "%s.replayed", cx->ep->audit);
	if (k->about_patient)
		audit_object(&ev, "patient", &k->patient);
	return (audit_append(cx, &ev));
}

static co_fn enum res
replay(struct ctx *cx, const struct kept *k, const struct claim_hashes *h)
{
	const struct data_key *key;
	struct seal_place place;
	const char *plain;
	size_t len;

	if (sodium_memcmp(k->request_hash, h->request, DIGEST_BYTES) != 0)
		return (replay_refused(cx, PROBLEM_IDEMPOTENCY_MISMATCH,
		    "This Idempotency-Key came with another path, query or "
		    "body before: take a new one for a new request."));
	if (k->about_patient && !k->visible)
		return (audit_denied(cx, "patient", &k->patient));
	if (k->about_patient)
		cx->patient_id = k->patient;
	if ((key = key_of(cx, k)) == NULL)
		return (RES_ERR);
	place_of(k, &place);
	if (vault_open(cx->env.arena, key, &place, k->reply, k->reply_len,
		&plain, &len) != RES_OK ||
	    replay_audit(cx, k) != RES_OK)
		return (cx->env.err.problem != PROBLEM_UNSET ?
			    RES_ERR :
			    audit_broken(cx, "kept_reply", &k->id));
	if (reply_unpack(cx, plain, len) != RES_OK)
		return (audit_broken(cx, "kept_reply", &k->id));
	reply_header(cx, "Idempotency-Replayed", "true");
	metric_add(METRIC_IDEMPOTENCY_REPLAYED, 1);
	return (RES_OK);
}

/* ---- a new one ------------------------------------------------------------
 */

static co_fn enum res
keep(struct ctx *cx, const struct claim_hashes *h)
{
	struct kept k = { .request_hash = h->request,
		.about_patient = cx->patient_key != NULL };
	const struct data_key *key = cx->patient_key;
	struct seal_place place;
	struct buf plain;

	uuid_v7(&k.id);
	if (k.about_patient)
		k.patient = key->owner;
	else
		key = key_of(cx, &k);
	buf_init(&plain, cx->env.arena, 1024);
	reply_pack(cx, &plain);
	place_of(&k, &place);
	vault_seal(cx->env.arena, key, &place, plain.data, plain.len, &k.reply,
	    &k.reply_len);
	return (idempotency_db_keep(cx, h->key, principal_id(cx), &k));
}

/* The effect is made in cx->env.tx; only COMMIT makes it so. */
static co_fn enum res
first_time(struct ctx *cx, const struct claim_hashes *h)
{
	if (cx->ep->handler(cx) != RES_OK || keep(cx, h) != RES_OK)
		return (RES_ERR);
	if (db_commit(&cx->env, cx->env.tx) == RES_OK)
		return (RES_OK);
	/* Not even we can tell whether it was carried out: the key can. */
	err_clear(&cx->env.err);
	cx->env.err.retry_after = 1;
	return (err_fail(&cx->env.err, PROBLEM_UNAVAILABLE,
	    "The request may or may not have been carried out. Repeat it "
	    "with the same Idempotency-Key to find out."));
}

static enum res
in_flight(struct ctx *cx)
{
	metric_add(METRIC_IDEMPOTENCY_REFUSED, 1);
	cx->env.err.retry_after = 1;
	return (err_fail(&cx->env.err, PROBLEM_IDEMPOTENCY_IN_FLIGHT,
	    "A request with this Idempotency-Key is being carried out: ask "
	    "again in a moment."));
}

static co_fn enum res
claimed(struct ctx *cx, const struct claim_hashes *h)
{
	struct kept k;

	if (idempotency_db_claim(cx, h->key, &k) != RES_OK)
		return (RES_ERR);
	switch (k.state) {
	case CLAIM_NEW:
		return (first_time(cx, h));
	case CLAIM_KEPT:
		return (replay(cx, &k, h));
	default:
		return (in_flight(cx));
	}
}

co_fn enum res
idempotency_run(struct ctx *cx)
{
	const char *key = NULL;
	struct claim_hashes h;
	struct db_tx *tx;
	enum res rc;

	if ((cx->ep->flags & EP_IDEMPOTENT) && read_key(cx, &key) != RES_OK)
		return (RES_ERR);
	if (key == NULL)
		return (cx->ep->handler(cx));
	make_hashes(cx, key, &h);
	if (db_begin(&cx->env, &tx) != RES_OK)
		return (RES_ERR);
	cx->env.tx = tx;
	rc = claimed(cx, &h);
	cx->env.tx = NULL;
	db_rollback(&cx->env, tx);
	return (rc);
}

/* ---- sweeping -------------------------------------------------------------
 */

static co_fn void
sweep(void)
{
	int32_t gone = SWEEP_ROWS;
	struct env env;

	env_init(&env, DEADLINE_NONE);
	while (gone == SWEEP_ROWS &&
	       idempotency_db_forget(&env, SWEEP_ROWS, &gone) == RES_OK)
		;
	if (env.err.problem != PROBLEM_UNSET)
		log_event(LOG_LEVEL_WARN, "idempotency.sweep",
		    "expired replies were not deleted: %s", env.err.private);
	env_done(&env);
}

static co_fn void
sweeper(void *arg UNUSED)
{
	for (;;) {
		co_sleep(SWEEP_MS);
		sweep();
	}
}

enum res
idempotency_init(void)
{
	return (co_spawn("kept-replies", sweeper, NULL));
}
