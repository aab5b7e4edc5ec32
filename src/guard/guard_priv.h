/*
 * Shared by the files of guard/ only.
 */
#ifndef GUARD_PRIV_H
#define GUARD_PRIV_H

#include "audit/audit.h"
#include "guard/guard.h"

/* denial_table.c: pure. A row is one kind of refusal of one network. */
#define DENIAL_ROWS    1024
#define DENIAL_SLOTS   (2 * DENIAL_ROWS)
#define DENIAL_TAKE    (DENIAL_ROWS + DENIAL_MAX)
#define DENIAL_V4_BITS 24
#define DENIAL_V6_BITS 48
struct denial_row {
	struct uuid id; /* of its audit row; nil until taken */
	enum denial kind;
	bool others; /* of networks that found no room */
	struct netblock network;
	uint64_t count;
	int64_t from_us, to_us; /* the first one and the last */
};
struct denial_table {
	uint8_t key[16];
	unsigned n;
	uint16_t slot[DENIAL_SLOTS]; /* index of row + 1; 0: empty */
	struct denial_row row[DENIAL_ROWS];
	struct denial_row others[DENIAL_MAX];
};
void denial_table_init(struct denial_table *);
void denial_table_add(
    struct denial_table *, enum denial, const struct netaddr *, int64_t now_us);
unsigned denial_table_count(const struct denial_table *);
/* Moves every row out, each with an id; how many. The table is then empty. */
unsigned
denial_table_take(struct denial_table *, struct denial_row out[DENIAL_TAKE]);

/*
 * lockout_key.c: pure. Where in Redis an attempt is counted. An account is
 * counted by the single address or IPv6 network of a customer; the network as
 * a whole by what one customer of a hosting company gets many addresses from.
 */
#define LOCKOUT_V4_BITS      32
#define LOCKOUT_V6_BITS      64
#define LOCKOUT_NET_V4_BITS  24
#define LOCKOUT_NET_V6_BITS  48
struct lockout_keys {
	const char *own;     /* the account from here, or on this device */
	const char *network; /* every account from here */
	const char *account; /* the account from everywhere */
	const char *index;   /* the account's own keys, by their end */
	const char *here;    /* the account from here, in any case */
};
void lockout_keys(struct arena *, const struct lockout *,
    const struct netaddr *, struct lockout_keys *);
const char *lockout_factor_name(enum lockout_factor); /* "password" */

/* lockout_lua.c; lockout_event.c has lockout_failed() */
extern const char lockout_check_lua[], lockout_settle_lua[];

/* A network rule as the workers know it. */
struct network_rule {
	struct uuid id;
	struct netblock network;
	int32_t position;
	bool allow;
	bool removed;       /* in a change only, never in a list */
	int64_t expires_us; /* 0: never */
};

/*
 * lpm.c: pure. Which of many rules decides about an address: of those that
 * hold it, the first one in the list. lpm_new() leaves out those that have
 * expired; the list must be in order, and outlive the struct.
 */
#define LPM_NONE UINT32_MAX
struct lpm;
struct lpm *lpm_new(const struct network_rule *, uint32_t n, int64_t now_us);
void lpm_destroy(struct lpm **);
/* The index of the rule in the list, or LPM_NONE. */
uint32_t lpm_find(const struct lpm *, const struct netaddr *, int64_t now_us);
/* The same as if the rule of that index were not there; slower. */
uint32_t lpm_find_without(
    const struct lpm *, const struct netaddr *, int64_t now_us, uint32_t);

/*
 * ruleset.c: pure. The list as it was at one revision, in order, without what
 * had expired by then. ruleset_new() may run on another thread.
 */
struct ruleset {
	struct network_rule *rules;
	uint32_t n;
	struct lpm *lpm;
	int32_t revision;
	int64_t next_expiry_us; /* INT64_MAX: none */
};
/* old (NULL: an empty list) with rules added, changed and removed, the later
 * one of the same id counting. */
struct ruleset *
ruleset_new(const struct ruleset *old, const struct network_rule *changes,
    uint32_t nchanges, int32_t revision, int64_t now_us);
void ruleset_destroy(struct ruleset **);
/* Does a come before b? */
bool network_rule_precedes(
    const struct network_rule *a, const struct network_rule *b);
/* The rule that decides about an address; NULL: none. */
const struct network_rule *
ruleset_decide(const struct ruleset *, const struct netaddr *, int64_t now_us);
/* The same if the rule without (or NULL) were gone and added were there. */
const struct network_rule *ruleset_decide_with(const struct ruleset *,
    const struct netaddr *, int64_t now_us, const struct uuid *without,
    const struct network_rule *added, unsigned nadded);

/* iplist.c. NULL until the rules have been read; good until the next await. */
const struct ruleset *rules_now(void);
/* Makes rules_now() what PostgreSQL has. */
co_fn enum res rules_sync(struct env *);

/* network_db.c */
struct network_doc {
	struct network_rule rule;
	const char *note; /* NULL: none */
	struct uuid created_by;
	int64_t created_us, updated_us;
};
co_fn enum res network_db_revision(struct env *, int32_t *);
/* Where a reader of the changes stands. */
struct network_feed {
	int32_t revision, known;
	struct uuid id;
};
#define NETWORK_FEED_ROWS 1000
/* The next changes, up to NETWORK_FEED_ROWS. */
co_fn enum res network_db_changes(
    struct env *, const struct network_feed *, struct db_rows **);
void network_db_map_change(
    const struct db_rows *, int row, struct network_rule *, int32_t *revision);
/* Rows with the list's revision; the first may say nothing else. */
co_fn enum res network_db_list(
    struct ctx *, const struct page *, bool expired, struct db_rows **);
co_fn enum res
network_db_get(struct ctx *, const struct uuid *, struct db_rows **);
int32_t network_db_map_revision(const struct db_rows *, int row);
bool network_db_map(const struct db_rows *, int row, struct network_doc *);
/* Changes of the list at that revision, which they count up. */
co_fn enum res network_db_add(struct ctx *, const struct audit_event *,
    int32_t revision, struct network_doc *, unsigned n);
co_fn enum res network_db_change(struct ctx *, const struct audit_event *,
    int32_t revision, struct network_doc *);
co_fn enum res network_db_remove(struct ctx *, const struct audit_event *,
    int32_t revision, const struct uuid *);

/* network_rules.c: changes, each with its audit row; *revision: of the list
 * after it. force: even if it shuts out the client's own address. */
co_fn enum res network_rules_add(struct ctx *, struct network_doc *, unsigned n,
    bool force, int32_t *revision);
co_fn enum res network_rules_change(struct ctx *, const struct uuid *,
    const struct jval *patch, bool force, struct network_doc *,
    int32_t *revision);
co_fn enum res network_rules_remove(
    struct ctx *, const struct uuid *, bool force, int32_t *revision);
/* One rule; NOT_FOUND. */
co_fn enum res network_rules_get(
    struct ctx *, const struct uuid *, struct network_doc *, int32_t *revision);
/* An expiry of a body: null or none is 0. RES_ERR: it has passed. */
enum res network_expiry(const struct ctx *, const struct jval *, int64_t *us);
/* id, position, action, network, expires_at into an open object. */
void network_rule_write(struct json_out *, const struct network_rule *);

#endif
