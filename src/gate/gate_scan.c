/*
 * Bytes and lines of a header block, as they come in: which characters there
 * are, where lines end, how many and how long they are. Each byte is looked
 * at once, however small the pieces are; what would never become a request is
 * refused at its first wrong byte.
 */
#include <string.h>

#include "gate/gate_priv.h"

#define METHOD_MAX 32 /* bytes; ours have 7 */

enum {
	PLAIN,
	RETURN,
	FEED,
	WRONG
};

static const uint8_t kinds[256] = {
	[0] = WRONG,
	[1] = WRONG,
	[2] = WRONG,
	[3] = WRONG,
	[4] = WRONG,
	[5] = WRONG,
	[6] = WRONG,
	[7] = WRONG,
	[8] = WRONG,
	[10] = FEED,
	[11] = WRONG,
	[12] = WRONG,
	[13] = RETURN,
	[14] = WRONG,
	[15] = WRONG,
	[16] = WRONG,
	[17] = WRONG,
	[18] = WRONG,
	[19] = WRONG,
	[20] = WRONG,
	[21] = WRONG,
	[22] = WRONG,
	[23] = WRONG,
	[24] = WRONG,
	[25] = WRONG,
	[26] = WRONG,
	[27] = WRONG,
	[28] = WRONG,
	[29] = WRONG,
	[30] = WRONG,
	[31] = WRONG,
	[127] = WRONG,
};

static enum gate_verdict
refuse(struct gate_request *rq, enum gate_reason reason)
{
	rq->reason = reason;
	return (GATE_REFUSE);
}

/* The method, up to the first space; nothing but a request begins so. */
static enum gate_reason
scan_method(struct gate_notes *n, const uint8_t *p, size_t len)
{
	uint32_t i;

	for (i = n->seen; i < len && n->space == 0; i++) {
		if (p[i] == ' ' && i > 0)
			n->space = (uint16_t)i;
		else if (!is_tchar(p[i]))
			return (GATE_FIRST_LINE);
		else if (i == METHOD_MAX)
			return (GATE_METHOD);
	}
	n->seen = i;

	return (GATE_UNSET);
}

/* Where a first line without end is given up. */
static size_t
first_line_max(const struct gate_notes *n)
{
	return (n->space + GATE_TARGET_MAX + sizeof(" HTTP/1.1\r\n"));
}

/* A line that does not end is not waited for. */
static enum gate_reason
check_sizes(const struct gate_notes *n)
{
	if (n->line == 0 && n->space > 0 && n->seen == first_line_max(n))
		return (GATE_TARGET_LONG);

	return (n->seen == GATE_HEAD_MAX ? GATE_HEADERS_LARGE : GATE_UNSET);
}

static enum gate_reason
end_line(struct gate_notes *n, uint32_t at)
{
	if (n->line > 0 && at - n->line > 2 && ++n->fields > GATE_FIELDS_MAX)
		return (GATE_FIELDS_MANY);
	n->line = at;

	return (GATE_UNSET);
}

/* A CR needs its LF, and the other way round; the line after it begins with
 * neither a space nor a tab. */
static enum gate_reason
scan_break(const uint8_t *p, size_t i)
{
	if (p[i] == '\n')
		return (p[i - 1] == '\r' ? GATE_UNSET : GATE_LINE_END);
	if (p[i - 1] == '\r')
		return (GATE_LINE_END);
	if (p[i - 1] == '\n' && (p[i] == ' ' || p[i] == '\t'))
		return (GATE_FOLDED);

	return (kinds[p[i]] == WRONG ? GATE_CONTROL : GATE_UNSET);
}

enum gate_verdict
gate_scan(
    struct gate_notes *n, const uint8_t *p, size_t len, struct gate_request *rq)
{
	enum gate_reason why;
	size_t end = len < GATE_HEAD_MAX ? len : GATE_HEAD_MAX, stop = end;
	uint32_t i, line;

	if (n->space == 0 && (why = scan_method(n, p, end)) != GATE_UNSET)
		return (refuse(rq, why));
	if (n->line == 0 && n->space > 0 && first_line_max(n) < end)
		stop = first_line_max(n);
	for (i = n->seen; i < stop; i++) {
		/* What follows a break is looked at with care. */
		if (kinds[p[i]] == PLAIN && p[i - 1] != '\n' &&
		    p[i - 1] != '\r')
			continue;
		if ((why = scan_break(p, i)) != GATE_UNSET)
			return (refuse(rq, why));
		if (p[i] != '\n')
			continue;
		line = n->line;
		stop = end;
		if ((why = end_line(n, i + 1)) != GATE_UNSET)
			return (refuse(rq, why));
		if (line > 0 && i - line == 1) {
			n->seen = i + 1;
			rq->head_len = i + 1;
			return (GATE_PASS);
		}
	}
	n->seen = i;
	if ((why = check_sizes(n)) != GATE_UNSET)
		return (refuse(rq, why));

	return (GATE_MORE);
}
