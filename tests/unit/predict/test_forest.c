/*
 * forest_parse() and forest_margin() on small models with known answers, and
 * every way in which a model file is refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "predict/predict_priv.h"

/* The parts of a model file, each replaceable by a test. */
struct parts {
	const char *version, *names, *learner_param, *objective;
	const char *booster, *model_param, *tree_info, *cats, *trees;
};

/*
 * x0 < 1.5, missing left, else x1 < -2, missing right:
 *	left 0.25, right-left -0.5, right-right 1
 */
#define STUMP                                                      \
	"{\"left_children\":[1,-1,3,-1,-1],"                       \
	"\"right_children\":[2,-1,4,-1,-1],"                       \
	"\"split_indices\":[0,0,1,0,0],"                           \
	"\"split_conditions\":[1.5E0,2.5E-1,-2,-5E-1,1E0],"        \
	"\"default_left\":[1,0,0,0,0],\"split_type\":[0,0,0,0,0]," \
	"\"categories\":[],\"categories_nodes\":[],"               \
	"\"tree_param\":{\"num_nodes\":\"5\",\"size_leaf_vector\":\"1\"}}"

static const struct parts good = {
	.version = "[3,2,0]",
	.names = "[\"a\",\"b\"]",
	.learner_param = "{\"base_score\":\"[5E-1]\",\"num_class\":\"0\","
			 "\"num_feature\":\"2\",\"num_target\":\"1\"}",
	.objective = "{\"name\":\"binary:logistic\"}",
	.booster = "gbtree",
	.model_param = "{\"num_trees\":\"1\"}",
	.tree_info = "[0]",
	.cats = "{\"enc\":[]}",
	.trees = "[" STUMP "]",
};

static char text[16384];

static const char *
model_text(const struct parts *p)
{
	int n = snprintf(text, sizeof(text),
	    "{\"learner\":{"
	    "\"feature_names\":%s,\"gradient_booster\":{\"model\":{"
	    "\"gbtree_model_param\":%s,\"tree_info\":%s,\"cats\":%s,"
	    "\"trees\":%s},\"name\":\"%s\"},\"learner_model_param\":%s,"
	    "\"objective\":%s},\"version\":%s}",
	    p->names, p->model_param, p->tree_info, p->cats, p->trees,
	    p->booster, p->learner_param, p->objective, p->version);

	assert_true(n > 0 && (size_t)n < sizeof(text));
	return (text);
}

static enum res
parse(const char *json, struct forest **f, char *msg, size_t msglen)
{
	struct arena *arena = arena_new();
	const char *const *names;
	enum res res;

	res = forest_parse(json, strlen(json), arena, f, &names, msg, msglen);
	arena_destroy(&arena);
	return (res);
}

static struct forest *
must_parse(const struct parts *p)
{
	struct forest *f = NULL;
	char msg[256] = "";

	if (parse(model_text(p), &f, msg, sizeof(msg)) != RES_OK)
		fail_msg("refused: %s", msg);
	return (f);
}

static void
must_refuse_text(const char *json, const char *why)
{
	struct forest *f = NULL;
	char msg[256] = "";

	assert_int_equal(parse(json, &f, msg, sizeof(msg)), RES_ERR);
	if (strstr(msg, why) == NULL)
		fail_msg("says \"%s\", not \"%s\"", msg, why);
}

static void
must_refuse(const struct parts *p, const char *why)
{
	must_refuse_text(model_text(p), why);
}

/* base_score 1/2 is a margin of 0, so the margin is the leaf. */
static void
assert_leaf(const struct forest *f, float x0, float x1, float leaf)
{
	const float x[2] = { x0, x1 };

	assert_true(forest_margin(f, x) == leaf);
}

static void
scores_known_answers(void **state UNUSED)
{
	struct forest *f = must_parse(&good);

	assert_int_equal(forest_ntrees(f), 1);
	assert_int_equal(forest_nfeatures(f), 2);
	assert_leaf(f, 0, 0, 0.25f);
	assert_leaf(f, 2, -3, -0.5f);
	assert_leaf(f, 2, 0, 1);
	forest_destroy(&f);
	assert_null(f);
}

static void
equal_to_threshold_goes_right(void **state UNUSED)
{
	struct forest *f = must_parse(&good);

	assert_leaf(f, 1.5f, -2, 1);
	assert_leaf(f, nextafterf(1.5f, 0), 0, 0.25f);
	assert_leaf(f, 1.5f, nextafterf(-2, -3), -0.5f);
	forest_destroy(&f);
}

