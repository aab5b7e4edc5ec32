/*
 * The two kinds of log line: an event of the server, and a finished request.
 * Field names are those of the Elastic Common Schema 8.11, written flat with
 * dots. The route template has no field there, so it takes OpenTelemetry's
 * http.route, the convention ECS is merging into; the raw path is never
 * logged, since identifiers of patients are in it.
 */
#include <stdio.h>

#include "obs/obs_priv.h"

/* Bytes of escaped text a value may take; their sum with the keys stays
 * well under LOG_LINE_MAX. */
#define MAX_MESSAGE 1536
#define MAX_DETAIL  768
#define MAX_ROUTE   256
#define MAX_TOKEN   128
#define MAX_WORD    64

void
log_event(enum log_level level, const char *action, const char *fmt, ...)
{
	char text[MAX_MESSAGE];
	struct log_line *l;
	va_list ap;

	l = log_begin(level);
	if (l == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line_str(l, "message", text, MAX_MESSAGE);
	log_line_str(l, "event.action", action, MAX_TOKEN);
	log_end(l);
	if (level == LOG_LEVEL_ERROR)
		log_flush();
}

static const char *
outcome(const struct log_request *r)
{
	if (r->orphan)
		return ("unknown");
	return (r->status < 400 ? "success" : "failure");
}

static void
put_exchange(struct log_line *l, const struct log_request *r)
{
	log_line_str(l, "http.request.method", r->method, MAX_WORD);
	log_line_str(l, "http.route", r->route, MAX_ROUTE);
	log_line_int(l, "http.response.status_code", r->status);
	log_line_int(l, "event.duration", r->duration_us * 1000);
	log_line_int(l, "http.request.body.bytes", (int64_t)r->bytes_in);
	log_line_int(l, "http.response.body.bytes", (int64_t)r->bytes_out);
	log_line_str(l, "http.version", r->http_version, MAX_WORD);
	log_line_str(l, "http.request.id", r->request_id, MAX_TOKEN);
}

void
log_request(const struct log_request *r)
{
	char text[MAX_ROUTE];
	struct log_line *l;

	l = log_begin(r->status >= 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO);
	if (l == NULL)
		return;
	(void)snprintf(text, sizeof(text), "%s %s %d",
	    r->method != NULL ? r->method : "-",
	    r->route != NULL ? r->route : "unmatched", r->status);
	log_line_str(l, "message", text, MAX_ROUTE);
	log_line_str(l, "event.action", "http.request", MAX_TOKEN);
	log_line_str(l, "event.outcome", outcome(r), MAX_WORD);
	put_exchange(l, r);
	log_line_str(l, "client.ip", r->client_ip, MAX_WORD);
	log_line_str(l, "tls.client.hash.sha256", r->client_cert, MAX_WORD);
	log_line_str(l, "user.id", r->user_id, MAX_WORD);
	log_line_str(l, "trace.id", r->trace_id, MAX_TOKEN);
	log_line_str(l, "error.type", r->problem, MAX_WORD);
	log_line_str(l, "error.message", r->private_detail, MAX_DETAIL);
	if (r->orphan)
		log_line_str(l, "labels.orphan", "true", MAX_WORD);
	log_end(l);
}
