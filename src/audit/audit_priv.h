/*
 * Shared by the files of audit/ only.
 */
#ifndef AUDIT_PRIV_H
#define AUDIT_PRIV_H

#include "audit/audit.h"

#define AUDIT_BATCH_MAX 256

/* A row on its way: a deep copy, for its request may end before it does. */
struct audit_ticket {
	TAILQ_ENTRY(audit_ticket) entry;
	struct audit_event ev;
	char *detail;
	char client_ip[46], action[65], object_type[33];
	struct wait *wait;
	bool queued, held, done, durable;
};
TAILQ_HEAD(audit_tickets, audit_ticket);

/* audit_event.c */
const char *audit_outcome_name(const struct audit_event *);
enum audit_outcome audit_outcome_parse(const char *);

/* audit_db.c: one INSERT for up to AUDIT_BATCH_MAX rows. */
co_fn enum res
audit_db_insert(struct env *, struct audit_ticket *const *, unsigned n);

/* audit_list_db.c */
struct audit_filter { /* NULL: any */
	const struct uuid *patient_id, *object_id, *actor_id, *request_id,
	    *key_id;
	const char *action;
};
/* One row more than the page's limit, if there is one. */
co_fn enum res audit_list_db_page(struct ctx *, const struct page *,
    const struct audit_filter *, struct db_rows **);
co_fn enum res
audit_list_db_one(struct ctx *, const struct uuid *, struct db_op **);
/* Texts point into the rows. */
void audit_list_db_map(const struct db_rows *, int row, struct audit_event *);

#endif
