/*
 * One request to a provider, and its JSON. A provider is somebody else's
 * server: its reply has a limit, an end in time, and no redirect is followed.
 * What goes wrong is told to the log, never with what was sent or received.
 */
#include <string.h>

#include "oidc/oidc_priv.h"

#define FETCH_MS   4000
#define RESERVE_MS 1500 /* for the audit row and the page of a refusal */
#define DEPTH      12

static co_fn enum res
ask(struct env *env, const struct provider_request *req,
    struct fetch_reply *reply)
{
	const char *headers[] = { "Accept", "application/json", NULL, NULL,
		NULL, NULL, NULL };
	unsigned n = 2;
	struct fetch_request fr = { .method =
					req->form != NULL ? "POST" : "GET",
		.url = req->url,
		.headers = headers,
		.body = req->form,
		.reply_max = req->max };
	int64_t whole = env->deadline, limit = time_mono_ms() + FETCH_MS;
	enum res res;

	if (req->form != NULL) {
		fr.body_len = strlen(req->form);
		headers[n++] = "Content-Type";
		headers[n++] = "application/x-www-form-urlencoded";
	}
	if (req->authorization != NULL) {
		headers[n++] = "Authorization";
		headers[n++] = req->authorization;
	}
	env->deadline = limit < whole - RESERVE_MS ? limit : whole - RESERVE_MS;
	res = fetch(env, &fr, reply);
	env->deadline = whole;
	return (res);
}

co_fn enum res
provider_fetch(struct env *env, const struct provider_request *req,
    struct jval **out, const char **why)
{
	struct fetch_reply reply;

	*out = NULL;
	if (ask(env, req, &reply) != RES_OK) {
		*why = arena_strdup(env->arena, env->err.private);
		err_clear(&env->err);
		return (RES_ERR);
	}
	if (reply.status != 200) {
		*why = arena_printf(env->arena, "status %d", reply.status);
		return (RES_ERR);
	}
	if (json_parse(env->arena, reply.body, reply.body_len, DEPTH, out,
		&env->err) != RES_OK) {
		err_clear(&env->err);
		*why = "the reply is not JSON";
		return (RES_ERR);
	}
	if ((*out)->type == J_OBJ)
		return (RES_OK);
	*why = "the reply is no JSON object";
	return (RES_ERR);
}
