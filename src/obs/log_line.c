/*
 * One log line: a flat JSON object written field by field into fixed space.
 * Whatever a client sends, the line stays one line of valid JSON: control
 * characters (C0, DEL and C1, which terminals obey) are escaped, bytes that
 * are not UTF-8 become U+FFFD, long values are cut between characters.
 */
#include <string.h>

#include "obs/obs_priv.h"

#define ESCAPE_MAX 6 /* \u00XX */
#define CUT        "..."

static bool
continues(uint8_t c)
{
	return ((c & 0xc0) == 0x80);
}

/* Bytes of the UTF-8 character at s (RFC 3629, section 4); 0: not UTF-8. The
 * string ends with NUL, which is no continuation byte: reads stop there. */
static size_t
utf8_length(const uint8_t *s)
{
	uint8_t min = 0x80, max = 0xbf;

	if (s[0] < 0x80)
		return (1);
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return (continues(s[1]) ? 2 : 0);
	if (s[0] >= 0xe0 && s[0] <= 0xef) {
		if (s[0] == 0xe0)
			min = 0xa0;
		if (s[0] == 0xed)
			max = 0x9f;
		if (s[1] < min || s[1] > max)
			return (0);
		return (continues(s[2]) ? 3 : 0);
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		if (s[0] == 0xf0)
			min = 0x90;
		if (s[0] == 0xf4)
			max = 0x8f;
		if (s[1] < min || s[1] > max)
			return (0);
		return (continues(s[2]) && continues(s[3]) ? 4 : 0);
	}
	return (0);
}

static size_t
escape_code(char *out, unsigned code)
{
	static const char hex[] = "0123456789abcdef";

	memcpy(out, "\\u00", 4);
	out[4] = hex[code >> 4 & 0xf];
	out[5] = hex[code & 0xf];
	return (ESCAPE_MAX);
}

/* Writes one character as JSON shows it; moves *s past it. */
static size_t
escape_char(char *out, const uint8_t **s)
{
	const uint8_t *p = *s;
	size_t n = utf8_length(p);

	*s += n == 0 ? 1 : n;
	if (n == 0) {
		memcpy(out, "\xef\xbf\xbd", 3);
		return (3);
	}
	if (n == 1 && (p[0] < 0x20 || p[0] == 0x7f))
		return (escape_code(out, p[0]));
	if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0)
		return (escape_code(out, p[1]));
	if (p[0] == '"' || p[0] == '\\') {
		out[0] = '\\';
		out[1] = (char)p[0];
		return (2);
	}
	memcpy(out, p, n);
	return (n);
}

/* At most max bytes, of which the mark of a cut takes the last three. */
static size_t
escape(char *out, const char *value, size_t max)
{
	const uint8_t *s = (const uint8_t *)value;
	char one[ESCAPE_MAX];
	size_t n, len = 0, cut = 0;

	while (*s != '\0') {
		n = escape_char(one, &s);
		if (len + n > max) {
			memcpy(out + cut, CUT, strlen(CUT));
			return (cut + strlen(CUT));
		}
		memcpy(out + len, one, n);
		len += n;
		if (len + strlen(CUT) <= max)
			cut = len;
	}
	return (len);
}

static bool
fits(const struct log_line *l, const char *key, size_t value)
{
	/* ,"key":"value" */
	return (
	    l->len + strlen(key) + value + 6 + LOG_LINE_TAIL <= LOG_LINE_MAX);
}

void
log_line_raw(struct log_line *l, const char *s)
{
	size_t n = strlen(s);

	if (l->len + n > LOG_LINE_MAX)
		return;
	memcpy(l->p + l->len, s, n);
	l->len += n;
}

static void
put_key(struct log_line *l, const char *key)
{
	log_line_raw(l, ",\"");
	log_line_raw(l, key);
	log_line_raw(l, "\":");
}

void
log_line_str(struct log_line *l, const char *key, const char *value, size_t max)
{
	if (value == NULL || !fits(l, key, max))
		return;
	put_key(l, key);
	log_line_raw(l, "\"");
	l->len += escape(l->p + l->len, value, max);
	log_line_raw(l, "\"");
}

void
log_line_int(struct log_line *l, const char *key, int64_t value)
{
	char digits[24], *p = digits + sizeof(digits);
	uint64_t u = value < 0 ? -(uint64_t)value : (uint64_t)value;

	*--p = '\0';
	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u != 0);
	if (value < 0)
		*--p = '-';
	put_key(l, key);
	log_line_raw(l, p);
}
