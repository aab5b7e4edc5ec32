/*
 * The SQL of the network rules. Changes carry their audit row in the same
 * statement, and hold for one revision of the list only.
 */
#include <assert.h>
#include <string.h>

#include "guard/guard_priv.h"

DB_STATEMENT(network_revision, DB_READ, "SELECT eleusis.network_revision()")
DB_STATEMENT(network_changes, DB_READ,
    "SELECT revision, id, position, allow, network, expires_at, removed"
    " FROM eleusis.network_changes($1, $2, $3, $4)")
#define DOC_COLUMNS                                                 \
	"revision, id, position, allow, network, expires_at, note," \
	" created_by, created_at, updated_at"
DB_STATEMENT(network_page, DB_READ,
    "SELECT " DOC_COLUMNS " FROM eleusis.network_list($1, $2, $3)")
DB_STATEMENT(
    network_one, DB_READ, "SELECT " DOC_COLUMNS " FROM eleusis.network_get($1)")
DB_STATEMENT(network_insert, DB_WRITE,
    AUDIT_WITH "SELECT n.created_at FROM eleusis.network_add($12, $13, $14,"
	       " $15, $16, $17, $18, $19) AS n")
DB_STATEMENT(network_update_one, DB_WRITE,
    AUDIT_WITH "SELECT n.updated_at FROM eleusis.network_change($12, $13,"
	       " $14, $15, $16, $17) AS n")
DB_STATEMENT(network_remove_one, DB_WRITE,
    AUDIT_WITH "SELECT eleusis.network_remove($12, $13, $14)")

co_fn enum res
network_db_revision(struct env *env, int32_t *revision)
{
	struct db_rows *rows;

	if (db_exec(env, &network_revision, NULL, &rows) != RES_OK)
		return (RES_ERR);
	*revision = db_col_int4(rows, 0, 0);

	return (RES_OK);
}

co_fn enum res
network_db_changes(
    struct env *env, const struct network_feed *feed, struct db_rows **rows)
{
	struct db_args a;

	db_args(&a, env);
	db_int4(&a, feed->revision);
	db_uuid(&a, &feed->id);
	db_int4(&a, feed->known);
	db_int4(&a, NETWORK_FEED_ROWS);

	return (db_exec(env, &network_changes, &a, rows));
}

/* Columns 1 to 5 are those of a rule. */
static void
map_rule(const struct db_rows *rows, int row, struct network_rule *r)
{
	enum res rc;

	memset(r, 0, sizeof(*r));
	db_col_uuid(rows, row, 1, &r->id);
	r->position = db_col_int4(rows, row, 2);
	r->allow = db_col_bool(rows, row, 3);
	rc = netblock_parse(db_col_text(rows, row, 4), &r->network);
	assert(rc == RES_OK); /* PostgreSQL's cidr has no other form */
	if (!db_is_null(rows, row, 5))
		r->expires_us = db_col_time(rows, row, 5);
}

void
network_db_map_change(const struct db_rows *rows, int row,
    struct network_rule *r, int32_t *revision)
{
	*revision = db_col_int4(rows, row, 0);
	map_rule(rows, row, r);
	r->removed |= db_col_bool(rows, row, 6);
}

co_fn enum res
network_db_list(struct ctx *cx, const struct page *page, bool expired,
    struct db_rows **rows)
{
	struct db_args a;

	db_args(&a, &cx->env);
	db_uuid(&a, page->has_after ? &page->after : NULL);
	db_int4(&a, page->limit + 1);
	db_bool(&a, expired);

	return (db_exec(&cx->env, &network_page, &a, rows));
}

co_fn enum res
network_db_get(struct ctx *cx, const struct uuid *id, struct db_rows **rows)
{
	struct db_args a;

	db_args(&a, &cx->env);
	db_uuid(&a, id);

	return (db_exec(&cx->env, &network_one, &a, rows));
}

int32_t
network_db_map_revision(const struct db_rows *rows, int row)
{
	return (db_col_int4(rows, row, 0));
}

