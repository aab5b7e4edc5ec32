/*
 * guard/: who is kept out, and for how long. Rate limits, network rules and
 * the back-off after failed log-ins; and the tally of those turned away
 * before anybody knew who they were.
 */
#ifndef GUARD_H
#define GUARD_H

#include "crypto/crypto.h"
#include "http/http.h"
#include "io/io.h"

/*
 * denials.c: refusals of nobody known (no principal). Each is counted in the
 * metrics at once; per minute, kind and network (/24, /48) they become one
 * audit row, written by a background coroutine: a flood of requests is no
 * flood of rows, and costs no round trip. Bounded memory; what finds the
 * table full is added to one row for "other networks". Not from a signal
 * handler or another thread.
 */
enum denial {
	DENIAL_UNSET = 0,
	DENIAL_MALFORMED,       /* the gate: not a request we take */
	DENIAL_NETWORK,         /* a network rule */
	DENIAL_RATE,            /* a rate limit, before authentication */
	DENIAL_UNAUTHENTICATED, /* no, unknown or expired credentials */
	DENIAL_SIGNATURE,       /* a signature that does not hold */
	DENIAL_THROTTLED,       /* the back-off after failed log-ins */
	DENIAL_MAX
};
void denial_note(enum denial, const struct netaddr *);
void denials_init(void); /* in a worker, after audit_init() */

/*
 * rate.c: what a request is charged to, and how a client is told. The limits
 * are GCRA (the cell-rate algorithm of ATM Forum TM 4.0): a bucket holds the
 * instant at which it will be whole again; a request moves that on by its
 * price and passes while it stays within the burst. A request that costs more
 * than the whole burst passes when the bucket is whole.
 */
enum rate_kind { /* numbers known to the Redis scripts */
	RATE_KIND_UNSET = 0,
	RATE_KIND_USER,
	RATE_KIND_KEY,      /* an API key with a limit of its own */
	RATE_KIND_NETWORK,  /* those that are authenticated, together */
	RATE_KIND_STRANGER, /* those that are not: network by network */
	RATE_KIND_MAX
};
#define RATE_BUCKETS_MAX 3
struct rate_bucket {
	enum rate_kind kind;
	int64_t limit; /* a minute */
	const char *name;
};
/* A bucket after a request. */
struct rate_state {
	enum rate_kind kind;
	int64_t limit;
	int64_t left;     /* units that would still pass at once */
	int64_t reset_ms; /* until it is whole */
	int64_t wait_ms;  /* until it lets the request pass; 0: it does */
};
int64_t rate_limit(enum rate_class);          /* a minute, from the settings */
int64_t rate_network_limit(enum rate_class);  /* of a network's users */
int64_t rate_quota(int64_t limit);            /* units that may come at once */
const char *rate_class_name(enum rate_class); /* "read"; unique first letter */
/*
 * Sets the headers' values in cx, for the class of its row. When a bucket
 * does not let the request pass: RATE_LIMITED with retry_after, counted.
 */
enum res rate_tell(struct ctx *, const struct rate_state *, unsigned n);

/*
 * rate_alone.c: the stand-in while Redis is away. Each worker gives out a
 * quarter of its share of every limit (never less than 1 a minute), from a
 * bounded table: what finds no room inherits the fullest-looking state of its
 * set, so nothing is ever let through for want of memory. Pure.
 */
void rate_alone_init(unsigned workers); /* in the parent */
int64_t rate_alone_limit(int64_t limit);
/* Charges all buckets or, when one refuses, none. limit: as it is to be. */
bool rate_alone(const struct rate_bucket *, unsigned n, unsigned cost,
    int64_t now_us, struct rate_state *);

/*
 * rate_denied.c: the audit of 429s to those who are known. True: the refusal
 * needs a durable row of its own now. False: its principal has had one for
 * this class within the minute; this one is counted, and a background
 * coroutine writes the sum when the minute is over.
 */
