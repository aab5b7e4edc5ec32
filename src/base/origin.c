/*
 * Web origins (RFC 6454) as browsers write them in the Origin header: scheme,
 * host in lower case, and the port when it is not the scheme's own. Whoever
 * compares them compares bytes, so another spelling would never match.
 */
#include <stdio.h>
#include <string.h>

#include "base/base_priv.h"

#define HOST_CHARS "0123456789abcdefghijklmnopqrstuvwxyz.-_:[]"

static bool
loopback(const char *host)
{
	return (strcmp(host, "localhost") == 0 ||
		strcmp(host, "127.0.0.1") == 0 || strcmp(host, "[::1]") == 0);
}

/* Cuts ":port" off; false when what follows the colon is no port. */
static bool
cut_port(char *host, int64_t *port)
{
	char *colon = strrchr(host, ':');

	*port = 0;
	if (colon == NULL || strchr(colon, ']') != NULL)
		return (true);
	*colon = '\0';

	return (colon[1] >= '1' && colon[1] <= '9' &&
		str_to_int64(colon + 1, 1, 65535, port));
}

const char *
origin_mistake(const char *s, bool plain_loopback)
{
	char host[ORIGIN_SIZE];
	bool tls = strncmp(s, "https://", 8) == 0;
	int64_t port;

	if (!tls && !(plain_loopback && strncmp(s, "http://", 7) == 0))
		return ("must begin with https://");
	s += tls ? 8 : 7;
	if (*s == '\0' || *s == ':')
		return ("has no host");
	if (s[strspn(s, HOST_CHARS)] != '\0' || strlen(s) >= sizeof(host))
		return ("scheme, host (lower case) and port only, no path");
	strcpy(host, s);
	if (!cut_port(host, &port))
		return ("the port is not one");
	if (port == (tls ? 443 : 80))
		return ("browsers leave the scheme's own port out");
	if (!tls && !loopback(host))
		return ("must begin with https://");

	return (NULL);
}

const char *
origins_mistake(const char *s, bool plain_loopback)
{
	char one[CORS_ORIGIN_SIZE];
	const char *mistake;
	unsigned n = 0;
	size_t len;

	for (s += strspn(s, " "); *s != '\0'; s += strspn(s, " ")) {
		len = strcspn(s, " ");
		if (++n > CORS_ORIGINS_MAX)
			return ("too many origins");
		if (len >= sizeof(one))
			return ("an origin is too long");
		(void)snprintf(one, sizeof(one), "%.*s", (int)len, s);
		if (strcmp(one, "*") == 0)
			return ("any origin (*) is not an allow-list");
		if ((mistake = origin_mistake(one, plain_loopback)) != NULL)
			return (mistake);
		s += len;
	}

	return (NULL);
}
