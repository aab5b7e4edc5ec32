/*
 * What the files of predict/ share: first the forest, how one is put together
 * from the trees of a model file, and the schema parser; then predictions.
 */
#ifndef PREDICT_PRIV_H
#define PREDICT_PRIV_H

#include "audit/audit.h"
#include "auth/auth.h"
#include "crypto/crypto.h"
#include "predict/predict.h"

#define MODEL_MAGIC           0x6d6f646cu /* "modl" */
#define FOREST_TREES_MAX      10000u
#define FOREST_TREE_NODES_MAX 65536u /* child offsets are 16 bits */
#define FOREST_NODES_MAX      (1u << 22)
#define FOREST_DEPTH_MAX      64u
#define FOREST_LANES          8u /* trees walked side by side */

/*
 * 8 bytes; the right child follows the left one. An inner node asks
 * x[slot] < value. A leaf's slot always holds -inf and its left is 0, so one
 * more step stays on it; its value is what it adds to the margin.
 */
struct forest_node {
	float value;
	uint16_t slot;
	uint16_t left; /* distance to the left child; 0: leaf */
};

/* One tree as the file has it: columns of n nodes, node 0 is the root. */
struct forest_columns {
	unsigned n;
	const int32_t *left, *right; /* -1 and -1: leaf */
	const int32_t *feature;
	const int32_t *default_left; /* missing goes left: 1, right: 0 */
	const float *value;          /* threshold, or what a leaf adds */
};

/* forest.c */
struct forest *forest_new(void);
void forest_destroy(struct forest **);
/* Validates one tree and appends it. Features are checked by seal. */
enum res
forest_add(struct forest *, const struct forest_columns *, char *msg, size_t);
/*
 * The last step: base_score is a probability in (0, 1). Refuses a split on a
 * feature past nfeatures, then moves everything to read-only pages.
 */
enum res forest_seal(
    struct forest *, unsigned nfeatures, float base_score, char *msg, size_t);
unsigned forest_ntrees(const struct forest *);
unsigned forest_nfeatures(const struct forest *);
/* Log-odds and probability, each as XGBoost computes it (float32). */
float forest_margin(const struct forest *, const float *x);
float forest_sigmoid(float margin);

/* forest_json.c: the text of a model.json of XGBoost 1.7 to 3.x. names gets
 * the file's feature names in the arena, or NULL if it has none. */
enum res forest_parse(const void *, size_t, struct arena *, struct forest **,
    const char *const **names, char *msg, size_t);

/* forest_columns.c: what forest_json.c gathers of the tree being read. */
enum column {
	COL_UNSET = 0,
	COL_LEFT,
	COL_RIGHT,
	COL_FEATURE,
	COL_DEFAULT,
	COL_VALUE,
	COL_SPLIT_TYPE,
	COL_MAX
};
struct gather;
struct gather *gather_new(void);
void gather_destroy(struct gather **);
void gather_reset(struct gather *); /* a new tree begins */
/* Text of a JSON number, or "0" and "1" for booleans. */
enum res
gather_append(struct gather *, enum column, const char *, char *msg, size_t);
/* The tree is complete: checks the columns' lengths and adds it. */
enum res gather_finish(struct gather *, struct forest *, char *msg, size_t);

/* model_schema.c: fills name to features of the model, in its arena. */
enum res schema_parse(struct model *, const void *, size_t, char *msg, size_t);
/* "1.2.3", no leading zeros, each below 1,000,000. */
bool semver_parse(const char *, unsigned out[3]);
/* Lower-case letters, digits and single hyphens between them. */
bool model_name_valid(const char *);

/* ==== predictions ======================================================== */

/* What computed it: reproducing a prediction needs the same. */
#define PREDICTION_ENGINE	"eleusis-forest/1"
#define CODE_INDEX		16	/* as records/ computes it */
#define OBSERVATIONS_FIRST	100	/* of each code, the last entered */
#define OBSERVATIONS_NEXT	1000	/* at most, when those are not all */
#define OBSERVATIONS_READ_MAX	20000	/* of all codes, for one prediction */

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
/* The record cannot say: a mistake with this detail. */
void	 input_unreadable(struct inputs *, unsigned feature, const char *detail,
	    struct arena *, struct err *);
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
 * whose codes are found by that key; and more when there are more than
 * OBSERVATIONS_FIRST of a code. Not in the actor's care: NOT_FOUND.
 */
co_fn enum res record_fill(struct ctx *, const struct uuid *patient,
	    struct inputs *, const struct data_key **);

/* ---- prediction.c: each with its audit row -------------------------------- */

/* inputs: the request's, or NULL. */
co_fn enum res prediction_create(struct ctx *, const struct model *,
	    const struct uuid *patient, const struct jval *inputs,
	    struct prediction *);
co_fn enum res prediction_read(struct ctx *, const struct uuid *id,
	    struct prediction *);

/* ---- predict_db.c --------------------------------------------------------- */

struct patient_record {
	int32_t			 version;
	struct ciphertext	 identity, clinical;
	struct wrapped_key	 key;
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
/* Of each code the next per_code rows with an id below the one in before. */
co_fn enum res predict_db_latest(struct ctx *, const struct uuid *,
	    struct db_array *codes, struct db_array *before, int32_t per_code,
	    struct db_op **);
void	 predict_db_latest_map(const struct db_rows *, int,
	    struct observation_record *);
co_fn enum res predict_db_create(struct ctx *, const struct audit_event *,
	    struct prediction *, const struct ciphertext *payload);
co_fn enum res predict_db_get(struct ctx *, const struct uuid *, struct db_op **);
co_fn enum res predict_db_get_wait(struct ctx *, struct db_op *,
	    struct prediction *, struct ciphertext *payload,
	    struct wrapped_key *, bool *there);

#endif
