/*
 * Shared by the files of records/ only: the two structs, how they are sealed,
 * and the audited ways to the database.
 */
#ifndef RECORDS_PRIV_H
#define RECORDS_PRIV_H

#include "audit/audit.h"
#include "auth/auth.h"
#include "crypto/crypto.h"
#include "records/records.h"

#define PATIENTS_PAGE		20
#define PATIENTS_PAGE_MAX	100
#define OBSERVATIONS_PAGE	50
#define OBSERVATIONS_PAGE_MAX	200

/* ---- patients ----------------------------------------------------------- */

/* The sealed column a field lives in. */
enum patient_part {
	PART_UNSET = 0,
	PART_IDENTITY,
	PART_CLINICAL
};
enum patient_field {
	PATIENT_UNSET = 0,
#define PATIENT_FIELD(id, name, type, flags, min, max, choices, part, text)    \
	PATIENT_##id,
#include "records/tbl/patient_fields.def"
#undef PATIENT_FIELD
	PATIENT_FIELD_MAX
};
struct patient {
	struct uuid	 id;
	int32_t		 version;
	int64_t		 created_us, updated_us;
	const char	*value[PATIENT_FIELD_MAX];	/* NULL: none */
};

struct sealed {
	const uint8_t	*data;
	size_t		 len;
};
/* A row of eleusis.patient: all but id, version and times is sealed. */
struct patient_row {
	struct uuid		 id;
	int32_t			 version;
	struct sealed		 identity, clinical;
	struct wrapped_key	 key;
	int64_t			 created_us, updated_us;
};

/* patient_fields.c: pure. */
/* Takes the fields from a body that fits schema_patient_new or _patch. */
void	 patient_from_body(struct patient *, const struct jval *);
/* RFC 7396: members of the body replace, null removes. True: changed. */
bool	 patient_merge(struct patient *, const struct jval *body);
/* What the schema cannot say; gathers every mistake. VALIDATION. */
enum res patient_check(const struct patient *, int64_t now_us, struct arena *,
	    struct err *);
/* Members of one part, or of all (PART_UNSET), into an open object. */
void	 patient_write_fields(struct json_out *, const struct patient *,
	    enum patient_part);
/* The reverse, from a sealed part's JSON; RES_ERR when it is not ours. */
enum res patient_read_fields(struct patient *, const struct jval *,
	    enum patient_part);

/* patient_seal.c: pure. */
/* Seals both parts for p->id and p->version. */
void	 patient_seal(struct arena *, const struct data_key *,
	    const struct patient *, struct sealed *identity,
	    struct sealed *clinical);
enum res patient_open(struct arena *, const struct data_key *,
	    const struct patient_row *, struct patient *);
/* NULL when there is no record number. */
const uint8_t *patient_mrn_index(struct arena *, const char *mrn);

/* birth.c: opened patients' birth dates, beside their cached keys. */
void	 birth_note(const struct patient *);
/* Was that instant on or after the birth date, anywhere on Earth? */
bool	 birth_before(const struct patient *, int64_t at_us);
/* False also when nothing is noted. */
bool	 birth_noted_before(const struct uuid *patient, int64_t at_us);

/* patients.c: each with its audit row. */
co_fn enum res patient_create(struct ctx *, struct patient *);
co_fn enum res patient_read(struct ctx *, const struct uuid *,
	    struct patient *);
/* One row more than the page's limit, if there is one: *n counts it too. */
co_fn enum res patient_list(struct ctx *, const struct page *,
	    const char *mrn, struct patient **, int *n);
/* Merges the patch; condition: the If-Match header or NULL. */
co_fn enum res patient_update(struct ctx *, const struct uuid *,
	    const struct jval *patch, const char *condition, struct patient *);

/* patients_db.c */
extern struct db_stmt *const patient_get_stmt, *const patient_key_stmt;
void	 patient_args(struct ctx *, struct db_args *, const struct uuid *);
void	 patient_row_map(const struct db_rows *, int, struct patient_row *);
void	 patient_key_map(const struct db_rows *, int, struct wrapped_key *);
co_fn enum res patient_db_create(struct ctx *, const struct audit_event *,
	    struct patient *, const struct sealed *identity,
	    const struct sealed *clinical, const struct wrapped_key *);
co_fn enum res patient_db_update(struct ctx *, const struct audit_event *,
	    struct patient *, const struct sealed *identity,
	    const struct sealed *clinical);
co_fn enum res patient_db_list(struct ctx *, const struct page *,
	    const uint8_t *mrn_index, struct db_rows **);

/* ---- observations ------------------------------------------------------- */

