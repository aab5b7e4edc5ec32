/*
 * The addresses of another server, found before libcurl begins. libcurl would
 * look it up on a thread of its own, and wait for that thread's end, loop and
 * all, should the transfer be given up meanwhile: seconds, when a name server
 * does not answer.
 */
#include "io/io_priv.h"

co_fn enum res
outbound_pin(struct env *env, const char *host, const char *port,
    struct curl_slist **out)
{
	char addresses[RESOLVE_ALL_SIZE];

	if (resolve_all(env, host, addresses) != RES_OK)
		return (RES_ERR);
	*out = curl_slist_append(
	    NULL, arena_printf(env->arena, "+%s:%s:%s", host, port, addresses));
	return (RES_OK);
}

/* A part of the URL, in the arena; NULL: it is no URL with such a part. */
static const char *
part_of(struct env *env, CURLU *url, CURLUPart part)
{
	char *s = NULL, *copy;

	if (curl_url_get(url, part, &s, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return (NULL);
	copy = arena_strdup(env->arena, s);
	curl_free(s);
	return (copy);
}

/* libcurl knows an IPv6 address in a URL by itself. */
co_fn enum res
outbound_pin_url(struct env *env, const char *text, struct curl_slist **out)
{
	CURLU *url = curl_url();
	const char *host = NULL, *port = NULL;

	if (url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == 0) {
		host = part_of(env, url, CURLUPART_HOST);
		port = part_of(env, url, CURLUPART_PORT);
	}
	curl_url_cleanup(url);
	*out = NULL;
	if (host == NULL || port == NULL) {
		err_private(&env->err, "outbound: not a URL with a host");
		return (err_fail(&env->err, PROBLEM_UNAVAILABLE,
		    "Another service did not answer as expected."));
	}
	return (*host == '[' ? RES_OK : outbound_pin(env, host, port, out));
}
