/*
 * The relying party's id: which domain passkeys are for (WebAuthn 5.1.3, step
 * 7; HTML's "is a registrable domain suffix of or is equal to"). Browsers also
 * know which domains are public suffixes, and refuse those; here it is enough
 * that it is no top-level domain. Pure.
 */
#include <stdio.h>
#include <string.h>

#include "webauthn/webauthn.h"

/* False: the origin has a host that is too long. */
static bool
host_of(const char *origin, char out[WEBAUTHN_RP_ID_SIZE])
{
	const char *host = strstr(origin, "://"), *end;
	size_t len;

	host = host != NULL ? host + 3 : origin;
	end = strrchr(host, ':');
	if (end == NULL || strchr(end, ']') != NULL)
		end = host + strlen(host);
	len = (size_t)(end - host);
	if (len == 0 || len >= WEBAUTHN_RP_ID_SIZE)
		return (false);
	memcpy(out, host, len);
	out[len] = '\0';
	return (true);
}

static bool
is_above(const char *id, const char *host)
{
	size_t n = strlen(id), all = strlen(host);
	struct netaddr address;

	/* Nothing is above an address. */
	if (n >= all || netaddr_parse(host, &address) == RES_OK)
		return (false);
	return (id[0] != '.' && strchr(id, '.') != NULL &&
		host[all - n - 1] == '.' && strcmp(host + all - n, id) == 0);
}

enum res
webauthn_rp_id(
    const char *origin, const char *wanted, char out[WEBAUTHN_RP_ID_SIZE])
{
	if (!host_of(origin, out))
		return (RES_ERR);
	if (wanted[0] == '\0' || strcmp(wanted, out) == 0)
		return (RES_OK);
	if (!is_above(wanted, out))
		return (RES_ERR);
	(void)snprintf(out, WEBAUTHN_RP_ID_SIZE, "%s", wanted);
	return (RES_OK);
}
