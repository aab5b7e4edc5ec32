/*
 * The handlers that kore.conf names, one a resource, and the check that the
 * two tables agree: a row that no route reaches would silently be 404.
 */
#include <stdio.h>
#include <string.h>

#include <kore/kore.h>
#include <kore/http.h>

#include "app/app.h"

/* ROUTE(x) defines route_x(), which kore.conf's routes name as handler. */
#define ROUTE(name, resource)                            \
	static void run_##name(struct http_request *req) \
	{                                                \
		pipeline_run(req, resource);             \
	}                                                \
	int route_##name(struct http_request *);         \
	int route_##name(struct http_request *req)       \
	{                                                \
		return (request_run(req, run_##name));   \
	}

ROUTE(patients, "patients")
ROUTE(predictions, "predictions")
ROUTE(models, "models")
ROUTE(auth, "auth")
ROUTE(me, "me")
ROUTE(users, "users")
ROUTE(break_glass, "break_glass")
ROUTE(sessions, "sessions")
ROUTE(api_keys, "api_keys")
ROUTE(audit, "audit")
ROUTE(network, "network")
ROUTE(health, "health")
ROUTE(metrics, "metrics")
ROUTE(openapi, "openapi")
ROUTE(pages, "pages")
ROUTE(service, "service")
ROUTE(catch_all, NULL)

/* A path of the template, with an id in each {name}: a file's name too. */
static void
sample_path(const char *template, char *out, size_t len)
{
	static const char id[] = "018f0000-0000-7000-8000-000000000000";
	size_t n = 0;

	for (const char *p = template; *p != '\0' && n + sizeof(id) < len;) {
		if (*p != '{') {
			out[n++] = *p++;
			continue;
		}
		memcpy(out + n, id, sizeof(id) - 1);
		n += sizeof(id) - 1;
		p += strcspn(p, "}") + 1;
	}
	out[n] = '\0';
}

static enum res
check_row(struct kore_domain *dom, const struct endpoint *ep, char *msg,
    size_t msglen)
{
	struct http_request req;
	struct kore_route *rt = NULL;
	char path[256], want[64];

	memset(&req, 0, sizeof(req));
	sample_path(ep->path, path, sizeof(path));
	req.path = path;
	(void)snprintf(want, sizeof(want), "route_%s", ep->resource);
	(void)kore_route_lookup(&req, dom, HTTP_METHOD_GET, &rt);
	if (rt == NULL || strcmp(rt->func, want) != 0) {
		(void)snprintf(msg, msglen,
		    "kore.conf: %s goes to %s; the endpoint table wants %s",
		    ep->path, rt != NULL ? rt->func : "nothing", want);
		return (RES_ERR);
	}
	if (rt->on_free == NULL) {
		(void)snprintf(msg, msglen,
		    "kore.conf: the route of %s lacks on_free request_freed",
		    ep->path);
		return (RES_ERR);
	}
	return (RES_OK);
}

static enum res
copy_routes(const struct kore_domain *from, struct kore_domain *to, char *msg,
    size_t msglen)
{
	const struct kore_route *rt;
	struct kore_route *new;

	TAILQ_FOREACH (rt, &from->routes, list) {
		new = kore_route_create(to, rt->path, rt->type);
		if (new == NULL) {
			(void)snprintf(msg, msglen,
			    "kore.conf: the route %s cannot be had for %s",
			    rt->path, to->domain);
			return (RES_ERR);
		}
		kore_route_callback(new, rt->func);
		new->methods = rt->methods;
		new->on_free = rt->on_free;
		new->on_headers = rt->on_headers;
		new->on_body_chunk = rt->on_body_chunk;
	}
	return (RES_OK);
}

enum res
routes_share(char *msg, size_t msglen)
{
	struct kore_server *srv;
	struct kore_domain *dom;

	LIST_FOREACH (srv, &kore_servers, list) {
		TAILQ_FOREACH (dom, &srv->domains, list) {
			if (dom == primary_dom || !TAILQ_EMPTY(&dom->routes))
				continue;
			if (copy_routes(primary_dom, dom, msg, msglen) !=
			    RES_OK)
				return (RES_ERR);
		}
	}
	return (RES_OK);
}

enum res
routes_check(char *msg, size_t msglen)
{
	struct kore_server *srv;
	struct kore_domain *dom;

	LIST_FOREACH (srv, &kore_servers, list) {
		TAILQ_FOREACH (dom, &srv->domains, list) {
			for (unsigned i = 0; i < router_count(); i++) {
				if (check_row(dom, router_at(i), msg, msglen) !=
				    RES_OK)
					return (RES_ERR);
			}
		}
	}
	return (RES_OK);
}
