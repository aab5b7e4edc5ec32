/*
 * predict/ serves risk models: XGBoost forests with a schema of their inputs.
 * Models and registry are pure: they know files and numbers, neither HTTP nor
 * SQL. Models are loaded by the parent process, before it forks and enters
 * its chroot, and are read-only from then on (the forests' pages are
 * protected), so every worker may read them without locks.
 *
 * Inputs of a prediction come from the request, else from the patient's
 * record; what was used, where it came from and what the model said are
 * sealed under the patient's data key, and the prediction's audit row is of
 * the same statement.
 */
#ifndef PREDICT_H
#define PREDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

#define MODEL_DIGEST_STRLEN 64 /* SHA-256 in lower-case hex */
#define MODEL_NAME_MAX      64
#define MODEL_FEATURES_MAX  1024

struct forest;

enum feature_type {
	FEATURE_UNSET = 0,
	FEATURE_NUMBER,
	FEATURE_INTEGER,
	FEATURE_BOOLEAN, /* 0 or 1 */
	FEATURE_CATEGORY /* the value of one of its categories */
};

/* Where the server finds a value that the caller did not send. */
enum feature_source {
	SOURCE_UNSET = 0,
	SOURCE_PATIENT_AGE, /* whole years at the time of prediction */
	SOURCE_PATIENT_SEX, /* a category by name */
	SOURCE_OBSERVATION  /* the latest one with the feature's code */
};

struct model_category {
	const char *name;
	int value;
};

struct model_feature {
	const char *name;
	const char *unit; /* UCUM */
	const char *description;
	const char *code; /* NULL unless an observation */
	enum feature_type type;
	enum feature_source source;
	double minimum, maximum; /* inclusive */
	bool nullable;           /* may be missing */
	unsigned ncategories;
	const struct model_category *categories;
};

/* Never changed after model_load(); all of it is the model's own memory. */
struct model {
	unsigned magic;
	const char *name;
	const char *version; /* 1.2.3 */
	const char *title;
	const char *target;                          /* what is predicted */
	const char *horizon;                         /* ISO 8601 duration */
	char digest[MODEL_DIGEST_STRLEN + 1];        /* of model.json */
	char schema_digest[MODEL_DIGEST_STRLEN + 1]; /* of schema.json */
	unsigned semver[3];
	unsigned nfeatures;
	const struct model_feature *features; /* in model order */
	unsigned ntrees;
	const struct forest *forest;
	struct arena *arena;
};

/* model.c */

/*
 * Loads dir/model.json and dir/schema.json; both are validated whole. On
 * RES_ERR msg says, for an operator, which file, where and why.
 */
enum res model_load(const char *dir, struct model **, char *msg, size_t msglen);
void model_destroy(struct model **);

/*
 * Probability in [0, 1] for nfeatures values in model order, NaN = missing.
 * Bit for bit what libxgboost answers (a float: 9 significant digits tell it
 * apart), see forest.c. Values are not checked: model_input_check() does.
 * margin (log-odds) may be NULL. Allocates nothing, never fails.
 */
double model_score(const struct model *, const float *x, float *margin);

/* Index of a feature by name or by observation code; -1 if there is none. */
int model_feature_index(const struct model *, const char *name);
int model_feature_by_code(const struct model *, const char *code);

/* Value of a category by its name; RES_ERR if the feature has no such. */
enum res model_category_value(
    const struct model_feature *, const char *name, int *value);

/*
 * May this value be scored? NaN means missing and needs a nullable feature;
 * others must be finite, in range, and fit the type. On RES_ERR detail says
 * why, for a client, without repeating the value.
 */
enum res model_input_check(const struct model *, unsigned feature, double value,
    char *detail, size_t detaillen);

/* registry.c */

/*
 * Loads every models_dir/<name>/<version>/. Entries whose name begins with a
 * dot or an underscore, and plain files, are skipped. One invalid model, a
 * directory that does not agree with its schema, or no model at all refuses
 * the whole registry. To be called once, before fork.
 */
enum res registry_load(const char *models_dir, char *msg, size_t msglen);
void registry_clear(void);
/* version NULL: the greatest one. NULL if there is none such. */
const struct model *registry_find(const char *name, const char *version);
unsigned registry_count(void);
/* Sorted by name, then by version, greatest first. */
const struct model *registry_at(unsigned);

/* Handlers (predict_api.c); those of predictions may suspend. */
struct ctx;
enum res predictions_create(struct ctx *);
enum res predictions_get(struct ctx *);
enum res models_list(struct ctx *);

/* predict_schema.c */
struct schema;
extern const struct schema schema_prediction_new, schema_prediction,
    schema_models;

#endif
