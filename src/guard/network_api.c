/*
 * /v1/network-rules: from request to struct and from struct to reply. The
 * list has one entity tag, its revision, whichever part of it a reply shows.
 */
#include <string.h>

#include "guard/guard_priv.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX     1000

static void
write_doc(struct json_out *o, const struct network_doc *doc)
{
	json_obj(o);
	network_rule_write(o, &doc->rule);
	json_kstr(o, "note", doc->note);
	json_kuuid(o, "created_by", &doc->created_by);
	json_ktime(o, "created_at", doc->created_us);
	json_ktime(o, "updated_at", doc->updated_us);
	json_obj_end(o);
}

static void
tag(struct ctx *cx, int32_t revision)
{
	reply_header(
	    cx, "ETag", arena_printf(cx->env.arena, "\"%d\"", revision));
}

static bool
asked_for(const struct jval *v, const char *name)
{
	const struct jval *flag = v != NULL ? json_get(v, name) : NULL;

	return (flag != NULL && flag->b);
}

co_fn enum res
network_list(struct ctx *cx)
{
	struct network_doc doc;
	struct db_rows *rows;
	struct json_out *o;
	struct page page;
	bool more;
	int n;

	if (page_read(cx, PAGE_DEFAULT, PAGE_MAX, &page) != RES_OK ||
	    network_db_list(
		cx, &page, asked_for(cx->query, "expired"), &rows) != RES_OK)
		return (RES_ERR);
	more = db_count(rows) > page.limit;
	n = more ? page.limit : db_count(rows);
	o = json_out_new(cx->env.arena);
	json_obj(o);
	json_kint(o, "revision", network_db_map_revision(rows, 0));
	json_key(o, "items");
	json_arr(o);
	for (int i = 0; i < n; i++)
		if (network_db_map(rows, i, &doc))
			write_doc(o, &doc);
	json_arr_end(o);
	page_write(cx, o, more, more ? &doc.rule.id : NULL);
	json_obj_end(o);
	tag(cx, network_db_map_revision(rows, 0));
	reply_json(cx, 200, o);

	return (RES_OK);
}

static enum res
reply_one(struct ctx *cx, const struct network_doc *doc, int32_t revision)
{
	struct json_out *o = json_out_new(cx->env.arena);

	write_doc(o, doc);
	tag(cx, revision);
	reply_json(cx, 200, o);

	return (RES_OK);
}

co_fn enum res
network_get(struct ctx *cx)
{
	struct network_doc doc;
	int32_t revision;

	if (network_rules_get(cx, ctx_param(cx, "rule_id"), &doc, &revision) !=
	    RES_OK)
		return (RES_ERR);

	return (reply_one(cx, &doc, revision));
}

/* ---- adding ----------------------------------------------------------------
 */

/* What the schema cannot say; the number of the rule is for the pointer. */
static void
read_rule(
    struct ctx *cx, const struct jval *v, unsigned i, struct network_doc *doc)
{
	const struct jval *position = json_get(v, "position");
	struct arena *arena = cx->env.arena;

	memset(doc, 0, sizeof(*doc));
	doc->rule.allow = strcmp(json_get_str(v, "action"), "allow") == 0;
	doc->rule.position = position != NULL ? (int32_t)position->i : 0;
	doc->note = json_get_str(v, "note");
	if (netblock_parse(json_get_str(v, "network"), &doc->rule.network) !=
	    RES_OK)
		err_field(&cx->env.err, arena,
		    arena_printf(arena, "/rules/%u/network", i), "format",
		    "must be a network such as 192.0.2.0/24 or an address, "
		    "without bits past the prefix");
	if (network_expiry(
		cx, json_get(v, "expires_at"), &doc->rule.expires_us) != RES_OK)
		err_field(&cx->env.err, arena,
		    arena_printf(arena, "/rules/%u/expires_at", i), "min",
		    "must lie in the future");
}

/* Of the one rule, or of the list. */
static const char *
location(struct ctx *cx, const struct network_doc *docs, unsigned n)
{
	char id[UUID_STRLEN + 1];

	if (n > 1)
		return ("/v1/network-rules");
	uuid_format(&docs[0].rule.id, id);

	return (arena_printf(cx->env.arena, "/v1/network-rules/%s", id));
}

co_fn enum res
network_create(struct ctx *cx)
{
	const struct jval *rules = json_get(cx->body, "rules"), *v;
	struct network_doc *docs;
	struct json_out *o;
	int32_t revision;
	unsigned n = 0;

	docs = arena_alloc(cx->env.arena, rules->n * sizeof(*docs));
	JSON_FOREACH (v, rules) {
		read_rule(cx, v, n, &docs[n]);
		n++;
	}
	if (cx->env.err.nfields > 0)
		return (err_fail(&cx->env.err, PROBLEM_VALIDATION,
		    "Some rules are not valid; none was added."));
	if (network_rules_add(
		cx, docs, n, asked_for(cx->body, "force"), &revision) != RES_OK)
		return (RES_ERR);
	o = json_out_new(cx->env.arena);
	json_obj(o);
	json_kint(o, "revision", revision);
	json_key(o, "items");
	json_arr(o);
	for (unsigned i = 0; i < n; i++)
		write_doc(o, &docs[i]);
	json_arr_end(o);
	json_obj_end(o);
	tag(cx, revision);
	reply_header(cx, "Location", location(cx, docs, n));
	reply_json(cx, 201, o);

	return (RES_OK);
}

/* ---- changing and removing ------------------------------------------------
 */

co_fn enum res
network_update(struct ctx *cx)
{
	struct network_doc doc;
	int32_t revision;

	if (network_rules_change(cx, ctx_param(cx, "rule_id"), cx->body,
		asked_for(cx->body, "force"), &doc, &revision) != RES_OK)
		return (RES_ERR);

	return (reply_one(cx, &doc, revision));
}

co_fn enum res
network_delete(struct ctx *cx)
{
	int32_t revision;

	if (network_rules_remove(cx, ctx_param(cx, "rule_id"),
		asked_for(cx->query, "force"), &revision) != RES_OK)
		return (RES_ERR);
	tag(cx, revision);
	reply_empty(cx, 204);

	return (RES_OK);
}

/* ---- asking ---------------------------------------------------------------
 */

/* From this worker's memory: what it would say to that address now. */
co_fn enum res
network_check(struct ctx *cx)
{
	const struct network_rule *rule;
	char text[NETADDR_STRLEN + 1];
	struct netaddr who;
	struct json_out *o;

	if (netaddr_parse(json_get_str(cx->body, "address"), &who) != RES_OK) {
		err_field(&cx->env.err, cx->env.arena, "/address", "format",
		    "must be an IPv4 or IPv6 address");
		return (err_fail(&cx->env.err, PROBLEM_VALIDATION,
		    "There is no such address."));
	}
	rule = ruleset_decide(rules_now(), &who, cx->now_us);
	netaddr_format(&who, text);
	o = json_out_new(cx->env.arena);
	json_obj(o);
	json_kstr(o, "address", text);
	json_kbool(o, "allowed", rule == NULL || rule->allow);
	json_key(o, "rule");
	if (rule != NULL) {
		json_obj(o);
		network_rule_write(o, rule);
		json_obj_end(o);
	} else {
		json_null(o);
	}
	json_kint(o, "revision", rules_now()->revision);
	json_obj_end(o);
	reply_json(cx, 200, o);

	return (RES_OK);
}
