/*
 * A host name to a numeric address. getaddrinfo() blocks, so it runs on the
 * thread pool; an address or the empty case never leaves the loop.
 */
#include <sys/socket.h>

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "io/io.h"

struct lookup {
	const char *name;
	int flags, rc;
	char address[64];
	char all[RESOLVE_ALL_SIZE];
};

/* Those that have no room are left out: the first ones are the best. */
static void
gather(struct lookup *l, const struct addrinfo *ai)
{
	char one[64];
	size_t len = 0;
	int n;

	for (; ai != NULL; ai = ai->ai_next) {
		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, one, sizeof(one),
			NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		n = snprintf(l->all + len, sizeof(l->all) - len,
		    ai->ai_family == AF_INET6 ? "%s[%s]" : "%s%s",
		    len > 0 ? "," : "", one);
		if (n < 0 || (size_t)n >= sizeof(l->all) - len)
			break;
		len += (size_t)n;
	}
	l->all[len] = '\0';
}

static void
lookup_run(void *arg)
{
	struct lookup *l = arg;
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = l->flags };
	struct addrinfo *ai = NULL;

	l->rc = getaddrinfo(l->name, NULL, &hints, &ai);
	if (l->rc == 0)
		l->rc = getnameinfo(ai->ai_addr, ai->ai_addrlen, l->address,
		    sizeof(l->address), NULL, 0, NI_NUMERICHOST);
	gather(l, ai);
	if (ai != NULL)
		freeaddrinfo(ai);
}

static co_fn enum res
lookup(struct env *env, struct lookup *l)
{
	int flags = l->flags;

	l->flags = AI_NUMERICHOST;
	lookup_run(l);
	if (l->rc != 0) {
		l->flags = flags;
		if (pool_run(env, lookup_run, l) != RES_OK)
			return (RES_ERR);
	}
	if (l->rc == 0)
		return (RES_OK);
	err_private(&env->err, "resolve: %s", gai_strerror(l->rc));
	return (err_fail(&env->err, PROBLEM_UNAVAILABLE,
	    "A host name could not be resolved."));
}

co_fn enum res
resolve_host(struct env *env, const char *name, char out[64])
{
	/* One address only: of a kind that this machine can reach. */
	struct lookup l = { .name = name, .flags = AI_ADDRCONFIG };

	if (lookup(env, &l) != RES_OK)
		return (RES_ERR);
	(void)snprintf(out, 64, "%s", l.address);
	return (RES_OK);
}

co_fn enum res
resolve_all(struct env *env, const char *name, char out[RESOLVE_ALL_SIZE])
{
	/* Whoever takes them tries one after the other; AI_ADDRCONFIG would
	 * leave ::1 out where loopback is all there is of IPv6. */
	struct lookup l = { .name = name };

	if (lookup(env, &l) != RES_OK)
		return (RES_ERR);
	memcpy(out, l.all, sizeof(l.all));
	return (RES_OK);
}
