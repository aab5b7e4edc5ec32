/*
 * Internet addresses and blocks of them. Everything is 128 bits wide, IPv4
 * mapped into IPv6: a dual-stack listener shows IPv4 clients so, and lists
 * and limits must see one and the same form of an address.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define V4_OFFSET 12 /* bytes before the IPv4 address */
#define V4_BITS   96

static const uint8_t v4_prefix[V4_OFFSET] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0xff, 0xff };

enum res
netaddr_parse(const char *s, struct netaddr *out)
{
	memcpy(out->b, v4_prefix, V4_OFFSET);
	if (inet_pton(AF_INET, s, out->b + V4_OFFSET) == 1)
		return (RES_OK);
	return (inet_pton(AF_INET6, s, out->b) == 1 ? RES_OK : RES_ERR);
}

bool
netaddr_is_v4(const struct netaddr *a)
{
	return (memcmp(a->b, v4_prefix, V4_OFFSET) == 0);
}

bool
netaddr_is_loopback(const struct netaddr *a)
{
	static const struct netaddr one = { .b = { [15] = 1 } };

	if (netaddr_is_v4(a))
		return (a->b[V4_OFFSET] == 127);
	return (memcmp(a->b, one.b, sizeof(one.b)) == 0);
}

void
netaddr_format(const struct netaddr *a, char out[NETADDR_STRLEN + 1])
{
	bool v4 = netaddr_is_v4(a);

	(void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->b + V4_OFFSET : a->b,
	    out, NETADDR_STRLEN + 1);
}

static void
clear_past(struct netaddr *a, unsigned bits)
{
	for (unsigned i = 0; i < sizeof(a->b); i++) {
		if (bits >= 8 * (i + 1))
			continue;
		a->b[i] &=
		    bits <= 8 * i ? 0 : (uint8_t)(0xff << (8 - (bits - 8 * i)));
	}
}

/* Up to three digits and no leading zero, of at most max. */
static bool
prefix_length(const char *s, unsigned max, unsigned *out)
{
	size_t len = strspn(s, "0123456789");
	unsigned bits = 0;

	if (len == 0 || len > 3 || s[len] != '\0' || (len > 1 && *s == '0'))
		return (false);
	for (; *s != '\0'; s++)
		bits = bits * 10 + (unsigned)(*s - '0');
	*out = bits;
	return (bits <= max);
}

enum res
netblock_parse(const char *s, struct netblock *out)
{
	size_t len = strcspn(s, "/");
	char text[NETADDR_STRLEN + 1];
	struct netaddr whole;
	unsigned bits;
	bool v4;

	if (len >= sizeof(text))
		return (RES_ERR);
	memcpy(text, s, len);
	text[len] = '\0';
	if (netaddr_parse(text, &out->addr) != RES_OK)
		return (RES_ERR);
	v4 = strchr(text, ':') == NULL;
	bits = v4 ? 32 : 128;
	if (s[len] == '/' && !prefix_length(s + len + 1, bits, &bits))
		return (RES_ERR);
	out->bits = (uint8_t)(bits + (v4 ? V4_BITS : 0));
	whole = out->addr;
	clear_past(&out->addr, out->bits);
	return (memcmp(whole.b, out->addr.b, sizeof(whole.b)) == 0 ? RES_OK :
								     RES_ERR);
}

bool
netblock_is_v4(const struct netblock *n)
{
	return (n->bits >= V4_BITS && netaddr_is_v4(&n->addr));
}

void
netblock_format(const struct netblock *n, char out[NETBLOCK_STRLEN + 1])
{
	bool v4 = netblock_is_v4(n);
	size_t len;

	netaddr_format(&n->addr, out);
	len = strlen(out);
	(void)snprintf(out + len, NETBLOCK_STRLEN + 1 - len, "/%u",
	    n->bits - (v4 ? V4_BITS : 0));
}

bool
netblock_has(const struct netblock *n, const struct netaddr *a)
{
	struct netaddr masked = *a;

	/* "::/0" is every IPv6 address, and no IPv4 one that is mapped. */
	if (netblock_is_v4(n) != netaddr_is_v4(a))
		return (false);
	clear_past(&masked, n->bits);
	return (memcmp(masked.b, n->addr.b, sizeof(masked.b)) == 0);
}

void
netblock_around(const struct netaddr *a, unsigned v4bits, unsigned v6bits,
    struct netblock *out)
{
	out->addr = *a;
	out->bits = (uint8_t)(netaddr_is_v4(a) ? V4_BITS + v4bits : v6bits);
	clear_past(&out->addr, out->bits);
}
