/*
 * The front door: Kore's hooks around the gate. What the gate refuses, and
 * what Kore refuses by itself, gets its reply here, and is counted and logged
 * like any other request; nothing of it comes near a handler.
 */
#include <stdio.h>
#include <string.h>

#include <kore/kore.h>
#include <kore/http.h>

#include "app/app.h"
#include "gate/gate.h"
#include "guard/guard.h"
#include "obs/obs.h"

/* Bodies of requests that will be 404 or 405 anyway. */
#define BODY_DEFAULT 4096

#define DOORS_MAX 4

/*
 * Which hosts a listener answers for: the first one for ORIGIN and HOSTS, each
 * other one for its domain's name only, which the first one then never takes.
 * What is right at one door must not open another, behind which a client is
 * asked for more, or for less.
 */
static struct door {
	const struct kore_server *server;
	struct gate_rules rules;
} doors[DOORS_MAX];
static unsigned ndoors;
/* Of a listener that has none: it answers for nobody. */
static const struct gate_rules shut;

static const enum metric metrics_of[GATE_REASON_MAX] = {
#define REASON(id, problem, label, detail) [GATE_##id] = METRIC_GATE_##id,
#include "gate/tbl/reasons.def"
#undef REASON
};

/* What Kore found by itself, by the status it answers with. */
static enum gate_reason
reason_of_status(int status)
{
	static const struct {
		int status;
		enum gate_reason reason;
	} of[] = { { 408, GATE_TIMEOUT }, { 411, GATE_LENGTH_MISSING },
		{ 413, GATE_BODY_LARGE }, { 414, GATE_TARGET_LONG },
		{ 421, GATE_HOST_OTHER }, { 431, GATE_HEADERS_LARGE },
		{ 503, GATE_BUSY } };

	for (size_t i = 0; i < NELEM(of); i++)
		if (of[i].status == status)
			return (of[i].reason);

	return (GATE_PARSER);
}

static void
on_refusal(enum gate_reason reason, const struct netaddr *client)
{
	metric_add(metrics_of[reason], 1);
	/* Being full is nobody's fault. */
	if (reason != GATE_BUSY)
		denial_note(DENIAL_MALFORMED, client);
}

static void
log_refusal(struct connection *c, const struct http_error *err,
    enum gate_reason reason, enum problem problem, const struct uuid *id)
{
	char client[CLIENT_IP_SIZE], text[UUID_STRLEN + 1];
	u_int64_t now = kore_time_ms();
	struct log_request line = {
		.method = c->http_head ? "HEAD" : NULL,
		.status = err->status,
		.client_ip = client,
		.request_id = text,
		.problem = problem_row(problem)->slug,
		.private_detail = gate_reason_row(reason)->label,
	};

	if (now > c->http_start)
		line.duration_us = (int64_t)(now - c->http_start) * 1000;
	client_address(c, client);
	uuid_format(id, text);
	log_request(&line);
	metric_request(
	    router_labels(), line.method, line.status, line.duration_us);
}

static void
hook_error(struct connection *c, struct http_error *err)
{
	enum gate_reason reason = (enum gate_reason)err->reason;
	char client[CLIENT_IP_SIZE];
	struct netaddr addr = { 0 };
	struct refusal reply;
	enum problem problem;
	struct uuid id;

	problem = problem_of_status(err->status);
	if (reason == GATE_UNSET)
		reason = reason_of_status(err->status);
	else
		problem = gate_reason_row(reason)->problem;
	uuid_v7(&id);
	client_address(c, client);
	(void)netaddr_parse(client, &addr);
	on_refusal(reason, &addr);
	log_refusal(c, err, reason, problem, &id);
	refusal_make(problem, gate_reason_row(reason)->detail, &id, &reply);
	err->lines = reply.lines;
	err->body = reply.body;
	err->body_len = reply.body_len;
}

static const struct gate_rules *
rules_of(const struct connection *c)
{
	for (unsigned i = 0; i < ndoors; i++)
		if (doors[i].server == c->owner->server)
			return (&doors[i].rules);

	return (&shut);
}

static int
hook_gate(struct connection *c, const u_int8_t *data, size_t len,
    struct http_gate *out)
{
	struct gate_notes notes;
	struct gate_request rq;
	enum gate_verdict verdict;

	_Static_assert(sizeof(notes) == 4 * sizeof(u_int32_t),
	    "the gate's notes fit the connection's");
	memcpy(&notes, out->notes, sizeof(notes));
	verdict = gate_judge(rules_of(c), &notes, data, len, &rq);
	memcpy(out->notes, &notes, sizeof(notes));
	out->head = rq.head;
	out->go_on = rq.go_on;
	/* There is nothing that would read the body it offers to send. */
	out->no_body = rq.go_on && !rq.known;
	if (verdict == GATE_MORE)
		return (HTTP_GATE_MORE);
	if (verdict == GATE_PASS)
		return (HTTP_GATE_PASS);
	out->reason = (int)rq.reason;
	out->status = problem_row(gate_reason_row(rq.reason)->problem)->status;

	return (HTTP_GATE_REFUSE);
}

static struct gate_rules *
add_door(const struct kore_server *srv)
{
	struct door *door = &doors[ndoors++];

	door->server = srv;
	door->rules.body_limit = router_body_limit;
	door->rules.body_default = BODY_DEFAULT;

	return (&door->rules);
}

/* A further listener: its name at each port it is bound to. */
static enum res
open_door(
    const struct kore_server *srv, const char *name, char *msg, size_t msglen)
{
	struct gate_rules *rules = add_door(srv);
	const struct listener *l;
	char host[GATE_NAME_MAX + sizeof(":65535")];

	LIST_FOREACH (l, &srv->listeners, list) {
		if (l->port == NULL)
			continue;
		(void)snprintf(host, sizeof(host), "%s:%s", name, l->port);
		if (gate_rules_own(rules, host, setting_str(SETTING_HOSTS), msg,
			msglen) != RES_OK)
			return (RES_ERR);
	}

	return (RES_OK);
}

/* A listener's first domain is that of its handshakes; it has no second. */
static enum res
open_doors(struct gate_rules *first, char *msg, size_t msglen)
{
	const struct kore_server *srv;
	const struct kore_domain *dom;

	LIST_FOREACH (srv, &kore_servers, list) {
		dom = TAILQ_FIRST(&srv->domains);
		if (srv == primary_dom->server || dom == NULL)
			continue;
		if (ndoors == DOORS_MAX || TAILQ_NEXT(dom, list) != NULL) {
			(void)snprintf(msg, msglen,
			    "more than %d listeners, or one with two domains",
			    DOORS_MAX);
			return (RES_ERR);
		}
		if (gate_rules_without(first, dom->domain, msg, msglen) !=
			RES_OK ||
		    open_door(srv, dom->domain, msg, msglen) != RES_OK)
			return (RES_ERR);
	}

	return (RES_OK);
}

enum res
door_init(char *msg, size_t msglen)
{
	bool dev = strcmp(setting_str(SETTING_ENV), "dev") == 0;
	struct gate_rules *first = add_door(primary_dom->server);

	if (gate_rules_hosts(first, setting_str(SETTING_ORIGIN),
		setting_str(SETTING_HOSTS), dev, msg, msglen) != RES_OK ||
	    open_doors(first, msg, msglen) != RES_OK)
		return (RES_ERR);
	kore_http_error_hook = hook_error;
	kore_http_gate_hook = hook_gate;
	kore_http_target_hook = gate_target_path;

	return (RES_OK);
}
