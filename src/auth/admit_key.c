/*
 * API keys at admission. A key's record lies sealed in Redis for a minute at
 * most; PostgreSQL tells it when Redis cannot: it is not there, it is too
 * old, or a tombstone says that the key is being changed.
 *
 * In front of the seal stands what the script needs to tell whether the key
 * is good here and now, and so whom to charge: a mark, the user's bucket, the
 * keyed hash of the secret and of the former one while it is good, the key's
 * own limits (4 bytes a class; 0: none), when the key and the former secret
 * end (8 bytes each, in us; 0: never), how many networks it is bound to (one
 * byte), and each as its length in bits and 16 bytes. Integers are big-endian.
 * After opening, all of it is compared with what is sealed.
 */
#include <string.h>

#include <sodium.h>

#include "auth/auth_priv.h"
#include "obs/obs.h"

static size_t
head_make(const struct principal *who, uint8_t out[KEY_HEAD_MAX])
{
	const struct apikey *k = who->key;
	char bucket[BUCKET_STRLEN + 1];
	uint8_t *p = out + KEY_HEAD_TIMES;

	memset(out, 0, KEY_HEAD_MAX);
	out[0] = KEY_HEAD_MARK;
	bucket_name(&who->user_id, bucket);
	memcpy(out + 1, bucket, BUCKET_STRLEN);
	memcpy(out + KEY_HEAD_SECRET, k->secret_hash, 32);
	if (k->previous_until_us > k->loaded_us)
		memcpy(out + KEY_HEAD_SECRET + 32, k->previous_hash, 32);
	for (unsigned c = 0; c < RATE_CLASS_MAX; c++)
		put_be32(out + KEY_HEAD_LIMITS + 4 * c, k->limits[c]);
	put_be64(p, (uint64_t)k->expires_us);
	put_be64(p + 8, (uint64_t)k->previous_until_us);
	p[16] = (uint8_t)k->nnetworks;
	p += 17;
	for (unsigned i = 0; i < k->nnetworks; i++, p += 17) {
		p[0] = k->networks[i].bits;
		memcpy(p + 1, k->networks[i].addr.b, 16);
	}
	return ((size_t)(p - out));
}

static const void *
record_make(struct ctx *cx, const struct principal *who, size_t *len)
{
	const void *sealed = apikey_value_make(cx->env.arena, who, len);
	uint8_t *out = arena_alloc(cx->env.arena, KEY_HEAD_MAX + *len);
	size_t head = head_make(who, out);

	memcpy(out + head, sealed, *len);
	*len += head;
	return (out);
}

static struct principal *
record_open(struct ctx *cx, const struct admission *ad)
{
	const struct verdict *v = &ad->verdict;
	const uint8_t *value = v->value;
	uint8_t head[KEY_HEAD_MAX];
	struct principal *who = NULL;
	size_t n;

	if (v->len <= KEY_HEAD_FIXED)
		return (NULL);
	n = KEY_HEAD_FIXED + 17 * (size_t)value[KEY_HEAD_FIXED - 1];
	if (v->len <= n ||
	    apikey_value_open(cx->env.arena, ad->credential.prefix, value + n,
		v->len - n, &who) != RES_OK)
		return (NULL);
	if (head_make(who, head) != n)
		return (NULL);
	return (sodium_memcmp(head, value, n) == 0 ? who : NULL);
}

/*
 * A second round trip to Redis, and one to PostgreSQL: once a minute a key, or
 * while it is being changed. Who names keys that are not there has been
 * charged as a stranger before PostgreSQL is asked.
 */
static co_fn enum res
load(struct ctx *cx, struct admission *ad, bool stale, struct principal **out)
{
	const void *record;
	size_t len;

	if (apikey_load(cx, ad->credential.prefix, out) != RES_OK ||
	    *out == NULL)
		return (*out == NULL && cx->env.err.problem == PROBLEM_UNSET ?
			    RES_OK :
			    RES_ERR);
	record = record_make(cx, *out, &len);
	return (admit_ask(cx, ad, record, len, stale));
}

static bool
passed(const struct verdict *v)
{
	for (unsigned i = 0; i < v->nstates; i++)
		if (v->states[i].wait_ms > 0)
			return (false);
	return (true);
}

co_fn enum res
admit_key(struct ctx *cx, struct admission *ad, struct principal **out)
{
	const struct verdict *v = &ad->verdict;
	bool stale = false;

	*out = NULL;
	if (admit_ask(cx, ad, NULL, 0, false) != RES_OK)
		return (RES_ERR);
	if (v->value != NULL) {
		if ((*out = record_open(cx, ad)) == NULL)
			log_event(LOG_LEVEL_ERROR, "apikey.forged",
			    "an API key's value in Redis does not open");
		stale = *out == NULL || !apikey_fresh(*out, cx->now_us);
	}
	if ((!v->missing && !stale) || !passed(v))
		return (RES_OK);
	if (load(cx, ad, stale, out) != RES_OK)
		return (RES_ERR);
	if (v->value == NULL) /* the secret does not fit */
		*out = NULL;
	return (RES_OK);
}

/* Each time from PostgreSQL: a revocation is effective at once all the same. */
co_fn enum res
admit_key_alone(struct ctx *cx, struct admission *ad, struct principal **out)
{
	const struct apikey *k;

	if (apikey_load(cx, ad->credential.prefix, out) != RES_OK)
		return (RES_ERR);
	if (*out == NULL)
		return (RES_OK);
	k = (*out)->key;
	if (sodium_memcmp(k->secret_hash, ad->credential.hash, 32) != 0 &&
	    (k->previous_until_us <= cx->now_us ||
		sodium_memcmp(k->previous_hash, ad->credential.hash, 32) != 0))
		*out = NULL;
	return (RES_OK);
}