bool
network_db_map(const struct db_rows *rows, int row, struct network_doc *doc)
{
	if (db_is_null(rows, row, 1))
		return (false);
	map_rule(rows, row, &doc->rule);
	doc->note = db_is_null(rows, row, 6) ? NULL : db_col_text(rows, row, 6);
	db_col_uuid(rows, row, 7, &doc->created_by);
	doc->created_us = db_col_time(rows, row, 8);
	doc->updated_us = db_col_time(rows, row, 9);

	return (true);
}

/* The audit row's parameters, the actor and the revision: of every change. */
static void
change_args(struct ctx *cx, struct db_args *a, const struct audit_event *event,
    int32_t revision)
{
	db_args(a, &cx->env);
	audit_bind(a, event);
	db_uuid(a, &cx->actor_id);
	db_int4(a, revision);
}

static void
add_text(struct db_array *arr, const char *s)
{
	db_array_add(arr, s, s != NULL ? strlen(s) : 0);
}

static void
bind_docs(struct ctx *cx, struct db_args *a, const struct network_doc *docs,
    unsigned n)
{
	static const enum db_oid types[] = { DB_OID_UUID, DB_OID_INT4,
		DB_OID_TEXT, DB_OID_TEXT, DB_OID_TEXT, DB_OID_TIMESTAMPTZ };
	struct db_array col[NELEM(types)];
	char network[NETBLOCK_STRLEN + 1];

	for (unsigned i = 0; i < NELEM(types); i++)
		db_array(&col[i], cx->env.arena, types[i]);
	for (unsigned i = 0; i < n; i++) {
		const struct network_rule *r = &docs[i].rule;

		netblock_format(&r->network, network);
		db_array_add(&col[0], r->id.b, sizeof(r->id.b));
		db_array_add_int4(&col[1], r->position);
		add_text(&col[2], r->allow ? "allow" : "deny");
		add_text(&col[3], network);
		add_text(&col[4], docs[i].note);
		if (r->expires_us != 0)
			db_array_add_time(&col[5], r->expires_us);
		else
			db_array_add(&col[5], NULL, 0);
	}
	for (unsigned i = 0; i < NELEM(types); i++)
		db_array_bind(a, &col[i]);
}

co_fn enum res
network_db_add(struct ctx *cx, const struct audit_event *event,
    int32_t revision, struct network_doc *docs, unsigned n)
{
	struct db_args a;
	struct db_rows *rows;

	change_args(cx, &a, event, revision);
	bind_docs(cx, &a, docs, n);
	if (db_exec(&cx->env, &network_insert, &a, &rows) != RES_OK)
		return (RES_ERR);
	for (unsigned i = 0; i < n; i++) {
		docs[i].created_us = db_col_time(rows, 0, 0);
		docs[i].updated_us = docs[i].created_us;
		docs[i].created_by = cx->actor_id;
	}

	return (RES_OK);
}

co_fn enum res
network_db_change(struct ctx *cx, const struct audit_event *event,
    int32_t revision, struct network_doc *doc)
{
	struct db_args a;
	struct db_rows *rows;

	change_args(cx, &a, event, revision);
	db_uuid(&a, &doc->rule.id);
	db_int4(&a, doc->rule.position);
	db_text(&a, doc->note);
	if (doc->rule.expires_us != 0)
		db_time(&a, doc->rule.expires_us);
	else
		db_null(&a);
	if (db_exec(&cx->env, &network_update_one, &a, &rows) != RES_OK)
		return (RES_ERR);
	doc->updated_us = db_col_time(rows, 0, 0);

	return (RES_OK);
}

co_fn enum res
network_db_remove(struct ctx *cx, const struct audit_event *event,
    int32_t revision, const struct uuid *id)
{
	struct db_args a;
	struct db_rows *rows;

	change_args(cx, &a, event, revision);
	db_uuid(&a, id);

	return (db_exec(&cx->env, &network_remove_one, &a, &rows));
}
