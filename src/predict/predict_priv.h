/*
 * What the files of predict/ share: the forest, how one is put together from
 * the trees of a model file, and the schema parser.
 */
#ifndef PREDICT_PRIV_H
#define PREDICT_PRIV_H

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

#endif