struct observation {
	struct uuid	 id, patient;
	const char	*code, *unit;
	double		 value;
	int64_t		 effective_us, created_us;
	const char	*note;		/* NULL: none */
};
struct observation_row {
	struct uuid	 id;
	struct sealed	 payload;
	int64_t		 created_us;
};
struct observation_type {
	const char	*code, *unit;
	double		 min, max;
	int		 decimals;	/* 0: whole numbers only */
};

/* observation_fields.c: pure. */
const struct observation_type *observation_type(const char *code);
/* Takes a body that fits schema_observation_new; gathers every mistake of
 * what the schema cannot say. VALIDATION. */
enum res observation_from_body(struct observation *, const struct jval *,
	    int64_t now_us, struct arena *, struct err *);
void	 observation_write_fields(struct json_out *,
	    const struct observation *);

/* observation_seal.c: pure. */
#define CODE_INDEX_BYTES 16
/* Keyed by the patient's own key: codes of two patients do not compare. */
void	 observation_code_index(struct arena *, const struct data_key *,
	    const char *code, uint8_t out[CODE_INDEX_BYTES]);
void	 observation_seal(struct arena *, const struct data_key *,
	    const struct observation *, struct sealed *);
/* Needs o->patient only. */
enum res observation_open(struct arena *, const struct data_key *,
	    const struct observation_row *, struct observation *);

/* observations.c: each with its audit row. */
co_fn enum res observation_create(struct ctx *, struct observation *);
co_fn enum res observation_read(struct ctx *, const struct uuid *patient,
	    const struct uuid *id, struct observation *);
/* As patient_list(). */
co_fn enum res observation_list(struct ctx *, const struct uuid *patient,
	    const struct page *, struct observation **, int *n);

/* observations_db.c */
extern struct db_stmt *const observation_list_stmt,
    *const observation_get_stmt;
void	 observation_row_map(const struct db_rows *, int,
	    struct observation_row *);
void	 observation_list_args(struct ctx *, struct db_args *,
	    const struct uuid *patient, const struct page *);
void	 observation_get_args(struct ctx *, struct db_args *,
	    const struct uuid *patient, const struct uuid *id);
co_fn enum res observation_db_create(struct ctx *, const struct audit_event *,
	    struct observation *, const uint8_t code_index[CODE_INDEX_BYTES],
	    const struct sealed *);

/* ---- access.c: what every access to a record shares --------------------- */

struct access_query {
	struct db_stmt	*stmt;		/* DB_READ */
	struct db_args	 args;
	struct db_rows	*rows;		/* out */
	struct db_op	*op;
};
/* Actor and role: the first two parameters of every function. */
void	 access_args(struct ctx *, struct db_args *);
/* The audit row's parameters, then the actor's: those of every write. */
void	 access_write_args(struct ctx *, struct db_args *,
	    const struct audit_event *);
/* Refused, after the row that says so: FORBIDDEN (denied) and CONFLICT
 * (failed), with these words. */
co_fn enum res access_forbidden(struct ctx *, const char *type,
	    const struct uuid *id, const char *why);
co_fn enum res access_conflict(struct ctx *, const char *type,
	    const struct uuid *id, const char *why);
/*
 * The event's row and n SELECTs in flight together, one waiting time. When
 * a SELECT fails a "failed" row is made durable too.
 */
co_fn enum res access_read(struct ctx *, const struct audit_event *,
	    struct access_query *, unsigned n);

/* ---- care, emergencies, accesses: care*.c, break_glass*.c, accesses*.c -- */

#define CARE_PAGE		50
#define CARE_PAGE_MAX		200
#define BREAK_GLASS_PAGE	50
#define BREAK_GLASS_PAGE_MAX	200
#define ACCESSES_PAGE		50
#define ACCESSES_PAGE_MAX	200

/* nullable.c: absent is 0, nil or NULL in a struct, null elsewhere. */
int64_t	 row_time(const struct db_rows *, int row, int col);
void	 row_uuid(const struct db_rows *, int row, int col, struct uuid *);
const char *row_text(const struct db_rows *, int row, int col);
void	 write_ktime(struct json_out *, const char *key, int64_t us);
void	 write_kuuid(struct json_out *, const char *key, const struct uuid *);

/* One interval of eleusis.care_history. */
struct care {
	struct uuid	 id, user;
	const char	*name, *role, *kind, *reason;
	struct uuid	 granted_by, grant, ended_by;	/* nil: none */
	int64_t		 since_us, until_us, ended_us;	/* 0: none */
	bool		 in_force;
};
struct care_new {
	struct uuid	 user;
	const char	*reason;
	int64_t		 until_us;	/* 0: no end */
};

/* care.c: each with its audit row. */
/* One row more than the page's limit, if there is one: *n counts it too. */
co_fn enum res care_read(struct ctx *, const struct uuid *patient,
	    bool history, const struct page *, struct care **, int *n);