static void
missing_takes_the_default_both_ways(void **state UNUSED)
{
	struct parts p = good;
	struct forest *f = must_parse(&p);

	assert_leaf(f, NAN, -3, 0.25f); /* left */
	assert_leaf(f, 2, NAN, 1);      /* right */
	assert_leaf(f, -NAN, NAN, 0.25f);
	forest_destroy(&f);
	p.trees = "[{\"left_children\":[1,-1,3,-1,-1],"
		  "\"right_children\":[2,-1,4,-1,-1],"
		  "\"split_indices\":[0,0,1,0,0],"
		  "\"split_conditions\":[1.5,0.25,-2,-0.5,1],"
		  "\"default_left\":[false,false,true,false,false]}]";
	f = must_parse(&p);
	assert_leaf(f, NAN, NAN, -0.5f);
	assert_leaf(f, NAN, 0, 1);
	assert_leaf(f, 0, NAN, 0.25f);
	forest_destroy(&f);
}

static void
infinities_stay_in_bounds(void **state UNUSED)
{
	struct forest *f = must_parse(&good);

	assert_leaf(f, -INFINITY, 0, 0.25f);
	assert_leaf(f, INFINITY, -INFINITY, -0.5f);
	assert_leaf(f, INFINITY, INFINITY, 1);
	forest_destroy(&f);
}

/* More trees than lanes, so that a second, padded group is walked. */
static void
adds_leaves_in_tree_order(void **state UNUSED)
{
	static char trees[8192];
	struct parts p = good;
	struct forest *f;
	const float x[2] = { 0, 0 };
	float want = 0;

	strcpy(trees, "[");
	for (int k = 0; k < 19; k++) {
		char tree[256];

		want += 0.1f * (float)(k + 1);
		snprintf(tree, sizeof(tree),
		    "%s{\"left_children\":[-1],"
		    "\"right_children\":[-1],\"split_indices\":[0],"
		    "\"split_conditions\":[%.9g],\"default_left\":[0]}",
		    k > 0 ? "," : "", (double)(0.1f * (float)(k + 1)));
		strcat(trees, tree);
	}
	strcat(trees, "]");
	p.trees = trees;
	p.model_param = "{\"num_trees\":\"19\"}";
	f = must_parse(&p);
	assert_int_equal(forest_ntrees(f), 19);
	assert_true(forest_margin(f, x) == want);
	forest_destroy(&f);
}

static void
base_score_of_every_format(void **state UNUSED)
{
	const float x[2] = { 0, 0 };
	const char *const texts[] = { "[2E-1]", "2E-1", "0.2" };
	struct parts p = good;

	for (size_t k = 0; k < NELEM(texts); k++) {
		char param[200];
		struct forest *f;

		snprintf(param, sizeof(param),
		    "{\"base_score\":\"%s\","
		    "\"num_class\":\"0\",\"num_feature\":\"2\"}",
		    texts[k]);
		p.learner_param = param;
		f = must_parse(&p);
		assert_float_equal(
		    forest_margin(f, x), logf(0.2f / 0.8f) + 0.25f, 1e-6);
		forest_destroy(&f);
	}
}

static void
sigmoid_saturates_without_overflow(void **state UNUSED)
{
	assert_true(forest_sigmoid(0) == 0.5f);
	assert_true(forest_sigmoid(1e30f) == 1);
	assert_true(forest_sigmoid(-1e30f) >= 0);
	assert_true(forest_sigmoid(-1e30f) < 1e-37f);
	assert_float_equal(forest_sigmoid(-2), 0.1192029f, 1e-7);
}

static void
refuses_other_kinds_of_model(void **state UNUSED)
{
	struct parts p = good;

	p.booster = "dart";
	must_refuse(&p, "not gbtree");
	p = good;
	p.objective = "{\"name\":\"reg:squarederror\"}";
	must_refuse(&p, "not binary:logistic");
	p = good;
	p.version = "[4,0,0]";
	must_refuse(&p, "1.7 to 3.x");
	p.version = "[1,6,2]";
	must_refuse(&p, "1.7 to 3.x");
	p.version = "[]";
	must_refuse(&p, "no XGBoost version");
	p = good;
	p.tree_info = "[1]";
	must_refuse(&p, "several classes");
}

