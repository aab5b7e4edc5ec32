/*
 * Reads the JSON model format of XGBoost 1.7 to 3.x, event by event, so that
 * a model of a million nodes needs no tree of JSON values.
 *
 * Two tables say all that is read: which objects and arrays lead where, and
 * which scalars are wanted. Everything else is skipped (the format carries
 * training statistics that scoring does not need), but what would change a
 * score and is not understood is refused: other boosters and objectives,
 * several classes or targets, categorical splits, unknown major versions.
 * Differences between versions: base_score is "5E-1" up to 3.0, "[5E-1]"
 * later; default_left once had booleans; num_target is absent early on.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "predict/predict_priv.h"

#define DEPTH_MAX 32 /* of nested JSON */
#define TEXT_MAX  64 /* of a number, or of a wanted string */

/* The object or array that encloses the current event. */
enum place {
	P_SKIP = 0,
	P_TOP,
	P_ROOT,
	P_VERSION,
	P_LEARNER,
	P_NAMES,
	P_LEARNER_PARAM,
	P_OBJECTIVE,
	P_BOOSTER,
	P_MODEL,
	P_MODEL_PARAM,
	P_TREE_INFO,
	P_CATS,
	P_CATS_ENC,
	P_TREES,
	P_TREE,
	P_TREE_PARAM,
	P_CATEGORIES,
	P_COLUMN /* + enum column */
};

/* In place from, the container under key leads to place to. */
static const struct edge {
	enum place from;
	const char *key; /* NULL: an element of an array */
	int to;
	bool array;
} edges[] = {
	{ P_ROOT, "version", P_VERSION, true },
	{ P_ROOT, "learner", P_LEARNER, false },
	{ P_LEARNER, "feature_names", P_NAMES, true },
	{ P_LEARNER, "learner_model_param", P_LEARNER_PARAM, false },
	{ P_LEARNER, "objective", P_OBJECTIVE, false },
	{ P_LEARNER, "gradient_booster", P_BOOSTER, false },
	{ P_BOOSTER, "model", P_MODEL, false },
	{ P_MODEL, "gbtree_model_param", P_MODEL_PARAM, false },
	{ P_MODEL, "tree_info", P_TREE_INFO, true },
	{ P_MODEL, "cats", P_CATS, false },
	{ P_CATS, "enc", P_CATS_ENC, true },
	{ P_MODEL, "trees", P_TREES, true },
	{ P_TREES, NULL, P_TREE, false },
	{ P_TREE, "tree_param", P_TREE_PARAM, false },
	{ P_TREE, "categories", P_CATEGORIES, true },
	{ P_TREE, "categories_nodes", P_CATEGORIES, true },
	{ P_TREE, "left_children", P_COLUMN + COL_LEFT, true },
	{ P_TREE, "right_children", P_COLUMN + COL_RIGHT, true },
	{ P_TREE, "split_indices", P_COLUMN + COL_FEATURE, true },
	{ P_TREE, "default_left", P_COLUMN + COL_DEFAULT, true },
	{ P_TREE, "split_conditions", P_COLUMN + COL_VALUE, true },
	{ P_TREE, "split_type", P_COLUMN + COL_SPLIT_TYPE, true },
};

/* Wanted scalars, all of them strings in the format. */
enum scalar {
	S_BOOSTER = 0,
	S_OBJECTIVE,
	S_BASE_SCORE,
	S_NUM_FEATURE,
	S_NUM_CLASS,
	S_NUM_TARGET,
	S_NUM_TREES,
	S_LEAF_VECTOR,
	S_MAX
};
static const struct wanted {
	enum place in;
	const char *key;
} wanted[S_MAX] = {
	[S_BOOSTER] = { P_BOOSTER, "name" },
	[S_OBJECTIVE] = { P_OBJECTIVE, "name" },
	[S_BASE_SCORE] = { P_LEARNER_PARAM, "base_score" },
	[S_NUM_FEATURE] = { P_LEARNER_PARAM, "num_feature" },
	[S_NUM_CLASS] = { P_LEARNER_PARAM, "num_class" },
	[S_NUM_TARGET] = { P_LEARNER_PARAM, "num_target" },
	[S_NUM_TREES] = { P_MODEL_PARAM, "num_trees" },
	[S_LEAF_VECTOR] = { P_TREE_PARAM, "size_leaf_vector" },
};

struct reader {
	struct forest *forest;
	struct gather *gather;
	struct arena *arena;
	const char **names;
	unsigned nnames;
	unsigned version[3], nversion;
	unsigned depth;
	int place[DEPTH_MAX];
	char key[TEXT_MAX];
	char scalar[S_MAX][TEXT_MAX];
	uint32_t seen, tree_seen; /* edges, by index */
	char *msg;
	size_t msglen;
};

static int
refuse(struct reader *r, const char *why)
{
	snprintf(r->msg, r->msglen, "%s", why);
	return (0);
}

static int
here(const struct reader *r)
{
	return (r->place[r->depth]);
}

