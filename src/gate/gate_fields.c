/*
 * Header fields: the form of each line, and those few that say where the
 * request ends, whom it is for and what it waits for (RFC 9112, 6; RFC 9110,
 * 7.2, 8.6 and 10.1.1). All others pass as they are.
 */
#include <string.h>
#include <strings.h>

#include "gate/gate_priv.h"

#define LENGTH_DIGITS 19 /* always fits 64 bits */

static const bool tchars[256] = {
	['!'] = true,
	['#'] = true,
	['$'] = true,
	['%'] = true,
	['&'] = true,
	['\''] = true,
	['*'] = true,
	['+'] = true,
	['-'] = true,
	['.'] = true,
	['0'] = true,
	['1'] = true,
	['2'] = true,
	['3'] = true,
	['4'] = true,
	['5'] = true,
	['6'] = true,
	['7'] = true,
	['8'] = true,
	['9'] = true,
	['A'] = true,
	['B'] = true,
	['C'] = true,
	['D'] = true,
	['E'] = true,
	['F'] = true,
	['G'] = true,
	['H'] = true,
	['I'] = true,
	['J'] = true,
	['K'] = true,
	['L'] = true,
	['M'] = true,
	['N'] = true,
	['O'] = true,
	['P'] = true,
	['Q'] = true,
	['R'] = true,
	['S'] = true,
	['T'] = true,
	['U'] = true,
	['V'] = true,
	['W'] = true,
	['X'] = true,
	['Y'] = true,
	['Z'] = true,
	['^'] = true,
	['_'] = true,
	['`'] = true,
	['a'] = true,
	['b'] = true,
	['c'] = true,
	['d'] = true,
	['e'] = true,
	['f'] = true,
	['g'] = true,
	['h'] = true,
	['i'] = true,
	['j'] = true,
	['k'] = true,
	['l'] = true,
	['m'] = true,
	['n'] = true,
	['o'] = true,
	['p'] = true,
	['q'] = true,
	['r'] = true,
	['s'] = true,
	['t'] = true,
	['u'] = true,
	['v'] = true,
	['w'] = true,
	['x'] = true,
	['y'] = true,
	['z'] = true,
	['|'] = true,
	['~'] = true,
};

bool
is_tchar(uint8_t c)
{
	return (tchars[c]);
}

bool
all_tchar(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!tchars[(uint8_t)s.p[i]])
			return (false);

	return (s.len > 0);
}

bool
span_is(struct span s, const char *text)
{
	return (s.len == strlen(text) && memcmp(s.p, text, s.len) == 0);
}

bool
span_is_nocase(struct span s, const char *text)
{
	return (s.len == strlen(text) && strncasecmp(s.p, text, s.len) == 0);
}

static struct span
trim_left(struct span s)
{
	while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.len--;
	}

	return (s);
}

struct span
span_trim(struct span s)
{
	s = trim_left(s);
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;

	return (s);
}

static enum gate_reason
field_host(struct gate_fields *f, struct span value)
{
	if (f->has_host)
		return (GATE_HOST_TWICE);
	f->has_host = true;

	return (gate_host_parse(value.p, value.len, &f->host) == RES_OK ?
		    GATE_UNSET :
		    GATE_HOST_FORM);
}

/* 1*DIGIT. The RFC allows white space behind it; nobody sends any who does
 * not mean harm. */
static enum gate_reason
field_length(struct gate_fields *f, struct span value)
{
	uint64_t n = 0;

	if (f->has_length)
		return (GATE_LENGTH_TWICE);
	f->has_length = true;
	if (value.len == 0 || value.len > LENGTH_DIGITS)
		return (GATE_LENGTH_FORM);
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return (GATE_LENGTH_FORM);
		n = n * 10 + (uint64_t)(value.p[i] - '0');
	}
	f->length = n;

	return (GATE_UNSET);
}

static void
one_coding(struct gate_fields *f, struct span coding)
{
	struct span name = coding;
	const char *params;

	f->codings++;
	f->last_chunked = span_is_nocase(coding, "chunked");
	if (f->last_chunked) {
		f->chunked++;
		return;
	}
	if ((params = memchr(coding.p, ';', coding.len)) != NULL)
		name.len = (size_t)(params - coding.p);
	if (!all_tchar(span_trim(name)))
		f->bad_coding = true;
}

static enum gate_reason
field_coding(struct gate_fields *f, struct span value)
{
	struct span one;
	const char *comma;

	f->has_coding = true;
	for (;;) {
		one = value;
		comma = memchr(value.p, ',', value.len);
		if (comma != NULL)
			one.len = (size_t)(comma - value.p);
		one_coding(f, span_trim(one));
		if (comma == NULL)
			return (GATE_UNSET);
		value.p += one.len + 1;
		value.len -= one.len + 1;
	}
}

static enum gate_reason
field_expect(struct gate_fields *f, struct span value, bool http10)
{
	if (!span_is_nocase(value, "100-continue"))
		return (GATE_EXPECT);
	f->go_on = !http10;

	return (GATE_UNSET);
}

enum gate_reason
gate_field(struct gate_fields *f, struct span line, bool http10)
{
	struct span name = line, value = line;
	const char *colon;

	if ((colon = memchr(line.p, ':', line.len)) == NULL)
		return (GATE_FIELD_NAME);
	name.len = (size_t)(colon - line.p);
	if (!all_tchar(name))
		return (GATE_FIELD_NAME);
	value.p = colon + 1;
	value.len = line.len - name.len - 1;

	if (span_is_nocase(name, "host"))
		return (field_host(f, span_trim(value)));
	if (span_is_nocase(name, "content-length"))
		return (field_length(f, trim_left(value)));
	if (span_is_nocase(name, "transfer-encoding"))
		return (field_coding(f, span_trim(value)));
	if (span_is_nocase(name, "expect"))
		return (field_expect(f, span_trim(value), http10));

	return (GATE_UNSET);
}

/* RFC 9112, 6.1 and 6.3: a coding whose end cannot be found must be answered
 * with 400, one that is not known should be with 501. */
static enum gate_reason
coding_reason(const struct gate_fields *f, bool http10, bool bodiless)
{
	if (f->has_length)
		return (GATE_LENGTH_CODING);
	if (http10 || f->bad_coding || !f->last_chunked || f->chunked > 1)
		return (GATE_CODING_FORM);
	if (bodiless)
		return (GATE_BODY);

	return (f->codings > 1 ? GATE_CODING : GATE_LENGTH_MISSING);
}

enum gate_reason
gate_framing(const struct gate_fields *f, const struct gate_request *rq)
{
	bool bodiless = strcmp(rq->method, "GET") == 0 || rq->head ||
			strcmp(rq->method, "OPTIONS") == 0;

	if (f->has_coding)
		return (coding_reason(f, rq->http10, bodiless));
	if (bodiless)
		return (f->length > 0 ? GATE_BODY : GATE_UNSET);
	if (!f->has_length && strcmp(rq->method, "DELETE") != 0)
		return (GATE_LENGTH_MISSING);

	return (GATE_UNSET);
}