co_fn enum res care_grant(struct ctx *, const struct uuid *patient,
	    const struct care_new *, struct care *);
co_fn enum res care_end(struct ctx *, const struct uuid *patient,
	    const struct uuid *user);

/* care_db.c */
extern struct db_stmt *const care_visible_stmt, *const care_list_stmt;
void	 care_row_map(const struct db_rows *, int, struct care *);
void	 care_list_args(struct ctx *, struct db_args *,
	    const struct uuid *patient, bool history, const struct page *);
co_fn enum res care_db_grant(struct ctx *, const struct audit_event *,
	    const struct uuid *patient, const struct care_new *,
	    struct care *);
co_fn enum res care_db_end(struct ctx *, const struct audit_event *,
	    const struct uuid *patient, const struct uuid *user);

/* What stands in the way of breaking the glass. */
enum glass_state {
	GLASS_UNSET = 0,
	GLASS_CLOSED,		/* nothing: it may be opened */
	GLASS_IN_CARE,
	GLASS_UNKNOWN,		/* no such patient */
	GLASS_TOO_MANY,
	GLASS_FORBIDDEN
};
struct glass_target {
	enum glass_state	 state;
	struct uuid		 patient;	/* nil: unknown */
	struct wrapped_key	 key;
	int64_t			 retry_us;	/* GLASS_TOO_MANY */
};
struct glass {
	struct uuid		 id, patient, user;
	const char		*user_name, *state, *verdict;
	int64_t			 opened_us, until_us, ended_us, reviewed_us;
	struct uuid		 ended_by, reviewed_by;
	const char		*reason, *note;	/* of one that is read */
};
struct glass_row {
	struct glass		 glass;
	struct sealed		 reason, note;
	struct wrapped_key	 key;
};

/* break_glass.c: each with its audit row. */
/* By id, or by record number where patient is NULL. */
co_fn enum res break_glass_open(struct ctx *, const struct uuid *patient,
	    const char *mrn, const char *reason, struct glass *);
co_fn enum res break_glass_end(struct ctx *, const struct uuid *);
/* break_glass_review.c: likewise. As care_read(); state NULL: any. */
co_fn enum res break_glass_list(struct ctx *, const char *state,
	    const struct page *, struct glass **, int *n);
co_fn enum res break_glass_read(struct ctx *, const struct uuid *,
	    struct glass *);
co_fn enum res break_glass_review(struct ctx *, const struct uuid *,
	    const char *verdict, const char *note, struct glass *);

/* break_glass_seal.c: pure. */
void	 break_glass_seal(struct arena *, const struct data_key *,
	    const struct uuid *id, const char *column, const char *text,
	    struct sealed *);
/* *out NULL when there is nothing in it. */
enum res break_glass_unseal(struct arena *, const struct data_key *,
	    const struct uuid *id, const char *column, const struct sealed *,
	    const char **out);

/* break_glass_db.c */
co_fn enum res break_glass_db_target(struct ctx *, const struct uuid *patient,
	    const uint8_t *mrn_index, struct glass_target *);
co_fn enum res break_glass_db_open(struct ctx *, const struct audit_event *,
	    const struct sealed *reason, struct glass *);
/* In a transaction: ends it, then notes whose record it was. */
co_fn enum res break_glass_db_end(struct ctx *, const struct uuid *,
	    struct uuid *patient);
co_fn enum res break_glass_db_note_end(struct ctx *,
	    const struct audit_event *);
enum res break_glass_db_list_start(struct ctx *, const char *state,
	    const struct page *, struct db_op **);
void	 break_glass_map(const struct db_rows *, int, struct glass *);
/* found false: no such row, or not for this actor. */
co_fn enum res break_glass_db_read(struct ctx *, const struct uuid *,
	    struct glass_row *, bool *found);
co_fn enum res break_glass_db_review(struct ctx *, const struct audit_event *,
	    const struct uuid *, const char *verdict, const struct sealed *,
	    int64_t *reviewed_us);
co_fn enum res break_glass_db_count(struct env *, int64_t *unreviewed);

/* One line of who looked at a record. */
struct record_access {
	struct uuid	 id, actor, grant, session, key;	/* nil: none */
	int64_t		 at_us, basis_since_us;
	const char	*action, *outcome, *actor_kind, *actor_name,
	    *actor_role, *basis, *basis_reason, *key_prefix, *network;
};
struct accesses_want {
	int64_t	 since_us, until_us;	/* 0: any */
};

/* accesses_db.c */
extern struct db_stmt *const accesses_visible_stmt, *const accesses_list_stmt;
void	 accesses_args(struct ctx *, struct db_args *,
	    const struct uuid *patient, const struct page *,
	    const struct accesses_want *);
void	 accesses_map(const struct db_rows *, int, struct record_access *);

#endif
