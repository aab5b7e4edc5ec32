/*
 * The pages at the end of a log-in by a provider. The browser comes from
 * another site here, and a redirect would go on without the session's cookie
 * (SameSite=Strict): so a page of our own goes on to where the user wanted to.
 * No page shows anything that came with the request.
 */
#include <string.h>

#include "audit/audit.h"
#include "obs/obs.h"
#include "oidc/oidc_priv.h"

static const struct {
	const char *slug, *text;
} reasons[OIDC_REASON_MAX] = {
#define REASON(id, slug_, text_) [OIDC_##id] = { slug_, text_ },
#include "oidc/tbl/reasons.def"
#undef REASON
};

const char *
oidc_reason_slug(enum oidc_reason reason)
{
	return (reasons[reason].slug);
}

const char *
oidc_reason_text(enum oidc_reason reason)
{
	return (reasons[reason].text);
}

static int
status_of(enum oidc_reason reason)
{
	switch (reason) {
	case OIDC_NO_PROVIDER:
		return (404);
	case OIDC_DISCOVERY:
	case OIDC_TOKEN_ENDPOINT:
	case OIDC_MIX_UP:
		return (503);
	case OIDC_FOREIGN_START:
	case OIDC_DENIED:
	case OIDC_NOT_LINKED:
	case OIDC_OTHER_LINKED:
	case OIDC_NO_ROLE:
	case OIDC_DISABLED:
		return (403);
	default:
		return (400);
	}
}

static void
page(struct ctx *cx, int status, const char *head, const char *title,
    const char *body)
{
	const char *text = arena_printf(cx->env.arena,
	    "<!doctype html>\n<html lang=\"en\">\n<head>\n"
	    "<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width, "
	    "initial-scale=1\">\n"
	    "<link rel=\"icon\" href=\"/assets/icon.svg\">\n"
	    "<link rel=\"stylesheet\" href=\"/assets/style.css\">\n"
	    "%s<title>%s</title>\n</head>\n<body>\n"
	    "<header class=\"top\"><span class=\"brand\">"
	    "<img src=\"/assets/icon.svg\" alt=\"\" width=\"28\" "
	    "height=\"28\">Eleusis</span></header>\n"
	    "<main>\n<section class=\"card\">\n<h1>%s</h1>\n%s"
	    "</section>\n</main>\n</body>\n</html>\n",
	    head, title, title, body);

	reply_text(cx, status, "text/html; charset=utf-8", text, strlen(text));
}

void
oidc_page_refused(struct ctx *cx, enum oidc_reason reason)
{
	char id[UUID_STRLEN + 1];

	uuid_format(&cx->request_id, id);
	page(cx, status_of(reason), "", "You are not logged in",
	    arena_printf(cx->env.arena,
		"<p>%s</p>\n<p><a href=\"/login\">Back to the log-in</a></p>\n"
		"<p><small>Request %s (%s)</small></p>\n",
		oidc_reason_text(reason), id, oidc_reason_slug(reason)));
}

void
oidc_page_go_on(struct ctx *cx, const char *path)
{
	/* The path is of characters that mean nothing in HTML. */
	page(cx, 200,
	    arena_printf(cx->env.arena,
		"<meta http-equiv=\"refresh\" content=\"0;url=%s\">\n", path),
	    "Done",
	    arena_printf(
		cx->env.arena, "<p><a href=\"%s\">Go on</a></p>\n", path));
}

co_fn enum res
oidc_refused(struct ctx *cx, const struct provider *p, enum oidc_reason reason,
    const struct uuid *user)
{
	struct audit_event ev;

	audit_event(cx, &ev, AUDIT_DENIED);
	if (ev.action[0] == '-')
		ev.action = "auth.oidc";
	if (user != NULL && !uuid_is_nil(user))
		audit_object(&ev, "user", user);
	ev.detail = p != NULL ?
			arena_printf(cx->env.arena,
			    "{\"provider\":\"%s\",\"reason\":\"%s\"}", p->id,
			    oidc_reason_slug(reason)) :
			arena_printf(cx->env.arena, "{\"reason\":\"%s\"}",
			    oidc_reason_slug(reason));
	metric_add(METRIC_LOGINS_FAILURE, 1);
	return (audit_append(cx, &ev));
}