static void
refuses_several_classes_and_targets(void **state UNUSED)
{
	struct parts p = good;

	p.learner_param = "{\"base_score\":\"[5E-1]\",\"num_class\":\"3\","
			  "\"num_feature\":\"2\",\"num_target\":\"1\"}";
	must_refuse(&p, "several classes or targets");
	p.learner_param = "{\"base_score\":\"[5E-1]\",\"num_class\":\"0\","
			  "\"num_feature\":\"2\",\"num_target\":\"2\"}";
	must_refuse(&p, "several classes or targets");
	p.learner_param = "{\"base_score\":\"[5E-1]\",\"num_class\":\"0\","
			  "\"num_feature\":\"2\",\"num_target\":2}";
	must_refuse(&p, "several classes or targets");
	p.learner_param = "{\"base_score\":\"[5E-1,5E-1]\","
			  "\"num_class\":\"0\",\"num_feature\":\"2\"}";
	must_refuse(&p, "base_score is not one number");
}

static void
refuses_bad_parameters(void **state UNUSED)
{
	struct parts p = good;

	p.learner_param = "{\"base_score\":\"1\",\"num_class\":\"0\","
			  "\"num_feature\":\"2\"}";
	must_refuse(&p, "base_score is no probability");
	p.learner_param = "{\"base_score\":\"nan\",\"num_class\":\"0\","
			  "\"num_feature\":\"2\"}";
	must_refuse(&p, "base_score is no probability");
	p.learner_param = "{\"base_score\":\"0.5\",\"num_class\":\"0\","
			  "\"num_feature\":\"0\"}";
	must_refuse(&p, "num_feature is out of range");
	p.learner_param = "{\"base_score\":\"0.5\",\"num_class\":\"0\","
			  "\"num_feature\":\"1\"}";
	must_refuse(&p, "feature_names is not num_feature long");
	p.names = "[]";
	must_refuse(&p, "splits on feature 1, but the model has 1");
	p = good;
	p.model_param = "{\"num_trees\":\"2\"}";
	must_refuse(&p, "num_trees is not the number of trees");
	p.trees = "[]";
	must_refuse(&p, "num_trees is not the number of trees");
	p = good;
	p.names = "[\"a\",7]";
	must_refuse(&p, "wrong type");
}

static void
refuses_categorical(void **state UNUSED)
{
	struct parts p = good;

	p.cats = "{\"enc\":[{\"values\":[1]}]}";
	must_refuse(&p, "categorical features are not supported");
	p = good;
	p.trees = "[{\"left_children\":[1,-1,-1],\"right_children\":[2,-1,-1],"
		  "\"split_indices\":[0,0,0],\"split_conditions\":[1,2,3],"
		  "\"default_left\":[0,0,0],\"split_type\":[1,0,0]}]";
	must_refuse(&p, "tree 0: node 0 is a categorical split");
	p.trees = "[{\"categories_nodes\":[0]}]";
	must_refuse(&p, "categorical features are not supported");
	p.trees = "[{\"tree_param\":{\"size_leaf_vector\":\"3\"}}]";
	must_refuse(&p, "vectors as leaves");
}

/* One inner node whose columns are given, and two leaves. */
static void
refuse_tree(const char *left, const char *right, const char *feature,
    const char *value, const char *dflt, const char *why)
{
	struct parts p = good;
	char tree[512];

	snprintf(tree, sizeof(tree),
	    "[{\"left_children\":%s,"
	    "\"right_children\":%s,\"split_indices\":%s,"
	    "\"split_conditions\":%s,\"default_left\":%s}]",
	    left, right, feature, value, dflt);
	p.trees = tree;
	must_refuse(&p, why);
}

#define L "[1,-1,-1]"
#define R "[2,-1,-1]"
#define Z "[0,0,0]"
#define V "[1,2,3]"

