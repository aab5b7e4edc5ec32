/*
 * Outbound HTTP through Kore's curl integration. The transfer lives on the
 * coroutine's stack: at the deadline it is cancelled, never left behind.
 */
#include <string.h>

#include <kore/kore.h>
#include <kore/curl.h>

#include "io/io_priv.h"

struct transfer {
	struct kore_curl curl;
	struct wait wait;
};

static void
transfer_done(struct kore_curl *curl UNUSED, void *arg)
{
	struct transfer *t = arg;

	wait_signal(&t->wait);
}

static int
method_of(const char *name)
{
	static const struct {
		const char *name;
		int value;
	} methods[] = {
		{ "GET", HTTP_METHOD_GET },
		{ "POST", HTTP_METHOD_POST },
		{ "PUT", HTTP_METHOD_PUT },
		{ "PATCH", HTTP_METHOD_PATCH },
		{ "DELETE", HTTP_METHOD_DELETE },
	};

	for (size_t i = 0; i < NELEM(methods); i++) {
		if (strcmp(methods[i].name, name) == 0)
			return (methods[i].value);
	}
	return (0);
}

static enum res
fetch_failed(struct env *env, const char *why)
{
	err_private(&env->err, "fetch: %s", why);
	return (err_fail(&env->err, PROBLEM_UNAVAILABLE,
	    "Another service did not answer as expected."));
}

static enum res
transfer_result(
    struct env *env, struct transfer *t, size_t max, struct fetch_reply *reply)
{
	const u_int8_t *body = NULL;
	size_t len = 0;

	if (!kore_curl_success(&t->curl))
		return (fetch_failed(env, kore_curl_strerror(&t->curl)));
	if (t->curl.response != NULL)
		kore_curl_response_as_bytes(&t->curl, &body, &len);
	if (len > max)
		return (fetch_failed(env, "the reply is too large"));
	reply->status = (int)t->curl.http.status;
	reply->body =
	    arena_strndup(env->arena, len > 0 ? (const char *)body : "", len);
	reply->body_len = len;
	return (RES_OK);
}

co_fn enum res
fetch(
    struct env *env, const struct fetch_request *req, struct fetch_reply *reply)
{
	struct transfer *t = arena_alloc(env->arena, sizeof(*t));
	int method = method_of(req->method);
	struct curl_slist *addresses;
	int64_t left;
	enum res rc;

	if (method == 0)
		return (fetch_failed(env, "bad method"));
	if (outbound_pin_url(env, req->url, &addresses) != RES_OK)
		return (RES_ERR);
	left = env->deadline - time_mono_ms();
	if (left <= 0 || !kore_curl_init(&t->curl, req->url, KORE_CURL_ASYNC)) {
		curl_slist_free_all(addresses);
		return (fetch_failed(env, "no time left, or no memory"));
	}
	kore_curl_http_setup(&t->curl, method,
	    method == HTTP_METHOD_GET ? NULL : req->body,
	    method == HTTP_METHOD_GET ? 0 : req->body_len);
	for (const char *const *h = req->headers; h != NULL && *h != NULL;
	     h += 2)
		kore_curl_http_set_header(&t->curl, h[0], h[1]);
	curl_easy_setopt(t->curl.handle, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(t->curl.handle, CURLOPT_PROTOCOLS_STR, "http,https");
	/* Known lengths are refused at once, others while they come in: at
	 * Kore's 2 MB. */
	curl_easy_setopt(t->curl.handle, CURLOPT_MAXFILESIZE_LARGE,
	    (curl_off_t)req->reply_max);
	trust_web(t->curl.handle);
	curl_easy_setopt(t->curl.handle, CURLOPT_RESOLVE, addresses);
	if (left < 600000)
		curl_easy_setopt(
		    t->curl.handle, CURLOPT_TIMEOUT_MS, (long)left);
	wait_init(&t->wait);
	kore_curl_bind_callback(&t->curl, transfer_done, t);
	kore_curl_run(&t->curl);
	loop_kick(); /* curl's first step runs at the loop's next turn */
	if (wait_for(&t->wait, env->deadline) == RES_OK)
		rc = transfer_result(env, t, req->reply_max, reply);
	else
		rc = fetch_failed(env, "deadline");
	kore_curl_cleanup(&t->curl);
	curl_slist_free_all(addresses);
	return (rc);
}
