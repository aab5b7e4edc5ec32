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
};

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
	if (ai != NULL)
		freeaddrinfo(ai);
}

co_fn enum res
resolve_host(struct env *env, const char *name, char out[64])
{
	struct lookup l = { .name = name, .flags = AI_NUMERICHOST };

	lookup_run(&l);
	if (l.rc != 0) {
		l.flags = AI_ADDRCONFIG;
		if (pool_run(env, lookup_run, &l) != RES_OK)
			return (RES_ERR);
	}
	if (l.rc != 0) {
		err_private(&env->err, "resolve: %s", gai_strerror(l.rc));
		return (err_fail(&env->err, PROBLEM_UNAVAILABLE,
		    "A host name could not be resolved."));
	}
	(void)snprintf(out, 64, "%s", l.address);
	return (RES_OK);
}
