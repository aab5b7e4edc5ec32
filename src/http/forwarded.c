/*
 * The headers in which proxies name whom they speak for: Forwarded (RFC 7239)
 * and X-Forwarded-For (which has no standard: a list of addresses). Pure. One
 * line becomes a list of hops, the client's first and the nearest one last.
 *
 * The left of a line is whatever the client has sent. An X-Forwarded-For
 * element says nothing about its neighbours, so a wrong one is a hop by
 * itself; in Forwarded a quotation mark can swallow what follows it, so one
 * mistake makes the whole line wrong.
 */
#include <string.h>
#include <strings.h>

#include "http/http_priv.h"

#define BLANKS   " \t"
#define DIGITS   "0123456789"
#define ALNUM    DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define OBSCURED ALNUM "._-"             /* RFC 7239, 6.3 */
#define TCHAR    ALNUM "!#$%&'*+-.^_`|~" /* RFC 9110, 5.6.2 */

/* Longer values name no address, and are cut off: they then fit nothing. */
#define VALUE_MAX 64

/* The lines are short of nothing but the furthest hops. */
static void
hop_add(struct hops *h, enum hop_kind kind, const struct netaddr *who)
{
	struct hop *hop = &h->hop[h->n++ % HOPS_MAX];

	memset(hop, 0, sizeof(*hop));
	hop->kind = kind;
	if (kind == HOP_ADDRESS)
		hop->who = *who;
}

static bool
is_obscured(const char *s)
{
	return (s[0] == '_' && s[1] != '\0' &&
		s[1 + strspn(s + 1, OBSCURED)] == '\0');
}

static bool
is_port(const char *s)
{
	size_t n = strspn(s, DIGITS);

	return (is_obscured(s) || (n >= 1 && n <= 5 && s[n] == '\0'));
}

/* "[v6]", "v4" or a name without an address, each with a port or without. */
static enum hop_kind
node_parse(char *s, struct netaddr *who)
{
	char *end = s[0] == '[' ? strchr(s, ']') : s + strcspn(s, ":");

	if (end == NULL)
		return (HOP_MALFORMED);
	if (*end == ']') {
		*end++ = '\0';
		s++;
		if (strchr(s, ':') == NULL)
			return (HOP_MALFORMED);
	}
	if (*end == ':') {
		*end++ = '\0';
		if (!is_port(end))
			return (HOP_MALFORMED);
	} else if (*end != '\0') {
		return (HOP_MALFORMED);
	}
	if (strcasecmp(s, "unknown") == 0 || is_obscured(s))
		return (HOP_NAMELESS);
	return (netaddr_parse(s, who) == RES_OK ? HOP_ADDRESS : HOP_MALFORMED);
}

/* ---- X-Forwarded-For ---------------------------------------------------- */

/* Here an IPv6 address may come without brackets. */
static void
xff_element(struct hops *h, const char *s, size_t len)
{
	struct netaddr who;
	char text[VALUE_MAX + 1];
	enum hop_kind kind = HOP_MALFORMED;

	if (len <= VALUE_MAX) {
		memcpy(text, s, len);
		text[len] = '\0';
		kind = netaddr_parse(text, &who) == RES_OK ?
			   HOP_ADDRESS :
			   node_parse(text, &who);
	}
	hop_add(h, kind, &who);
}

void
x_forwarded_for_parse(const char *s, struct hops *h)
{
	size_t len, end;

	h->n = 0;
	for (;; s += len + 1) {
		s += strspn(s, BLANKS);
		len = end = strcspn(s, ",");
		while (end > 0 && strchr(BLANKS, s[end - 1]) != NULL)
			end--;
		/* Empty elements are to be ignored (RFC 9110, 5.6.1.2). */
		if (end > 0)
			xff_element(h, s, end);
		if (s[len] == '\0')
			break;
	}
}

/* ---- Forwarded ------------------------------------------------------------
 */

static void
put(char *out, size_t *n, char c)
{
	if (*n < VALUE_MAX)
		out[(*n)++] = c;
}

/* A quoted-string after its first mark; NULL: it does not end, or holds
 * control characters. */
static const char *
take_quoted(const char *s, char *out, size_t *n)
{
	for (; *s != '"'; s++) {
		if (*s == '\\')
			s++;
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return (NULL);
		put(out, n, *s);
	}
	return (s + 1);
}

/* token "=" ( token / quoted-string ); NULL: malformed. */
static const char *
take_pair(const char *s, const char **name, size_t *namelen, char *value)
{
	size_t n = 0;

	*name = s;
	*namelen = strspn(s, TCHAR);
	s += *namelen;
	if (*namelen == 0 || *s++ != '=')
		return (NULL);
	if (*s == '"') {
		s = take_quoted(s + 1, value, &n);
	} else {
		while (*s != '\0' && strchr(TCHAR, *s) != NULL)
			put(value, &n, *s++);
		if (n == 0)
			return (NULL);
	}
	value[n] = '\0';
	return (s);
}

/* One element, up to its comma or the end; NULL: malformed. */
static const char *
take_element(const char *s, struct hops *h)
{
	enum hop_kind kind = HOP_NAMELESS;
	struct netaddr who;
	const char *name;
	char value[VALUE_MAX + 1];
	bool any = false, found = false;
	size_t len;

	for (;; s++) {
		s += strspn(s, BLANKS);
		if (*s != ';' && *s != ',' && *s != '\0') {
			if ((s = take_pair(s, &name, &len, value)) == NULL)
				return (NULL);
			any = true;
			if (len == 3 && strncasecmp(name, "for", 3) == 0) {
				/* Each parameter once (RFC 7239, 4). */
				kind = node_parse(value, &who);
				if (found || kind == HOP_MALFORMED)
					return (NULL);
				found = true;
			}
			s += strspn(s, BLANKS);
		}
		if (*s != ';')
			break;
		any = true;
	}
	if (*s != ',' && *s != '\0')
		return (NULL);
	if (any)
		hop_add(h, kind, &who);
	return (s);
}

void
forwarded_parse(const char *s, struct hops *h)
{
	h->n = 0;
	while ((s = take_element(s, h)) != NULL && *s == ',')
		s++;
	if (s == NULL) {
		h->n = 0;
		hop_add(h, HOP_MALFORMED, NULL);
	}
}
