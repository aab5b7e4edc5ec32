/*
 * What one audit row says, and how it is bound as parameters.
 */
#include <string.h>

#include "audit/audit_priv.h"

static const char *
outcome_name(enum audit_outcome o)
{
	switch (o) {
	case AUDIT_ALLOWED:
		return ("allowed");
	case AUDIT_DENIED:
		return ("denied");
	default:
		return ("failed");
	}
}

const char *
audit_outcome_name(const struct audit_event *ev)
{
	return (outcome_name(ev->outcome));
}

enum audit_outcome
audit_outcome_parse(const char *name)
{
	for (enum audit_outcome o = AUDIT_ALLOWED; o <= AUDIT_FAILED; o++)
		if (strcmp(outcome_name(o), name) == 0)
			return (o);
	return (AUDIT_UNSET);
}

/* The patient the request is about: of its path, or set by its handler. */
static const struct uuid *
patient_of(const struct ctx *cx)
{
	if (!uuid_is_nil(&cx->patient_id))
		return (&cx->patient_id);
	for (unsigned i = 0; i < cx->nparams; i++) {
		if (strcmp(cx->params[i].name, "patient_id") == 0)
			return (&cx->params[i].id);
	}
	return (NULL);
}

const char *
audit_detail(struct ctx *cx, enum problem why)
{
	const struct uuid *patient = patient_of(cx);
	struct json_out *o;
	const char *text;
	size_t len;

	if (patient == NULL && why == PROBLEM_UNSET)
		return (NULL);
	o = json_out_new(cx->env.arena);
	json_obj(o);
	if (patient != NULL)
		json_kuuid(o, "patient", patient);
	if (why != PROBLEM_UNSET)
		json_kstr(o, "problem", problem_row(why)->slug);
	json_obj_end(o);
	json_finish(o, &text, &len);
	return (text);
}

void
audit_event(struct ctx *cx, struct audit_event *ev, enum audit_outcome outcome)
{
	memset(ev, 0, sizeof(*ev));
	uuid_v7(&ev->id);
	ev->at_us = time_now_us();
	ev->action = cx->ep->audit;
	ev->outcome = outcome;
	ev->actor_kind = cx->actor_kind != NULL ? cx->actor_kind : "anonymous";
	ev->actor_id = cx->actor_id;
	ev->key_id = cx->key_id;
	ev->session_id = cx->session_id;
	ev->request_id = cx->request_id;
	ev->client_ip = cx->client_ip[0] != '\0' ? cx->client_ip : NULL;
	ev->detail = audit_detail(cx, PROBLEM_UNSET);
	cx->audited = true;
}

void
audit_object(struct audit_event *ev, const char *type, const struct uuid *id)
{
	ev->object_type = type;
	ev->object_id = *id;
	/* The object says already whom it is about. */
	if (strcmp(type, "patient") == 0)
		ev->detail = NULL;
}

/*
 * Handlers replace the detail by what they have to say, and the statements of
 * writes count their parameters from $12: so the key or the session joins the
 * text here, the last place that all rows pass, and the writer's SQL takes the
 * key out again for the column. The text is ours and begins with a brace.
 */
const char *
audit_stored_detail(struct arena *arena, const struct audit_event *ev)
{
	char id[UUID_STRLEN + 1];
	const char *rest = ev->detail != NULL ? ev->detail + 1 : "}";
	bool key = !uuid_is_nil(&ev->key_id);

	if (!key && uuid_is_nil(&ev->session_id))
		return (ev->detail);
	uuid_format(key ? &ev->key_id : &ev->session_id, id);
	return (arena_printf(arena, "{\"%s\":\"%s\"%s%s",
	    key ? "key" : "session", id, rest[0] == '}' ? "" : ",", rest));
}

static void
bind_uuid(struct db_args *a, const struct uuid *u)
{
	db_uuid(a, uuid_is_nil(u) ? NULL : u);
}

void
audit_bind(struct db_args *a, const struct audit_event *ev)
{
	db_uuid(a, &ev->id);
	db_time(a, ev->at_us);
	db_text(a, ev->action);
	db_text(a, outcome_name(ev->outcome));
	db_text(a, ev->actor_kind);
	bind_uuid(a, &ev->actor_id);
	db_text(a, ev->object_type);
	bind_uuid(a, &ev->object_id);
	bind_uuid(a, &ev->request_id);
	db_text(a, ev->client_ip);
	db_text(a, audit_stored_detail(a->arena, ev));
}
