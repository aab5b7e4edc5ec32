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
/*
 * The event's row and n SELECTs in flight together, one waiting time. When
 * a SELECT fails a "failed" row is made durable too.
 */
co_fn enum res access_read(struct ctx *, const struct audit_event *,
	    struct access_query *, unsigned n);

#endif