/* Nothing that is read may come twice: the last would silently win. */
static int
once(struct reader *r, unsigned edge, enum place from)
{
	uint32_t bit = (uint32_t)1 << edge;
	uint32_t *seen = from == P_TREE ? &r->tree_seen : &r->seen;

	if (from == P_TREES)
		return (1);
	if (*seen & bit)
		return (refuse(r, "a member occurs twice"));
	*seen |= bit;
	return (1);
}

static int
enter(struct reader *r, bool array)
{
	int from = here(r), to = P_SKIP;

	if (r->depth + 1 == DEPTH_MAX)
		return (refuse(r, "nested too deeply"));
	if (from == P_TOP)
		to = array ? P_SKIP : P_ROOT;
	else if (from >= P_COLUMN)
		return (refuse(r, "a tree's column holds no plain numbers"));
	else if (from == P_CATS_ENC || from == P_CATEGORIES)
		return (refuse(r, "categorical features are not supported"));
	for (unsigned i = 0; i < NELEM(edges); i++) {
		if ((int)edges[i].from != from ||
		    (edges[i].key != NULL && strcmp(edges[i].key, r->key) != 0))
			continue;
		if (edges[i].array != array)
			return (refuse(r, "an array where an object belongs, "
					  "or the reverse"));
		if (!once(r, i, edges[i].from))
			return (0);
		to = edges[i].to;
		break;
	}
	if (to == P_TREE) {
		gather_reset(r->gather);
		r->tree_seen = 0;
		r->scalar[S_LEAF_VECTOR][0] = '\0';
	}
	r->place[++r->depth] = to;
	return (1);
}

static int
on_start_map(void *ctx)
{
	return (enter(ctx, false));
}

static int
on_start_array(void *ctx)
{
	return (enter(ctx, true));
}

static int
on_end(void *ctx)
{
	struct reader *r = ctx;

	if (here(r) == P_TREE) {
		const char *vec = r->scalar[S_LEAF_VECTOR];

		if (vec[0] != '\0' && strcmp(vec, "0") != 0 &&
		    strcmp(vec, "1") != 0)
			return (refuse(r, "trees with vectors as leaves are "
					  "not supported"));
		if (gather_finish(r->gather, r->forest, r->msg, r->msglen) !=
		    RES_OK)
			return (0);
	}
	r->depth--;
	return (1);
}

static int
on_key(void *ctx, const unsigned char *s, size_t len)
{
	struct reader *r = ctx;

	r->key[0] = '\0';
	/* No wanted key holds U+0000 or is this long. */
	if (len < sizeof(r->key) && memchr(s, '\0', len) == NULL) {
		memcpy(r->key, s, len);
		r->key[len] = '\0';
	}
	return (1);
}

static int
add_name(struct reader *r, const char *s, size_t len)
{
	if (r->nnames == MODEL_FEATURES_MAX)
		return (refuse(r, "too many feature names"));
	if (memchr(s, '\0', len) != NULL)
		return (refuse(r, "a feature name holds U+0000"));
	r->names[r->nnames++] = arena_strndup(r->arena, s, len);
	return (1);
}

/* Keeps the text of a wanted scalar; others pass. */
static int
set_scalar(struct reader *r, const char *s, size_t len)
{
	for (unsigned k = 0; k < S_MAX; k++) {
		if ((int)wanted[k].in != here(r) ||
		    strcmp(wanted[k].key, r->key) != 0)
			continue;
		if (len == 0 || len >= TEXT_MAX || memchr(s, '\0', len))
			return (refuse(r, "a parameter is empty or too long"));
		if (r->scalar[k][0] != '\0')
			return (refuse(r, "a member occurs twice"));
		memcpy(r->scalar[k], s, len);
		r->scalar[k][len] = '\0';
	}
	return (1);
}

/* Arrays in which no scalar of the given kind has a meaning. */
static int
check_scalar(struct reader *r, bool string)
{
	int place = here(r);

	if (place == P_CATS_ENC || place == P_CATEGORIES)
		return (refuse(r, "categorical features are not supported"));
	if (place == P_TREES || (place == P_NAMES && !string) ||
	    (place == P_TREE_INFO && string))
		return (refuse(r, "an array holds elements of a wrong type"));
	if (place >= P_COLUMN && string)
		return (refuse(r, "a tree's column holds no plain numbers"));
	return (1);
}

static int
on_string(void *ctx, const unsigned char *s, size_t len)
{
	struct reader *r = ctx;

	if (!check_scalar(r, true))
		return (0);
	if (here(r) == P_NAMES)
		return (add_name(r, (const char *)s, len));
	return (set_scalar(r, (const char *)s, len));
}

static int
number(struct reader *r, const char *text)
{
	int place = here(r);

	if (!check_scalar(r, false))
		return (0);
	if (place >= P_COLUMN)
		return (
		    gather_append(r->gather, (enum column)(place - P_COLUMN),
			text, r->msg, r->msglen) == RES_OK);
	if (place == P_VERSION && r->nversion < NELEM(r->version))
		r->version[r->nversion++] = (unsigned)strtoul(text, NULL, 10);
	if (place == P_TREE_INFO && strcmp(text, "0") != 0)
		return (refuse(r, "several classes are not supported"));
	return (set_scalar(r, text, strlen(text)));
}