bool rate_denied(struct ctx *);
void rate_denied_init(void); /* in a worker, after audit_init() */

/*
 * iplist.c: the deployment's network rules. NETWORK_DENIED, or RES_OK;
 * UNAVAILABLE until a new worker has read them; MALFORMED_REQUEST when a
 * trusted proxy's header cannot be read. Looks only at memory: the worker
 * follows the rules as they change. Direct loopback connections may always
 * ask for health and metrics.
 */
co_fn enum res guard_network(struct ctx *);
bool guard_network_ready(void); /* the rules have been read */
void iplist_init(void);         /* in a worker: starts to follow them */

/* network_api.c, network_schema.c: /v1/network-rules */
co_fn enum res network_list(struct ctx *);
co_fn enum res network_create(struct ctx *);
co_fn enum res network_get(struct ctx *);
co_fn enum res network_update(struct ctx *);
co_fn enum res network_delete(struct ctx *);
co_fn enum res network_check(struct ctx *);
extern const struct schema schema_network_rule, schema_network_page,
    schema_network_query, schema_network_new, schema_network_made,
    schema_network_patch, schema_network_force, schema_network_address,
    schema_network_verdict;

/*
 * lockout*.c: back-off after failed log-ins, in Redis. It slows whoever fails
 * from one network down, never the account itself: its owner can still log
 * in from elsewhere, or from a device that is known. An account is what the
 * client typed, whether it exists or not (a keyed hash of it is stored).
 *
 * One attempt: lockout_begin(), lockout_check() before the slow check of the
 * password, then exactly one of lockout_failed(), lockout_succeeded() and
 * lockout_undo(). The check counts the attempt as failed at once, so that
 * many at the same time are no more guesses than one after the other.
 */
enum lockout_factor {
	LOCKOUT_UNSET = 0,
	LOCKOUT_PASSWORD,
	LOCKOUT_SECOND_FACTOR,
	LOCKOUT_FACTOR_MAX
};
struct lockout {
	enum lockout_factor factor;
	uint8_t account[ACCOUNT_DIGEST_BYTES];
	const struct device *device; /* NULL: not a known one */
	bool held;                   /* counted; what follows is of that: */
	bool began, network_began;   /* the back-off of either */
	bool alert;                  /* guessed at from everywhere */
	int64_t failures, everywhere, places;
	int64_t until[3];  /* ms; of account here, network, account */
	int64_t counted[3]; /* 0 or 1: account here, network, account */
};
/* account: lower-cased. device: one whose token held (see crypto.h). */
void lockout_begin(struct lockout *, enum lockout_factor, const char *account,
    const struct device *);
/* LOGIN_THROTTLED with retry_after, noted as a denial (durably when somebody
 * is known), or UNAVAILABLE without Redis. */
co_fn enum res lockout_check(struct ctx *, struct lockout *);
/* Makes audit rows of a back-off that begins and of an alert; RES_ERR when
 * they are not durable. user: whose account it is; NULL or nil: nobody's. */
co_fn enum res
lockout_failed(struct ctx *, const struct lockout *, const struct uuid *user);
/* Forgets the failures of the account here, not the network's. */
co_fn enum res lockout_succeeded(struct ctx *, const struct lockout *);
/* The password was never looked at: nothing is counted. Keeps cx's error. */
co_fn void lockout_undo(struct ctx *, const struct lockout *);
/* An administrator's unlock: forgets every counter of the account. */
co_fn enum res lockout_clear(struct ctx *, const char *account);

/* lockout_key.c, lockout_lua.c: the same for eleusisctl, which has its own
 * connection: a script, and its keys. */
#define LOCKOUT_CLEAR_KEYS 4
extern const char lockout_clear_lua[];
void lockout_clear_keys(struct arena *, const char *account,
    const char *keys[LOCKOUT_CLEAR_KEYS]);

#endif
