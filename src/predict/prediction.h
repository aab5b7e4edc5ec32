/*
 * Shared by the prediction*.c and predict_*.c files only.
 */
#ifndef PREDICTION_H
#define PREDICTION_H

#include "audit/audit.h"
#include "auth/auth.h"
#include "crypto/crypto.h"
#include "predict/predict.h"
#include "predict/predict_api.h"

/* What computed it: reproducing a prediction needs the same. */
#define PREDICTION_ENGINE	"eleusis-forest/1"
#define CODE_INDEX		16	/* as records/ computes it */
#define OBSERVATIONS_PER_CODE	100	/* the last entered, for the latest */

/* ---- prediction_inputs.c: pure ------------------------------------------ */

enum input_origin {
	INPUT_UNSET = 0,	/* not looked for yet */
	INPUT_REQUEST,
	INPUT_PATIENT,
	INPUT_OBSERVATION,
	INPUT_MISSING
};
struct input {
	enum input_origin	 from;
	double			 value;		/* NAN: missing */
};
struct inputs {
	const struct model	*model;
	struct input		*v;		/* one a feature, model order */
};
void	 inputs_init(struct inputs *, const struct model *, struct arena *);
/* The request's "inputs" (NULL: none); mistakes become fields. */
void	 inputs_from_request(struct inputs *, const struct jval *,
	    struct arena *, struct err *);
/* Is a feature of this source still unset? */
bool	 inputs_want(const struct inputs *, enum feature_source);
/* Sets one from the record; a value that the model cannot take is a mistake
 * that says so. */
void	 input_from_record(struct inputs *, unsigned feature, double,
	    enum input_origin, struct arena *, struct err *);
/* What is still unset is missing. VALIDATION when there were mistakes,
 * MISSING_FEATURES when a feature lacks that the model needs. */
enum res inputs_finish(struct inputs *, struct arena *, struct err *);
void	 inputs_write(struct json_out *, const struct inputs *);
void	 inputs_write_sources(struct json_out *, const struct inputs *);

/* ---- prediction_seal.c: pure -------------------------------------------- */

struct prediction {
	struct uuid	 id, patient, audit_event;
	const char	*model_name, *model_version;
	const char	*model_digest, *schema_digest;	/* "sha256:..." */
	const char	*engine;
	int64_t		 created_us;
	/* sealed */
	double		 probability, margin;
	const struct jval *inputs, *sources;
};
struct ciphertext {
	const uint8_t	*data;
	size_t		 len;
};
/* Also sets p->inputs and p->sources, and the keyed digest of the inputs. */
enum res prediction_seal(struct arena *, const struct data_key *,
	    struct prediction *, const struct inputs *, struct ciphertext *,
	    uint8_t inputs_digest[DIGEST_BYTES]);
enum res prediction_open(struct arena *, const struct data_key *,
	    const struct ciphertext *, struct prediction *);
/* What of a patient's record a model may want; NULL: not there. */
enum res record_open_patient(struct arena *, const struct data_key *,
	    const struct uuid *id, int32_t version,
	    const struct ciphertext *identity,
	    const struct ciphertext *clinical, const char **birth_date,
	    const char **sex);
enum res record_open_observation(struct arena *, const struct data_key *,
	    const struct uuid *id, const struct ciphertext *, double *value,
	    int64_t *effective_us);
void	 record_code_index(struct arena *, const struct data_key *,
	    const char *code, uint8_t out[CODE_INDEX]);

/* ---- prediction_record.c ------------------------------------------------- */

/*
 * The patient's data key, and what the inputs still want of the record. One
 * waiting time when the key is cached, else a second one for observations,
 * whose codes are found by that key. Not in the actor's care: NOT_FOUND.
 */
co_fn enum res record_fill(struct ctx *, const struct uuid *patient,
	    struct inputs *, const struct data_key **);
struct key_row;
/* From the cache, else unwrapped. Does not open: INTERNAL, and a row. */
co_fn enum res record_key(struct ctx *, const struct uuid *patient,
	    const struct key_row *, const struct data_key **);

/* ---- prediction.c: each with its audit row -------------------------------- */

/* inputs: the request's, or NULL. */
co_fn enum res prediction_create(struct ctx *, const struct model *,
	    const struct uuid *patient, const struct jval *inputs,
	    struct prediction *);
co_fn enum res prediction_read(struct ctx *, const struct uuid *id,
	    struct prediction *);

/* ---- prediction_audit.c: the ways it ends badly; each makes a row durable
 * and returns RES_ERR ---------------------------------------------------- */
co_fn enum res prediction_denied(struct ctx *, const char *type,
	    const struct uuid *);
co_fn enum res prediction_failed(struct ctx *, const char *type,
	    const struct uuid *);
co_fn enum res prediction_broken(struct ctx *, const char *type,
	    const struct uuid *);
co_fn enum res prediction_db_failed(struct ctx *, const char *type,
	    const struct uuid *);

/* ---- predict_db.c --------------------------------------------------------- */

struct key_row {
	uint32_t	 version;
	const uint8_t	*wrapped;	/* NULL: erased */
	size_t		 len;
};
struct patient_record {
	int32_t			 version;
	struct ciphertext	 identity, clinical;
	struct key_row		 key;
};
struct observation_record {
	struct uuid		 id;
	const uint8_t		*code_index;
	struct ciphertext	 payload;
};
/* The patient's row, or her key only (whole: false). */
co_fn enum res predict_db_patient(struct ctx *, const struct uuid *, bool whole,
	    struct db_op **);
/* RES_OK and *there false: not in the actor's care. */
co_fn enum res predict_db_patient_wait(struct ctx *, struct db_op *,
	    bool whole, struct patient_record *, bool *there);
co_fn enum res predict_db_latest(struct ctx *, const struct uuid *,
	    struct db_array *codes, struct db_op **);
void	 predict_db_latest_map(const struct db_rows *, int,
	    struct observation_record *);
co_fn enum res predict_db_create(struct ctx *, const struct audit_event *,
	    struct prediction *, const struct ciphertext *payload);
co_fn enum res predict_db_get(struct ctx *, const struct uuid *, struct db_op **);
co_fn enum res predict_db_get_wait(struct ctx *, struct db_op *,
	    struct prediction *, struct ciphertext *payload,
	    struct key_row *, bool *there);

#endif
