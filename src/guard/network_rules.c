/*
 * Changes of the network rules. A change is judged on the list as it is and
 * made on that revision only: whoever comes second judges anew. One that
 * would shut out the address it comes from needs to be forced.
 *
 * These are rare requests of administrators: they ask for the list's revision
 * first, and read what has changed afterwards, so that the worker that
 * answers already goes by the new list.
 */
#include <string.h>

#include "guard/guard_priv.h"
#include "obs/obs.h"

#define TRIES        5
#define AUDITED_MAX  20 /* rules spelt out in one audit row */
#define POSITION_GAP 10 /* room for rules between */

/* ---- audit rows --------------------------------------------------------- */

void
network_rule_write(struct json_out *o, const struct network_rule *r)
{
	char network[NETBLOCK_STRLEN + 1];

	netblock_format(&r->network, network);
	json_kuuid(o, "id", &r->id);
	json_kint(o, "position", r->position);
	json_kstr(o, "action", r->allow ? "allow" : "deny");
	json_kstr(o, "network", network);
	json_key(o, "expires_at");
	if (r->expires_us != 0)
		json_time(o, r->expires_us);
	else
		json_null(o);
}

static void
write_state(struct json_out *o, const char *key, const struct network_doc *doc)
{
	json_key(o, key);
	json_obj(o);
	network_rule_write(o, &doc->rule);
	json_obj_end(o);
}

static const char *
text_of(struct json_out *o)
{
	const char *text;
	size_t len;

	json_obj_end(o);
	json_finish(o, &text, &len);

	return (text);
}

/* {"revision", "forced"?, ...: to be ended with text_of(). */
static struct json_out *
detail_new(struct ctx *cx, int32_t revision, bool force)
{
	struct json_out *o = json_out_new(cx->env.arena);

	json_obj(o);
	json_kint(o, "revision", revision);
	if (force)
		json_kbool(o, "forced", true);

	return (o);
}

/* The others are found by created_revision. */
static const char *
detail_added(struct ctx *cx, int32_t revision, bool force,
    const struct network_doc *docs, unsigned n)
{
	struct json_out *o = detail_new(cx, revision, force);

	json_kint(o, "count", n);
	json_key(o, "after");
	json_arr(o);
	for (unsigned i = 0; i < n && i < AUDITED_MAX; i++) {
		json_obj(o);
		network_rule_write(o, &docs[i].rule);
		json_obj_end(o);
	}
	json_arr_end(o);

	return (text_of(o));
}

/* after NULL: the rule is removed. A note is free text: not in the log. */
static const char *
detail_changed(struct ctx *cx, int32_t revision, bool force,
    const struct network_doc *before, const struct network_doc *after)
{
	struct json_out *o = detail_new(cx, revision, force);

	write_state(o, "before", before);
	if (after != NULL) {
		write_state(o, "after", after);
		json_kbool(o, "note_changed",
		    (before->note == NULL) != (after->note == NULL) ||
			(after->note != NULL &&
			    strcmp(before->note, after->note) != 0));
	}

	return (text_of(o));
}

/* ---- before a change ---------------------------------------------------- */

static const struct uuid *
object_of(const struct ctx *cx)
{
	return (ctx_param(cx, "rule_id"));
}

static co_fn enum res
refused(struct ctx *cx, enum problem problem, const char *detail)
{
	err_clear(&cx->env.err);
	(void)err_fail(&cx->env.err, problem, "%s", detail);

	return (audit_failed(cx, "network_rule", object_of(cx)));
}

/* The list as it is now, if the client means that one. */
static co_fn enum res
begin(struct ctx *cx, int32_t *revision)
{
	const char *condition = ctx_header(cx, "if-match");

	if (rules_sync(&cx->env) != RES_OK)
		return (RES_ERR);
	*revision = rules_now()->revision;
	switch (if_match(condition, *revision)) {
	case IF_MATCH_YES:
		return (RES_OK);
	case IF_MATCH_MALFORMED:
		return (err_fail(&cx->env.err, PROBLEM_MALFORMED_REQUEST,
		    "If-Match must be * or a list of entity tags, as in "
		    "\"3\"."));
	default:
		return (refused(cx, PROBLEM_PRECONDITION_FAILED,
		    "The list has another revision than If-Match."));
	}
}

/* Would the client be turned away, without that rule and with these? */
static co_fn enum res
check_self(struct ctx *cx, bool force, const struct uuid *without,
    const struct network_rule *added, unsigned n)
{
	const struct network_rule *rule;

	if (force)
		return (RES_OK);
	rule = ruleset_decide_with(
	    rules_now(), &cx->client, cx->now_us, without, added, n);
	if (rule == NULL || rule->allow)
		return (RES_OK);

	return (refused(cx, PROBLEM_CONFLICT,
	    "This would keep out the very address that it comes from; "
	    "\"force\" makes it so all the same."));
}

