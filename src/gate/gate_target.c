/*
 * Request targets (RFC 9112, 3.2): "/path?query", "https://host/path?query",
 * and "*". Only characters that a URI may hold are taken; the path is decoded
 * once, and what could be read as another path afterwards is refused.
 */
#include <string.h>
#include <strings.h>

#include "gate/gate_priv.h"

#define PCHAR 0x01 /* in a path; with '/' */
#define QCHAR 0x02 /* in a query */

#define P (PCHAR | QCHAR)
static const uint8_t uri[128] = {
	['!'] = P,
	['$'] = P,
	['%'] = P,
	['&'] = P,
	['\''] = P,
	['('] = P,
	[')'] = P,
	['*'] = P,
	['+'] = P,
	[','] = P,
	['-'] = P,
	['.'] = P,
	['/'] = P,
	['0'] = P,
	['1'] = P,
	['2'] = P,
	['3'] = P,
	['4'] = P,
	['5'] = P,
	['6'] = P,
	['7'] = P,
	['8'] = P,
	['9'] = P,
	[':'] = P,
	[';'] = P,
	['='] = P,
	['?'] = QCHAR,
	['@'] = P,
	['A'] = P,
	['B'] = P,
	['C'] = P,
	['D'] = P,
	['E'] = P,
	['F'] = P,
	['G'] = P,
	['H'] = P,
	['I'] = P,
	['J'] = P,
	['K'] = P,
	['L'] = P,
	['M'] = P,
	['N'] = P,
	['O'] = P,
	['P'] = P,
	['Q'] = P,
	['R'] = P,
	['S'] = P,
	['T'] = P,
	['U'] = P,
	['V'] = P,
	['W'] = P,
	['X'] = P,
	['Y'] = P,
	['Z'] = P,
	['_'] = P,
	['a'] = P,
	['b'] = P,
	['c'] = P,
	['d'] = P,
	['e'] = P,
	['f'] = P,
	['g'] = P,
	['h'] = P,
	['i'] = P,
	['j'] = P,
	['k'] = P,
	['l'] = P,
	['m'] = P,
	['n'] = P,
	['o'] = P,
	['p'] = P,
	['q'] = P,
	['r'] = P,
	['s'] = P,
	['t'] = P,
	['u'] = P,
	['v'] = P,
	['w'] = P,
	['x'] = P,
	['y'] = P,
	['z'] = P,
	['~'] = P,
};
#undef P

static bool
uri_has(uint8_t c, uint8_t where)
{
	return (c < 128 && (uri[c] & where) != 0);
}

/* -1: no hexadecimal digit. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	c |= 0x20;

	return (c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1);
}

/* The byte of an escape, whose '%' is at s.p[0]; -1: it is none. */
static int
escape_value(struct span s)
{
	int high, low;

	if (s.len < 3)
		return (-1);
	high = hex_value(s.p[1]);
	low = hex_value(s.p[2]);

	return (high < 0 || low < 0 ? -1 : high << 4 | low);
}

static bool
has_dot_segment(const char *path)
{
	const char *dot = path;

	while ((dot = strstr(dot, "/.")) != NULL) {
		dot += 2;
		if (*dot == '.')
			dot++;
		if (*dot == '/' || *dot == '\0')
			return (true);
	}

	return (false);
}

/* Into out, which may be where s is: the text never grows. */
static enum gate_reason
decode_path(struct span s, char *out)
{
	const char *begin = out;
	uint8_t all = 0;
	int c;

	for (; s.len > 0; s.p++, s.len--) {
		c = (uint8_t)s.p[0];
		if (!uri_has((uint8_t)c, PCHAR))
			return (GATE_TARGET);
		if (c == '%') {
			if ((c = escape_value(s)) < 0)
				return (GATE_ESCAPE);
			if (c < 0x20 || c == 0x7f || c == '/' || c == '\\')
				return (GATE_PATH_BYTES);
			s.p += 2;
			s.len -= 2;
		}
		all |= (uint8_t)c;
		*out++ = (char)c;
	}
	*out = '\0';
	if (all >= 0x80 && !utf8_valid(begin, (size_t)(out - begin)))
		return (GATE_PATH_BYTES);

	return (has_dot_segment(begin) ? GATE_DOT_SEGMENT : GATE_UNSET);
}

/* Escapes of a query are the schema's to judge: it says which parameter. */
static bool
query_ok(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!uri_has((uint8_t)s.p[i], QCHAR))
			return (false);

	return (true);
}

/* "https://host", off the front of an absolute target. */
static enum gate_reason
take_origin(const struct gate_rules *r, struct span *s, struct gate_target *out)
{
	size_t n = strlen(r->scheme), len = 0;
	const char *mark;

	mark = memmem(s->p, s->len, "://", 3);
	if (mark == NULL || mark == s->p ||
	    !all_tchar((struct span){ s->p, (size_t)(mark - s->p) }))
		return (GATE_TARGET);
	if ((size_t)(mark - s->p) != n || strncasecmp(s->p, r->scheme, n) != 0)
		return (GATE_HOST_OTHER);
	s->len -= n + 3;
	s->p += n + 3;
	while (len < s->len && s->p[len] != '/' && s->p[len] != '?')
		len++;
	if (gate_host_parse(s->p, len, &out->host) != RES_OK)
		return (GATE_TARGET);
	out->absolute = true;
	s->p += len;
	s->len -= len;

	return (GATE_UNSET);
}

enum gate_reason
gate_target_parse(
    const struct gate_rules *r, struct span s, struct gate_target *out)
{
	static const struct span root = { "/", 1 };
	struct span path, query = { NULL, 0 };
	enum gate_reason why;
	const char *mark;

	out->absolute = false;
	out->asterisk = span_is(s, "*");
	if (out->asterisk) {
		memcpy(out->path, "*", 2);
		return (GATE_UNSET);
	}
	if (s.p[0] != '/' && (why = take_origin(r, &s, out)) != GATE_UNSET)
		return (why);

	path = s;
	if ((mark = memchr(s.p, '?', s.len)) != NULL) {
		path.len = (size_t)(mark - s.p);
		query.p = mark + 1;
		query.len = s.len - path.len - 1;
	}
	if ((why = decode_path(path.len > 0 ? path : root, out->path)) !=
	    GATE_UNSET)
		return (why);

	return (query_ok(query) ? GATE_UNSET : GATE_TARGET);
}

char *
gate_target_path(char *target)
{
	char *path = target;

	if (*target != '/' && strcmp(target, "*") != 0) {
		path = strstr(target, "://");
		path = path != NULL ? strchr(path + 3, '/') : NULL;
		/* Nothing after the host: its last byte makes room. */
		if (path == NULL) {
			path = target + strlen(target) - 1;
			*path = '/';
		}
	}
	if (*path == '/')
		(void)decode_path((struct span){ path, strlen(path) }, path);

	return (path);
}
