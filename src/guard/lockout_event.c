/*
 * What a failed log-in sets off: a row in the audit log when a back-off begins
 * and when an account is guessed at from everywhere, each once and not with
 * every failure that follows; a log line and a counter with it. There is no
 * row about an attempt that turned out to be right.
 */
#include "audit/audit.h"
#include "guard/guard_priv.h"
#include "obs/obs.h"

enum notice {
	NOTICE_UNSET = 0,
	NOTICE_ACCOUNT,
	NOTICE_DEVICE,
	NOTICE_NETWORK,
	NOTICE_ALERT,
	NOTICE_MAX
};

static const struct {
	const char *by;
	enum metric metric;
} notices[NOTICE_MAX] = {
	[NOTICE_ACCOUNT] = { "account", METRIC_LOCKOUTS_ACCOUNT },
	[NOTICE_DEVICE] = { "device", METRIC_LOCKOUTS_DEVICE },
	[NOTICE_NETWORK] = { "network", METRIC_LOCKOUTS_NETWORK },
	[NOTICE_ALERT] = { "everywhere", METRIC_LOCKOUT_ALERTS },
};

static void
write_account(struct json_out *o, const struct lockout *lo, enum notice notice)
{
	char hex[2 * ACCOUNT_DIGEST_BYTES + 1];

	digest_hex(lo->account, ACCOUNT_DIGEST_BYTES, hex);
	json_kstr(o, "account", hex);
	if (notice != NOTICE_ALERT) {
		json_kint(o, "failures", lo->failures);
		return;
	}
	json_kint(o, "failures", lo->everywhere);
	json_kint(o, "places", lo->places);
}

static void
write_network(
    struct json_out *o, const struct netaddr *from, enum notice notice)
{
	char text[NETBLOCK_STRLEN + 1];
	struct netblock block;

	if (notice == NOTICE_NETWORK)
		netblock_around(
		    from, LOCKOUT_NET_V4_BITS, LOCKOUT_NET_V6_BITS, &block);
	else
		netblock_around(from, LOCKOUT_V4_BITS, LOCKOUT_V6_BITS, &block);
	netblock_format(&block, text);
	json_kstr(o, "network", text);
}

static const char *
detail(struct ctx *cx, const struct lockout *lo, enum notice notice)
{
	struct json_out *o = json_out_new(cx->env.arena);
	const char *text;
	size_t len;

	json_obj(o);
	json_kstr(o, "by", notices[notice].by);
	json_kstr(o, "factor", lockout_factor_name(lo->factor));
	if (notice != NOTICE_NETWORK)
		write_account(o, lo, notice);
	write_network(o, &cx->client, notice);
	json_obj_end(o);
	json_finish(o, &text, &len);

	return (text);
}

/* The log names nobody: the audit rows of the request do. */
static void
say(const struct ctx *cx, const struct lockout *lo, enum notice notice)
{
	char request[UUID_STRLEN + 1];

	metric_add(notices[notice].metric, 1);
	uuid_format(&cx->request_id, request);
	if (notice == NOTICE_ALERT)
		log_event(LOG_LEVEL_WARN, "auth.alert",
		    "an account is guessed at: %lld failures of late, %lld "
		    "places: see the audit rows of request %s",
		    (long long)lo->everywhere, (long long)lo->places, request);
	else
		log_event(LOG_LEVEL_WARN, "auth.lockout",
		    "a back-off of log-ins begins (%s): see the audit rows of "
		    "request %s",
		    notices[notice].by, request);
}

static enum res
notify(struct ctx *cx, const struct lockout *lo, const struct uuid *user,
    enum notice notice, struct audit_ticket **ticket)
{
	struct audit_event ev;

	say(cx, lo, notice);
	audit_event(cx, &ev, AUDIT_DENIED);
	ev.action = "auth.lockout";
	if (notice != NOTICE_NETWORK && user != NULL && !uuid_is_nil(user))
		audit_object(&ev, "user", user);
	ev.detail = detail(cx, lo, notice);

	return (audit_start(cx, &ev, ticket));
}

co_fn enum res
lockout_failed(
    struct ctx *cx, const struct lockout *lo, const struct uuid *user)
{
	const bool due[NOTICE_MAX] = {
		[NOTICE_ACCOUNT] = lo->began && lo->device == NULL,
		[NOTICE_DEVICE] = lo->began && lo->device != NULL,
		[NOTICE_NETWORK] = lo->network_began,
		[NOTICE_ALERT] = lo->alert,
	};
	struct audit_ticket *tickets[NOTICE_MAX];
	unsigned n = 0;

	for (enum notice i = NOTICE_UNSET + 1; i < NOTICE_MAX; i++) {
		if (!due[i])
			continue;
		if (notify(cx, lo, user, i, &tickets[n++]) != RES_OK)
			return (RES_ERR);
	}
	for (unsigned i = 0; i < n; i++)
		if (audit_wait(cx, tickets[i]) != RES_OK)
			return (RES_ERR);

	return (RES_OK);
}
