/*
 * What every request goes through, in this order: network rules, route,
 * admission (session or API key, and rate limits: one Redis round trip),
 * signature, scope, query, body, handler, reply. The first step
 * that fails decides the problem document.
 *
 * A refusal of a known principal is in the audit log before its reply. A
 * successful reply of an audited operation that made no audit row is a bug
 * and is not sent.
 */
#include <string.h>

#include <kore/kore.h>
#include <kore/http.h>

#include "app/app.h"
#include "audit/audit.h"
#include "auth/auth.h"
#include "guard/guard.h"
#include "obs/obs.h"

/* What the path's last id names: "patient" of {patient_id}. */
static const char *
object_type(struct ctx *cx)
{
	const char *name = cx->params[cx->nparams - 1].name;

	if (strcmp(name, "event_id") == 0)
		return ("audit_event");
	if (strcmp(name, "key_id") == 0)
		return ("api_key");
	if (strcmp(name, "grant_id") == 0)
		return ("break_glass");
	return (
	    arena_strndup(cx->env.arena, name, strlen(name) - strlen("_id")));
}

static co_fn enum res
record_denial(struct ctx *cx)
{
	struct err kept = cx->env.err;
	struct audit_event ev;

	if (kept.problem == PROBLEM_RATE_LIMITED && !rate_denied(cx))
		return (RES_ERR);
	audit_event(cx, &ev, AUDIT_DENIED);
	if (cx->nparams > 0)
		audit_object(
		    &ev, object_type(cx), &cx->params[cx->nparams - 1].id);
	ev.detail = audit_detail(cx, kept.problem);
	/* Rows that audit nothing still record who was turned away. */
	if (ev.action[0] == '-')
		ev.action =
		    arena_printf(cx->env.arena, "%s.denied", cx->ep->resource);
	err_clear(&cx->env.err);
	if (audit_append(cx, &ev) != RES_OK)
		return (RES_ERR);
	cx->env.err = kept;
	return (RES_ERR);
}

/* How many rows the query asks for is part of the price, so it is read before
 * admission; what is wrong with it is told to those who may ask. */
static co_fn enum res
pipeline_admit(struct ctx *cx)
{
	struct err query;
	enum res res = ctx_read_query(cx);

	query = cx->env.err;
	err_clear(&cx->env.err);
	if (auth_admit(cx) != RES_OK || auth_signature(cx) != RES_OK ||
	    auth_allow(cx) != RES_OK)
		return (cx->who != NULL ? record_denial(cx) : RES_ERR);
	cx->env.err = query;
	return (res);
}

static co_fn enum res
pipeline_steps(struct ctx *cx, const char *resource)
{
	if (guard_network(cx) != RES_OK || router_match(cx, resource) != RES_OK)
		return (RES_ERR);
	if (pipeline_admit(cx) != RES_OK || ctx_read_body(cx) != RES_OK ||
	    idempotency_run(cx) != RES_OK)
		return (RES_ERR);
	if (cx->ep->audit[0] != '-' && !cx->audited) {
		err_private(&cx->env.err, "no audit row was made");
		return (err_fail(&cx->env.err, PROBLEM_INTERNAL,
		    "The request could not be carried out."));
	}
	return (RES_OK);
}

static void
pipeline_log(struct ctx *cx, bool orphan)
{
	char user[UUID_STRLEN + 1], id[UUID_STRLEN + 1];
	int64_t us = time_mono_us() - cx->started_us;
	const char *route = cx->ep != NULL ? cx->ep->path : NULL;
	struct log_request line = {
		.method = method_name(cx->method),
		.route = route,
		.status = cx->status,
		.duration_us = us,
		.bytes_in = cx->body_bytes,
		.bytes_out = cx->reply_len,
		.client_ip = cx->client_ip,
		.client_cert = cx->client_cert,
		.user_id = uuid_is_nil(&cx->actor_id) ? NULL : user,
		.request_id = id,
		.trace_id = cx->trace_id[0] != '\0' ? cx->trace_id : NULL,
		.http_version = "1.1",
		.orphan = orphan,
	};

	uuid_format(&cx->actor_id, user);
	uuid_format(&cx->request_id, id);
	if (cx->status >= 400 && cx->env.err.problem != PROBLEM_UNSET) {
		line.problem = problem_row(cx->env.err.problem)->slug;
		if (cx->env.err.private[0] != '\0')
			line.private_detail = cx->env.err.private;
	}
	log_request(&line);
	/* One past the last label counts as unmatched. */
	metric_request(cx->ep != NULL ? router_label(cx->ep) : router_labels(),
	    line.method, cx->status, us);
}

co_fn void
pipeline_run(struct http_request *req, const char *resource)
{
	struct ctx *cx = ctx_new(req);

	if (pipeline_steps(cx, resource) != RES_OK)
		reply_problem(cx);
	reply_send(cx);
	pipeline_log(cx, !request_alive(req));
	ctx_free(&cx);
}