/* ---- after it -------------------------------------------------------------
 */

/* True: somebody was faster, and the client did not name a revision. A
 * transaction (of an Idempotency-Key) has come to nothing by then. */
static bool
again(struct ctx *cx, enum res rc, unsigned tries)
{
	if (rc == RES_OK || !audit_refused(cx, "EL412") || tries >= TRIES ||
	    cx->env.tx != NULL || ctx_header(cx, "if-match") != NULL)
		return (false);
	err_clear(&cx->env.err);

	return (true);
}

static co_fn enum res
failed(struct ctx *cx)
{
	struct audit_event event;

	/* Anything else was decided before the statement, and is recorded. */
	if (cx->env.err.problem != PROBLEM_INTERNAL)
		return (RES_ERR);
	if (audit_refused(cx, "EL404"))
		return (
		    refused(cx, PROBLEM_NOT_FOUND, "There is no such rule."));
	if (audit_refused(cx, "EL409"))
		return (refused(cx, PROBLEM_CONFLICT,
		    "There would be more than 200,000 rules in force."));
	if (audit_refused(cx, "EL412"))
		return (refused(cx,
		    ctx_header(cx, "if-match") != NULL ?
			PROBLEM_PRECONDITION_FAILED :
			PROBLEM_CONFLICT,
		    "Someone else changed the list meanwhile."));
	if (!audit_refused(cx, "EL403"))
		return (audit_db_failed(cx, "network_rule", object_of(cx)));

	/* Disabled, or of another role, since the session began. */
	err_clear(&cx->env.err);
	audit_event(cx, &event, AUDIT_DENIED);
	if (audit_append(cx, &event) != RES_OK)
		return (RES_ERR);

	return (err_fail(&cx->env.err, PROBLEM_FORBIDDEN,
	    "Your account may not change network rules any more."));
}

/* The change is made, whether this worker can read it back now or not. One in
 * a transaction is not there yet: it is followed like any other. */
static co_fn void
take_up(struct ctx *cx)
{
	struct env env;

	if (cx->env.tx != NULL)
		return;
	env_init(&env, cx->env.deadline);
	if (rules_sync(&env) != RES_OK)
		log_event(LOG_LEVEL_WARN, "network.rules",
		    "a change of the network rules is not read back yet: %s",
		    env.err.private);
	env_done(&env);
}

/* ---- the three changes ----------------------------------------------------
 */

/* Those that name no place go to the end, in the order of the request. */
static void
place(struct network_doc *docs, unsigned n, const bool *placed)
{
	const struct ruleset *set = rules_now();
	int32_t last = set->n > 0 ? set->rules[set->n - 1].position : 0;

	for (unsigned i = 0; i < n; i++)
		if (placed[i] && docs[i].rule.position > last)
			last = docs[i].rule.position;
	for (unsigned i = 0; i < n; i++) {
		uuid_v7(&docs[i].rule.id);
		if (placed[i])
			continue;
		last += last <= INT32_MAX - POSITION_GAP ? POSITION_GAP : 0;
		docs[i].rule.position = last;
	}
}

static co_fn enum res
add_once(struct ctx *cx, struct network_doc *docs, unsigned n,
    const bool *placed, bool force, int32_t *revision)
{
	struct network_rule *rules;
	struct audit_event event;

	if (begin(cx, revision) != RES_OK)
		return (RES_ERR);
	place(docs, n, placed);
	rules = arena_alloc(cx->env.arena, n * sizeof(*rules));
	for (unsigned i = 0; i < n; i++)
		rules[i] = docs[i].rule;
	if (check_self(cx, force, NULL, rules, n) != RES_OK)
		return (RES_ERR);
	audit_event(cx, &event, AUDIT_ALLOWED);
	if (n == 1)
		audit_object(&event, "network_rule", &docs[0].rule.id);
	event.detail = detail_added(cx, *revision + 1, force, docs, n);

	return (network_db_add(cx, &event, (*revision)++, docs, n));
}

co_fn enum res
network_rules_add(struct ctx *cx, struct network_doc *docs, unsigned n,
    bool force, int32_t *revision)
{
	bool *placed = arena_alloc(cx->env.arena, n * sizeof(*placed));
	unsigned tries = 0;
	enum res rc;

	for (unsigned i = 0; i < n; i++)
		placed[i] = docs[i].rule.position != 0;
	do {
		rc = add_once(cx, docs, n, placed, force, revision);
	} while (again(cx, rc, ++tries));
	if (rc != RES_OK)
		return (failed(cx));
	take_up(cx);

	return (RES_OK);
}

