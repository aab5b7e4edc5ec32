/*
 * guard/: who is kept out, and for how long. Rate limits, network rules and
 * the back-off after failed log-ins; and the tally of those turned away
 * before anybody knew who they were.
 */
#ifndef GUARD_H
#define GUARD_H

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
	DENIAL_MAX
};
void denial_note(enum denial, const struct netaddr *);
void denials_init(void); /* in a worker, after audit_init() */

/*
 * rate.c: which limits a request is charged to (GCRA; the cell-rate algorithm
 * of ATM Forum TM 4.0), and the per-worker stand-in for when Redis is away.
 * The Redis script itself is auth/admit.c's: it also looks up the session.
 */
int64_t rate_limit(enum rate_class);          /* a minute, from the settings */
const char *rate_class_name(enum rate_class); /* "read"; of RateLimit-Policy */

/*
 * iplist.c: the deployment's network rules. NETWORK_DENIED, or RES_OK. Looks
 * only at memory: a worker reads the rules again when they change. Direct
 * loopback connections may always ask for health and metrics.
 */
enum res guard_network(struct ctx *);
void iplist_init(void); /* in a worker: starts to follow the rules */

/*
 * lockout.c: back-off after failed log-ins, in Redis. It slows whoever fails
 * from one network down, never the account itself: its owner can still log
 * in from elsewhere, or from a device that is known. account: what the
 * client typed, whether it exists or not (a keyed hash of it is stored).
 */
enum lockout_factor {
	LOCKOUT_UNSET = 0,
	LOCKOUT_PASSWORD,
	LOCKOUT_SECOND_FACTOR
};
/* Before the slow check of a password. LOGIN_THROTTLED with retry_after, or
 * UNAVAILABLE without Redis. known_device: one cookie's proof held. */
co_fn enum res lockout_check(
    struct ctx *, enum lockout_factor, const char *account, bool known_device);
co_fn enum res lockout_failed(
    struct ctx *, enum lockout_factor, const char *account, bool known_device);
co_fn enum res
lockout_succeeded(struct ctx *, enum lockout_factor, const char *account);
/* An administrator's unlock: forgets every counter of the account. */
co_fn enum res lockout_clear(struct ctx *, const char *account);

#endif