static void
refuses_broken_trees(void **state UNUSED)
{
	refuse_tree("[3,-1,-1]", R, Z, V, Z, "child is out of range");
	refuse_tree(L, "[-2,-1,-1]", Z, V, Z, "child is out of range");
	refuse_tree("[-1,-1,-1]", R, Z, V, Z, "child is out of range");
	refuse_tree(L, "[1,-1,-1]", Z, V, Z, "two parents");
	refuse_tree("[0,-1,-1]", R, Z, V, Z, "two parents"); /* cycle */
	refuse_tree("[1,0,-1]", "[2,2,-1]", Z, V, Z, "two parents");
	refuse_tree(L, R, "[1024,0,0]", V, Z, "feature is out of range");
	refuse_tree(L, R, "[-1,0,0]", V, Z, "feature is out of range");
	refuse_tree(L, R, "[2,0,0]", V, Z, "splits on feature 2");
	refuse_tree(L, R, Z, "[1e39,2,3]", Z, "not finite");
	refuse_tree(L, R, Z, "[1,2,-1e39]", Z, "not finite");
	refuse_tree(L, R, Z, V, "[2,0,0]", "default_left");
	refuse_tree(L, R, Z, "[1,2]", Z, "split_conditions has 2 elements");
	refuse_tree(L, R, Z, V, "[]", "default_left has 0 elements");
	refuse_tree("[]", "[]", "[]", "[]", "[]", "empty tree");
	refuse_tree("[1.5,-1,-1]", R, Z, V, Z, "not a fitting number");
	refuse_tree("[9999999999,-1,-1]", R, Z, V, Z, "not a fitting number");
	refuse_tree("[\"1\",-1,-1]", R, Z, V, Z, "no plain numbers");
	refuse_tree("[null,-1,-1]", R, Z, V, Z, "no plain numbers");
	refuse_tree("[true,-1,-1]", R, Z, V, Z, "no plain numbers");
	refuse_tree("[[1],-1,-1]", R, Z, V, Z, "no plain numbers");
	refuse_tree("{}", R, Z, V, Z, "array where an object belongs");
	refuse_tree(L, R, Z, "[NaN,2,3]", Z, "not valid JSON");
}

/* A chain: every inner node's right child is the next one. */
static void
refuses_too_deep(void **state UNUSED)
{
	enum {
		N = 2 * (FOREST_DEPTH_MAX + 1) + 1
	};
	int32_t left[N], right[N], zero[N] = { 0 };
	float value[N] = { 0 };
	struct forest_columns c = { N, left, right, zero, zero, value };
	struct forest *f = forest_new();
	char msg[128];

	for (int k = 0; k < N; k++) {
		bool inner = k % 2 == 0 && k < N - 1;

		left[k] = inner ? k + 1 : -1;
		right[k] = inner ? k + 2 : -1;
	}
	assert_int_equal(forest_add(f, &c, msg, sizeof(msg)), RES_ERR);
	assert_non_null(strstr(msg, "too deep"));
	c.n = N - 2;
	right[N - 3] = left[N - 3] = -1;
	assert_int_equal(forest_add(f, &c, msg, sizeof(msg)), RES_OK);
	forest_destroy(&f);
}

static void
refuses_malformed_files(void **state UNUSED)
{
	static char deep[200];
	const char *whole = model_text(&good);
	char *cut = strdup(whole);

	cut[strlen(cut) / 2] = '\0';
	must_refuse_text(cut, "not valid JSON");
	free(cut);
	must_refuse_text("", "not valid JSON");
	must_refuse_text("{} {}", "not valid JSON");
	must_refuse_text("[]", "no XGBoost version");
	must_refuse_text("{}", "no XGBoost version");
	memset(deep, '[', 100);
	must_refuse_text(deep, "nested too deeply");
	must_refuse_text("{\"learner\":{},\"learner\":{}}", "occurs twice");
	must_refuse_text("{\"learner\":{\"objective\":{\"name\":\"a\","
			 "\"name\":\"b\"}}}",
	    "occurs twice");
	must_refuse_text("{\"learner\":[]}", "array where an object");
}

/* What the file does not wire to a known place must not be read as such. */
static void
ignores_known_names_elsewhere(void **state UNUSED)
{
	struct parts p = good;
	struct forest *f;

	p.objective = "{\"name\":\"binary:logistic\",\"trees\":[1],"
		      "\"learner\":{\"name\":\"x\"},"
		      "\"reg_loss_param\":{\"name\":\"y\",\"base_score\":1}}";
	f = must_parse(&p);
	assert_leaf(f, 0, 0, 0.25f);
	forest_destroy(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scores_known_answers),
		cmocka_unit_test(equal_to_threshold_goes_right),
		cmocka_unit_test(missing_takes_the_default_both_ways),
		cmocka_unit_test(infinities_stay_in_bounds),
		cmocka_unit_test(adds_leaves_in_tree_order),
		cmocka_unit_test(base_score_of_every_format),
		cmocka_unit_test(sigmoid_saturates_without_overflow),
		cmocka_unit_test(refuses_other_kinds_of_model),
		cmocka_unit_test(refuses_several_classes_and_targets),
		cmocka_unit_test(refuses_bad_parameters),
		cmocka_unit_test(refuses_categorical),
		cmocka_unit_test(refuses_broken_trees),
		cmocka_unit_test(refuses_too_deep),
		cmocka_unit_test(refuses_malformed_files),
		cmocka_unit_test(ignores_known_names_elsewhere),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