co_fn enum res
network_rules_get(struct ctx *cx, const struct uuid *id,
    struct network_doc *doc, int32_t *revision)
{
	struct db_rows *rows;

	if (network_db_get(cx, id, &rows) != RES_OK)
		return (RES_ERR);
	if (db_count(rows) == 0 || !network_db_map(rows, 0, doc))
		return (err_fail(
		    &cx->env.err, PROBLEM_NOT_FOUND, "There is no such rule."));
	*revision = network_db_map_revision(rows, 0);

	return (RES_OK);
}

/* The rule at the revision that the change is judged on; a later one makes
 * the change fail, and it is tried again. */
static co_fn enum res
begin_with(struct ctx *cx, const struct uuid *id, struct network_doc *doc,
    int32_t *revision)
{
	int32_t seen;

	if (begin(cx, revision) != RES_OK)
		return (RES_ERR);
	if (network_rules_get(cx, id, doc, &seen) == RES_OK)
		return (RES_OK);
	if (cx->env.err.problem != PROBLEM_NOT_FOUND)
		return (RES_ERR);

	return (refused(cx, PROBLEM_NOT_FOUND, "There is no such rule."));
}

enum res
network_expiry(const struct ctx *cx, const struct jval *v, int64_t *us)
{
	*us = 0;
	if (v == NULL || v->type == J_NULL)
		return (RES_OK);
	/* The schema has checked its form. */
	if (time_parse(v->s, us) != RES_OK || *us <= cx->now_us)
		return (RES_ERR);

	return (RES_OK);
}

static enum res
merge(struct ctx *cx, const struct jval *patch, struct network_doc *doc)
{
	const struct jval *v;

	if ((v = json_get(patch, "position")) != NULL)
		doc->rule.position = (int32_t)v->i;
	if ((v = json_get(patch, "note")) != NULL)
		doc->note = v->type == J_NULL ? NULL : v->s;
	if ((v = json_get(patch, "expires_at")) == NULL ||
	    network_expiry(cx, v, &doc->rule.expires_us) == RES_OK)
		return (RES_OK);
	err_field(&cx->env.err, cx->env.arena, "/expires_at", "min",
	    "must lie in the future");

	return (err_fail(&cx->env.err, PROBLEM_VALIDATION,
	    "A rule cannot expire before it is made."));
}

static co_fn enum res
change_once(struct ctx *cx, const struct uuid *id, const struct jval *patch,
    bool force, struct network_doc *doc, int32_t *revision)
{
	struct audit_event event;
	struct network_doc before;

	if (begin_with(cx, id, &before, revision) != RES_OK)
		return (RES_ERR);
	*doc = before;
	if (merge(cx, patch, doc) != RES_OK ||
	    check_self(cx, force, id, &doc->rule, 1) != RES_OK)
		return (RES_ERR);
	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, "network_rule", id);
	event.detail = detail_changed(cx, *revision + 1, force, &before, doc);

	return (network_db_change(cx, &event, (*revision)++, doc));
}

co_fn enum res
network_rules_change(struct ctx *cx, const struct uuid *id,
    const struct jval *patch, bool force, struct network_doc *doc,
    int32_t *revision)
{
	unsigned tries = 0;
	enum res rc;

	do {
		rc = change_once(cx, id, patch, force, doc, revision);
	} while (again(cx, rc, ++tries));
	if (rc != RES_OK)
		return (failed(cx));
	take_up(cx);

	return (RES_OK);
}

static co_fn enum res
remove_once(
    struct ctx *cx, const struct uuid *id, bool force, int32_t *revision)
{
	struct audit_event event;
	struct network_doc before;

	if (begin_with(cx, id, &before, revision) != RES_OK ||
	    check_self(cx, force, id, NULL, 0) != RES_OK)
		return (RES_ERR);
	audit_event(cx, &event, AUDIT_ALLOWED);
	audit_object(&event, "network_rule", id);
	event.detail = detail_changed(cx, *revision + 1, force, &before, NULL);

	return (network_db_remove(cx, &event, (*revision)++, id));
}

co_fn enum res
network_rules_remove(
    struct ctx *cx, const struct uuid *id, bool force, int32_t *revision)
{
	unsigned tries = 0;
	enum res rc;

	do {
		rc = remove_once(cx, id, force, revision);
	} while (again(cx, rc, ++tries));
	if (rc != RES_OK)
		return (failed(cx));
	take_up(cx);

	return (RES_OK);
}
