/*
 * /v1/me/identities: who one is at which providers. Linking begins here, with
 * a session that has lately proved itself, and ends at the callback, in the
 * same browser and while that session lasts.
 */
#include <string.h>

#include "audit/audit.h"
#include "oidc/oidc_priv.h"

static const struct field identity_fields[] = {
	{ "id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL, "the link" },
	{ "provider", FIELD_STRING, F_REQUIRED, 1, 32, NULL, NULL,
	    "the provider's id" },
	{ "name", FIELD_STRING, F_REQUIRED | F_NULLABLE, 1, 80, NULL, NULL,
	    "the provider's name; null: it is configured no more" },
	{ "linked_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL, "since when" },
	{ "last_login_at", FIELD_TIME, F_REQUIRED | F_NULLABLE, 0, 0, NULL,
	    NULL, "the last log-in with it" },
};
static const struct schema schema_identity = { "Identity",
	"Who one is at a provider.", identity_fields, NELEM(identity_fields) };
static const struct field identities_fields[] = {
	{ "items", FIELD_ARRAY, F_REQUIRED, 0, PROVIDERS_MAX, NULL,
	    &schema_identity, "oldest first" },
};
const struct schema schema_identities = { "Identities",
	"Who one is at providers.", identities_fields,
	NELEM(identities_fields) };

static const struct field link_fields[] = {
	{ "provider", FIELD_STRING, F_REQUIRED, 1, 32, NULL, NULL, "its id" },
	{ "return_to", FIELD_STRING, 0, 1, 200, NULL, NULL,
	    "a path of this server to end on" },
};
const struct schema schema_identity_link = { "IdentityLink",
	"Which provider to link.", link_fields, NELEM(link_fields) };

static const struct field url_fields[] = {
	{ "url", FIELD_STRING, F_REQUIRED | F_NULLABLE, 8, 8000, NULL, NULL,
	    "where the browser is to go now; null: nowhere" },
};
const struct schema schema_oidc_url = { "ProviderUrl", "A provider's page.",
	url_fields, NELEM(url_fields) };

static void
write_identity(struct json_out *o, const struct identity *i)
{
	const struct provider *p = provider_find(i->provider);

	json_obj(o);
	json_kuuid(o, "id", &i->id);
	json_kstr(o, "provider", i->provider);
	json_kstr(o, "name", p != NULL ? p->name : NULL);
	json_ktime(o, "linked_at", i->linked_us);
	json_key(o, "last_login_at");
	if (i->used_us == 0)
		json_null(o);
	else
		json_time(o, i->used_us);
	json_obj_end(o);
}

co_fn enum res
identities_list(struct ctx *cx)
{
	struct json_out *o = json_out_new(cx->env.arena);
	struct identity *list;
	int n;

	if (identity_db_list(cx, &list, &n) != RES_OK)
		return (RES_ERR);
	json_obj(o);
	json_key(o, "items");
	json_arr(o);
	for (int i = 0; i < n; i++)
		write_identity(o, &list[i]);
	json_arr_end(o);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

/* One mistake of the body that the schema could not see. */
static enum res
mistake(struct ctx *cx, const char *pointer, const char *detail)
{
	err_field(&cx->env.err, cx->env.arena, pointer, "format", "%s", detail);
	return (err_fail(&cx->env.err, PROBLEM_VALIDATION,
	    "1 mistake: see "
	    "errors"));
}

co_fn enum res
identities_link(struct ctx *cx)
{
	struct provider *p = provider_find(json_get_str(cx->body, "provider"));
	const char *to = json_get_str(cx->body, "return_to"), *url;
	struct metadata meta;
	enum oidc_reason reason;
	struct json_out *o;

	if (p == NULL)
		return (mistake(cx, "/provider", "there is no such provider"));
	if (to == NULL)
		to = flow_return_default(cx->env.arena);
	else if (!flow_return_ok(to))
		return (mistake(cx, "/return_to", "it is no page of ours"));
	if ((reason = discovery_get(cx, p, &meta)) != OIDC_OK)
		return (err_fail(&cx->env.err, PROBLEM_UNAVAILABLE, "%s",
		    oidc_reason_text(reason)));
	if (flow_begin(cx, p, &meta, to, FLOW_LINK, &url) != RES_OK)
		return (RES_ERR);
	o = json_out_new(cx->env.arena);
	json_obj(o);
	json_kstr(o, "url", url);
	json_obj_end(o);
	reply_json(cx, 200, o);
	return (RES_OK);
}

co_fn enum res
identities_unlink(struct ctx *cx)
{
	const struct uuid *id = ctx_param(cx, "identity_id");
	struct audit_event ev;
	const char *provider;

	audit_event(cx, &ev, AUDIT_ALLOWED);
	audit_object(&ev, "identity", id);
	if (identity_db_remove(cx, &ev, id, &provider) == RES_OK) {
		if (identity_unlinked(cx, provider) != RES_OK)
			return (RES_ERR);
		reply_empty(cx, 204);
		return (RES_OK);
	}
	if (audit_refused(cx, "EL409")) {
		err_clear(&cx->env.err);
		(void)err_fail(&cx->env.err, PROBLEM_CONFLICT,
		    "It is your last way in: set a password or a passkey "
		    "first.");
		return (audit_failed(cx, "identity", id));
	}
	return (audit_db_failed(cx, "identity", id));
}
