/*
 * The verdict: bytes first, then the first line, the fields, the host, the
 * framing, the size. The first thing that is wrong decides the answer.
 */
#include <string.h>

#include "gate/gate_priv.h"

static const struct gate_reason_row rows[GATE_REASON_MAX] = {
#define REASON(id, problem, label, detail) \
	[GATE_##id] = { PROBLEM_##problem, label, detail },
#include "gate/tbl/reasons.def"
#undef REASON
};

const struct gate_reason_row *
gate_reason_row(enum gate_reason reason)
{
	return (&rows[reason < GATE_REASON_MAX ? reason : GATE_UNSET]);
}

static const char *
find_method(struct span s)
{
	static const char *const methods[] = { "GET", "POST", "PATCH", "PUT",
		"DELETE", "HEAD", "OPTIONS" };

	for (size_t i = 0; i < NELEM(methods); i++)
		if (span_is(s, methods[i]))
			return (methods[i]);

	return ("");
}

/* "HTTP/" DIGIT "." DIGIT */
static enum gate_reason
read_version(struct span s, bool *http10)
{
	if (s.len != 8 || memcmp(s.p, "HTTP/", 5) != 0 || s.p[5] < '0' ||
	    s.p[5] > '9' || s.p[6] != '.' || s.p[7] < '0' || s.p[7] > '9')
		return (GATE_FIRST_LINE);
	*http10 = span_is(s, "HTTP/1.0");

	return (*http10 || span_is(s, "HTTP/1.1") ? GATE_UNSET : GATE_VERSION);
}

/* HTTP/1.0 (RFC 1945, 8) knows GET, HEAD and POST. */
static enum gate_reason
read_method(struct span s, struct gate_request *rq)
{
	rq->method = find_method(s);
	if (rq->method[0] == '\0')
		return (GATE_METHOD);
	if (rq->http10 && strcmp(rq->method, "GET") != 0 && !rq->head &&
	    strcmp(rq->method, "POST") != 0)
		return (GATE_METHOD);

	return (GATE_UNSET);
}

static enum gate_reason
read_first_line(const struct gate_rules *r, struct span line, size_t space,
    struct gate_request *rq, struct gate_target *target)
{
	struct span method = { line.p, space }, uri, version;
	enum gate_reason why;
	const char *end;

	uri.p = line.p + space + 1;
	end = memchr(uri.p, ' ', line.len - space - 1);
	if (end == NULL || end == uri.p)
		return (GATE_FIRST_LINE);
	uri.len = (size_t)(end - uri.p);
	version.p = end + 1;
	version.len = line.len - space - uri.len - 2;

	if ((why = read_version(version, &rq->http10)) != GATE_UNSET ||
	    (why = read_method(method, rq)) != GATE_UNSET)
		return (why);
	if (uri.len > GATE_TARGET_MAX)
		return (GATE_TARGET_LONG);
	if ((why = gate_target_parse(r, uri, target)) != GATE_UNSET)
		return (why);
	if (target->asterisk && strcmp(rq->method, "OPTIONS") != 0)
		return (GATE_TARGET);

	return (GATE_UNSET);
}

static enum gate_reason
read_fields(struct span block, bool http10, struct gate_fields *f)
{
	struct span line;
	enum gate_reason why;
	const char *end;

	while (block.len > 0) {
		end = memchr(block.p, '\r', block.len);
		line.p = block.p;
		line.len = (size_t)(end - block.p);
		if ((why = gate_field(f, line, http10)) != GATE_UNSET)
			return (why);
		block.p += line.len + 2;
		block.len -= line.len + 2;
	}

	return (GATE_UNSET);
}

/* Host is required of HTTP/1.0 as well: there is more than one name. With an
 * absolute target the two must agree, though the target alone would count:
 * what reads Host elsewhere must not see another one. */
static enum gate_reason
check_host(const struct gate_rules *r, const struct gate_target *target,
    const struct gate_fields *f)
{
	if (!f->has_host)
		return (GATE_HOST_MISSING);
	if (target->absolute && !gate_host_ours(r, &target->host))
		return (GATE_HOST_OTHER);
	if (target->absolute && !gate_host_same(r, &target->host, &f->host))
		return (GATE_HOST_DIFFERS);

	return (gate_host_ours(r, &f->host) ? GATE_UNSET : GATE_HOST_OTHER);
}

/* Past a request without a body comes a next one, for Kore to drop. */
static enum gate_reason
check_size(const struct gate_rules *r, const char *path,
    const struct gate_fields *f, size_t len, struct gate_request *rq)
{
	int64_t limit;

	rq->body_len = f->length;
	if (f->length == 0)
		return (GATE_UNSET);
	limit = r->body_limit(rq->method, path);
	rq->known = limit >= 0;
	rq->go_on = f->go_on;
	if (f->length > (uint64_t)(rq->known ? limit : r->body_default))
		return (GATE_BODY_LARGE);

	return (len - rq->head_len > f->length ? GATE_SURPLUS : GATE_UNSET);
}

static enum gate_reason
judge_whole(const struct gate_rules *r, const uint8_t *p, size_t len,
    size_t space, struct gate_request *rq)
{
	struct gate_fields f = { 0 };
	struct gate_target target;
	struct span line, block;
	enum gate_reason why;

	line.p = (const char *)p;
	line.len =
	    (size_t)((const char *)memchr(p, '\r', rq->head_len) - line.p);
	block.p = line.p + line.len + 2;
	block.len = rq->head_len - line.len - 4;

	if ((why = read_first_line(r, line, space, rq, &target)) !=
		GATE_UNSET ||
	    (why = read_fields(block, rq->http10, &f)) != GATE_UNSET ||
	    (why = check_host(r, &target, &f)) != GATE_UNSET ||
	    (why = gate_framing(&f, rq)) != GATE_UNSET)
		return (why);

	return (check_size(r, target.path, &f, len, rq));
}

enum gate_verdict
gate_judge(const struct gate_rules *r, struct gate_notes *n, const uint8_t *p,
    size_t len, struct gate_request *rq)
{
	enum gate_verdict verdict;

	memset(rq, 0, sizeof(*rq));
	rq->method = "";
	verdict = gate_scan(n, p, len, rq);
	if (n->space > 0) {
		rq->method =
		    find_method((struct span){ (const char *)p, n->space });
		rq->head = strcmp(rq->method, "HEAD") == 0;
	}
	if (verdict != GATE_PASS)
		return (verdict);
	rq->reason = judge_whole(r, p, len, n->space, rq);

	return (rq->reason == GATE_UNSET ? GATE_PASS : GATE_REFUSE);
}