static int
on_number(void *ctx, const char *s, size_t len)
{
	char text[TEXT_MAX];

	if (here(ctx) == P_SKIP)
		return (1);
	if (len >= sizeof(text))
		return (refuse(ctx, "a number has too many digits"));
	memcpy(text, s, len);
	text[len] = '\0';
	return (number(ctx, text));
}

static int
on_boolean(void *ctx, int b)
{
	struct reader *r = ctx;

	if (here(r) == P_COLUMN + COL_DEFAULT)
		return (number(r, b ? "1" : "0"));
	/* As a wanted scalar it would be none of the expected texts. */
	return (check_scalar(r, here(r) >= P_COLUMN) &&
		set_scalar(r, b ? "true" : "false", b ? 4 : 5));
}

static int
on_null(void *ctx)
{
	struct reader *r = ctx;

	return (
	    check_scalar(r, here(r) >= P_COLUMN) && set_scalar(r, "null", 4));
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end,
};

/* "5E-1" or "[5E-1]": one number. */
static bool
parse_base_score(const char *text, float *out)
{
	bool bracket = text[0] == '[';
	char *end;

	*out = strtof(text + bracket, &end);
	return (end != text + bracket && strcmp(end, bracket ? "]" : "") == 0);
}

static bool
scalar_is(const struct reader *r, enum scalar s, const char *value)
{
	return (strcmp(r->scalar[s], value) == 0);
}

/* What the file is, before whether it is whole: the clearer message. */
static int
check_kind(struct reader *r)
{
	unsigned major = r->version[0], minor = r->version[1];

	if (r->nversion < 2)
		return (refuse(r, "no XGBoost version: not a model file?"));
	if (major < 1 || major > 3 || (major == 1 && minor < 7))
		return (refuse(r, "written by an XGBoost other than "
				  "1.7 to 3.x"));
	if (!scalar_is(r, S_BOOSTER, "gbtree"))
		return (refuse(r, "the booster is not gbtree"));
	if (!scalar_is(r, S_OBJECTIVE, "binary:logistic"))
		return (refuse(r, "the objective is not binary:logistic"));
	if (!scalar_is(r, S_NUM_CLASS, "0") ||
	    (!scalar_is(r, S_NUM_TARGET, "1") &&
		!scalar_is(r, S_NUM_TARGET, "")))
		return (refuse(r, "several classes or targets are not "
				  "supported"));
	return (1);
}

static int
finish(struct reader *r)
{
	int64_t nfeatures, ntrees;
	float base;

	if (!check_kind(r))
		return (0);
	if (!str_to_int64(
		r->scalar[S_NUM_FEATURE], 1, MODEL_FEATURES_MAX, &nfeatures))
		return (refuse(r, "num_feature is out of range"));
	if (!str_to_int64(
		r->scalar[S_NUM_TREES], 1, FOREST_TREES_MAX, &ntrees) ||
	    forest_ntrees(r->forest) != ntrees)
		return (refuse(r, "num_trees is not the number of trees"));
	if (r->nnames != 0 && r->nnames != nfeatures)
		return (refuse(r, "feature_names is not num_feature long"));
	if (!parse_base_score(r->scalar[S_BASE_SCORE], &base))
		return (refuse(r, "base_score is not one number"));
	return (forest_seal(r->forest, (unsigned)nfeatures, base, r->msg,
		    r->msglen) == RES_OK);
}

static bool
read_text(struct reader *r, const void *text, size_t len)
{
	yajl_handle h = yajl_alloc(&callbacks, NULL, r);
	yajl_status st;

	if (h == NULL)
		abort();
	r->msg[0] = '\0';
	st = yajl_parse(h, text, len);
	if (st == yajl_status_ok)
		st = yajl_complete_parse(h);
	if (st != yajl_status_ok && r->msg[0] == '\0')
		snprintf(r->msg, r->msglen, "not valid JSON near byte %zu",
		    yajl_get_bytes_consumed(h));
	yajl_free(h);
	return (st == yajl_status_ok && finish(r));
}

/* Numbers are read in the C locale, whatever the process has set. */
static bool
read_c_locale(struct reader *r, const void *text, size_t len)
{
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0), old;
	bool ok;

	if (c == (locale_t)0)
		abort();
	old = uselocale(c);
	ok = read_text(r, text, len);
	uselocale(old);
	freelocale(c);
	return (ok);
}

enum res
forest_parse(const void *text, size_t len, struct arena *arena,
    struct forest **fp, const char *const **names, char *msg, size_t msglen)
{
	struct reader r = { .msg = msg, .msglen = msglen, .arena = arena };
	bool ok;

	r.place[0] = P_TOP;
	r.forest = forest_new();
	r.gather = gather_new();
	r.names = arena_alloc(arena, MODEL_FEATURES_MAX * sizeof(*r.names));
	ok = read_c_locale(&r, text, len);
	gather_destroy(&r.gather);
	if (!ok) {
		forest_destroy(&r.forest);
		return (RES_ERR);
	}
	*fp = r.forest;
	*names = r.nnames > 0 ? r.names : NULL;
	return (RES_OK);
}
