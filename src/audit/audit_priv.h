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
	char client_ip[46];
	struct wait *wait;
	bool queued, held, done, durable;
};
TAILQ_HEAD(audit_tickets, audit_ticket);

const char *audit_outcome_name(const struct audit_event *);

/* audit_db.c: one INSERT for up to AUDIT_BATCH_MAX rows. */
co_fn enum res
audit_db_insert(struct env *, struct audit_ticket *const *, unsigned n);

#endif
