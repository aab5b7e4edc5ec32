/*
 * Model directories: schema.json checked strictly, agreement with model.json,
 * digests, input checks, and the registry's choice of versions. The files are
 * written to a temporary directory, the paths are the real ones.
 */
#include <sys/stat.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "predict/predict_priv.h"

#define AGE                                                      \
	"{\"name\":\"age\",\"type\":\"integer\",\"unit\":\"a\"," \
	"\"minimum\":50,\"maximum\":120,\"nullable\":false,"     \
	"\"source\":\"patient.age\",\"description\":\"d\"}"
#define SEX                                                       \
	"{\"name\":\"sex\",\"type\":\"category\",\"unit\":\"1\"," \
	"\"minimum\":0,\"maximum\":1,\"nullable\":false,"         \
	"\"source\":\"patient.sex\",\"description\":\"d\","       \
	"\"categories\":{\"female\":0,\"male\":1}}"
#define CREA                                                         \
	"{\"name\":\"crea\",\"type\":\"number\",\"unit\":\"mg/dL\"," \
	"\"minimum\":0.1,\"maximum\":40,\"nullable\":true,"          \
	"\"source\":\"observation\",\"code\":\"creatinine\","        \
	"\"description\":\"d\"}"
#define FLAG                                                      \
	"{\"name\":\"flag\",\"type\":\"boolean\",\"unit\":\"1\"," \
	"\"minimum\":0,\"maximum\":1,\"nullable\":false,"         \
	"\"source\":\"observation\",\"code\":\"mgus\","           \
	"\"description\":\"d\"}"
#define FEATURES "[" AGE "," SEX "," CREA "," FLAG "]"

#define FOREST                                                         \
	"{\"learner\":{\"feature_names\":[\"age\",\"sex\",\"crea\","   \
	"\"flag\"],\"gradient_booster\":{\"model\":{"                  \
	"\"gbtree_model_param\":{\"num_trees\":\"1\"},"                \
	"\"tree_info\":[0],\"trees\":[{\"left_children\":[1,-1,-1],"   \
	"\"right_children\":[2,-1,-1],\"split_indices\":[2,0,0],"      \
	"\"split_conditions\":[1.5,-1,2],\"default_left\":[0,0,0]}]}," \
	"\"name\":\"gbtree\"},\"learner_model_param\":{"               \
	"\"base_score\":\"5E-1\",\"num_class\":\"0\","                 \
	"\"num_feature\":\"4\"},\"objective\":{"                       \
	"\"name\":\"binary:logistic\"}},\"version\":[1,7,6]}"

static char root[] = "/tmp/test_model.XXXXXX";

static void
put(const char *dir, const char *file, const char *text)
{
	char path[300];
	FILE *fp;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fp = fopen(path, "w");
	assert_non_null(fp);
	assert_true(fputs(text, fp) >= 0);
	assert_int_equal(fclose(fp), 0);
}

static void
put_schema(const char *dir, const char *name, const char *version,
    const char *features)
{
	char text[4096];

	snprintf(text, sizeof(text),
	    "{\"name\":\"%s\",\"version\":\"%s\","
	    "\"title\":\"T\",\"target\":\"t\",\"horizon\":\"P5Y\","
	    "\"features\":%s}",
	    name, version, features);
	put(dir, "schema.json", text);
}

static int
setup(void **state UNUSED)
{
	return (mkdtemp(root) == NULL);
}

static int
clean(void **state UNUSED)
{
	char command[200];

	registry_clear();
	snprintf(command, sizeof(command), "rm -rf '%s'/*", root);
	return (system(command));
}

static int
teardown(void **state UNUSED)
{
	return (rmdir(root));
}

static struct model *
load_good(void)
{
	struct model *m;
	char msg[512] = "";

	put_schema(root, "risk", "1.0.0", FEATURES);
	put(root, "model.json", FOREST);
	if (model_load(root, &m, msg, sizeof(msg)) != RES_OK)
		fail_msg("refused: %s", msg);
	return (m);
}

static void
must_refuse(const char *why)
{
	struct model *m;
	char msg[512] = "";

	assert_int_equal(model_load(root, &m, msg, sizeof(msg)), RES_ERR);
	if (strstr(msg, why) == NULL)
		fail_msg("says \"%s\", not \"%s\"", msg, why);
}

static void
refuse_schema(const char *features, const char *why)
{
	put_schema(root, "risk", "1.0.0", features);
	put(root, "model.json", FOREST);
	must_refuse(why);
}

static void
loads_all_members(void **state UNUSED)
{
	struct model *m = load_good();

	assert_string_equal(m->name, "risk");
	assert_string_equal(m->version, "1.0.0");
	assert_string_equal(m->horizon, "P5Y");
	assert_int_equal(m->nfeatures, 4);
	assert_int_equal(m->ntrees, 1);
	assert_int_equal(m->features[0].source, SOURCE_PATIENT_AGE);
	assert_null(m->features[0].code);
	assert_int_equal(m->features[1].type, FEATURE_CATEGORY);
	assert_int_equal(m->features[1].ncategories, 2);
	assert_string_equal(m->features[2].code, "creatinine");
	assert_true(m->features[2].nullable);
	assert_true(m->features[2].minimum == 0.1);
	assert_int_equal(model_feature_index(m, "crea"), 2);
	assert_int_equal(model_feature_index(m, "creatinine"), -1);
	assert_int_equal(model_feature_by_code(m, "creatinine"), 2);
	assert_int_equal(model_feature_by_code(m, "age"), -1);
	model_destroy(&m);
	assert_null(m);
}

/* Compared with what coreutils say. */
static void
digests_the_file_as_it_is(void **state UNUSED)
{
	struct model *m = load_good();
	char command[300], want[65] = "";
	FILE *fp;

	snprintf(command, sizeof(command), "sha256sum '%s/model.json'", root);
	fp = popen(command, "r");
	assert_non_null(fp);
	assert_int_equal(fread(want, 1, 64, fp), 64);
	pclose(fp);
	assert_string_equal(m->digest, want);
	assert_int_equal(strlen(m->schema_digest), 64);
	assert_string_not_equal(m->digest, m->schema_digest);
	model_destroy(&m);
}

static void
scores(void **state UNUSED)
{
	struct model *m = load_good();
	float x[4] = { 60, 0, 1, 0 }, margin;

	assert_float_equal(model_score(m, x, &margin), 0.26894143, 1e-7);
	assert_true(margin == -1);
	x[2] = NAN;
	assert_float_equal(model_score(m, x, NULL), 0.88079709, 1e-7);
	model_destroy(&m);
}

static void
categories_have_values(void **state UNUSED)
{
	struct model *m = load_good();
	int v = -1;

	assert_int_equal(
	    model_category_value(&m->features[1], "male", &v), RES_OK);
	assert_int_equal(v, 1);
	assert_int_equal(
	    model_category_value(&m->features[1], "Male", &v), RES_ERR);
	assert_int_equal(
	    model_category_value(&m->features[0], "male", &v), RES_ERR);
	model_destroy(&m);
}

static void
checks_inputs(void **state UNUSED)
{
	static const struct {
		unsigned feature;
		double value;
		const char *why; /* NULL: accepted */
	} rows[] = {
		{ 0, 50, NULL },
		{ 0, 120, NULL },
		{ 0, 49, "age must be from 50 to 120" },
		{ 0, 121, "from 50 to 120" },
		{ 0, 60.5, "whole number" },
		{ 0, NAN, "required" },
		{ 0, INFINITY, "from 50 to 120" },
		{ 1, 0, NULL },
		{ 1, 1, NULL },
		{ 1, 0.5, "categories" },
		{ 2, 0.1, NULL },
		{ 2, 40, NULL },
		{ 2, NAN, NULL },
		{ 2, 0.09, "from 0.1 to 40" },
		{ 2, -INFINITY, "from 0.1" },
		{ 3, 1, NULL },
		{ 3, 0.5, "0 or 1" },
		{ 3, NAN, "required" },
	};
	struct model *m = load_good();

	for (size_t k = 0; k < NELEM(rows); k++) {
		char detail[128] = "";
		enum res res = model_input_check(
		    m, rows[k].feature, rows[k].value, detail, sizeof(detail));

		if (rows[k].why == NULL)
			assert_int_equal(res, RES_OK);
		else if (res != RES_ERR || !strstr(detail, rows[k].why))
			fail_msg("row %zu: \"%s\"", k, detail);
	}
	model_destroy(&m);
}

static void
refuses_bad_schemas(void **state UNUSED)
{
	refuse_schema("[]", "bad length");
	refuse_schema("[7]", "is not an object");
	refuse_schema("{}", "features has the wrong type");
	refuse_schema("[{\"name\":\"age\"}]", "features[0]: type is missing");
	refuse_schema("[{\"nmae\":\"age\"}]", "nmae is not a known member");
	refuse_schema("[" AGE "," AGE "]", "age: name occurs twice");
	refuse_schema("[" CREA "," CREA "]", "crea: name occurs twice");
	put(root, "schema.json", "{\"name\":");
	must_refuse("schema.json: not valid JSON");
	put(root, "schema.json", "[]");
	must_refuse("schema is not an object");
	put_schema(root, "Risk", "1.0.0", FEATURES);
	must_refuse("name is not a valid name");
	put_schema(root, "risk", "1.0", FEATURES);
	must_refuse("version is not like 1.2.3");
}

/* A feature with one slip each. */
static void
refuses_bad_features(void **state UNUSED)
{
	static const struct {
		const char *type, *min, *max, *source, *more, *why;
	} rows[] = {
		{ "float", "0", "1", "patient.age", "", "not a known one" },
		{ "number", "0", "1", "patient", "", "not a known one" },
		{ "number", "2", "1", "patient.age", "", "above maximum" },
		{ "number", "0", "1e9", "patient.age", "", "beyond 2^24" },
		{ "integer", "0.5", "1", "patient.age", "", "not integers" },
		{ "boolean", "0", "2", "observation", ",\"code\":\"c\"",
		    "0 and 1" },
		{ "number", "0", "1", "observation", "", "code belongs" },
		{ "number", "0", "1", "patient.age", ",\"code\":\"c\"",
		    "code belongs" },
		{ "category", "0", "1", "patient.sex", "",
		    "categories belongs" },
		{ "number", "0", "1", "patient.sex", "", "is a category" },
		{ "category", "0", "1", "patient.sex",
		    ",\"categories\":{\"a\":0}", "two or more" },
		{ "category", "0", "1", "patient.sex",
		    ",\"categories\":{\"a\":0,\"b\":0}", "another category" },
		{ "category", "0", "1", "patient.sex",
		    ",\"categories\":{\"a\":0,\"b\":2}", "integer in range" },
		{ "number", "\"0\"", "1", "patient.age", "", "wrong type" },
	};

	for (size_t k = 0; k < NELEM(rows); k++) {
		char text[512];

		snprintf(text, sizeof(text),
		    "[{\"name\":\"f\",\"type\":\"%s\","
		    "\"unit\":\"1\",\"minimum\":%s,\"maximum\":%s,"
		    "\"nullable\":false,\"source\":\"%s\","
		    "\"description\":\"d\"%s}]",
		    rows[k].type, rows[k].min, rows[k].max, rows[k].source,
		    rows[k].more);
		refuse_schema(text, rows[k].why);
	}
}

static void
refuses_disagreeing_files(void **state UNUSED)
{
	must_refuse("schema.json: No such file");
	put_schema(root, "risk", "1.0.0", FEATURES);
	must_refuse("model.json: No such file");
	refuse_schema(
	    "[" AGE "," SEX "," CREA "]", "has 4 features, schema.json 3");
	refuse_schema("[" SEX "," AGE "," CREA "," FLAG "]",
	    "feature 0 is \"age\", in schema.json \"sex\"");
}

static void
parses_semver(void **state UNUSED)
{
	static const char *const bad[] = { "", "1", "1.2", "1.2.3.4", "1..3",
		"01.2.3", "1.2.3-rc1", "v1.2.3", "1.2.1000000", " 1.2.3",
		"-1.2.3" };
	unsigned v[3];

	assert_true(semver_parse("10.0.999999", v));
	assert_int_equal(v[0], 10);
	assert_int_equal(v[1], 0);
	assert_int_equal(v[2], 999999);
	for (size_t k = 0; k < NELEM(bad); k++)
		assert_false(semver_parse(bad[k], v));
}

static void
checks_names(void **state UNUSED)
{
	static const char *const bad[] = { "", "-a", "a-", "a--b", "A", "a_b",
		"a/b", "..", "a b" };

	assert_true(model_name_valid("flchain-mortality-5y"));
	for (size_t k = 0; k < NELEM(bad); k++)
		assert_false(model_name_valid(bad[k]));
}

static void
add_to_tree(const char *name, const char *dir_version, const char *version)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	(void)mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/%s", root, name, dir_version);
	assert_int_equal(mkdir(path, 0700), 0);
	put_schema(path, name, version, FEATURES);
	put(path, "model.json", FOREST);
}

static void
registry_prefers_the_greatest_version(void **state UNUSED)
{
	char msg[512] = "";

	add_to_tree("risk", "1.9.0", "1.9.0");
	add_to_tree("risk", "1.10.0", "1.10.0");
	add_to_tree("risk", "1.2.30", "1.2.30");
	add_to_tree("other", "0.1.0", "0.1.0");
	put(root, "train.py", "a plain file is skipped");
	if (registry_load(root, msg, sizeof(msg)) != RES_OK)
		fail_msg("refused: %s", msg);
	assert_int_equal(registry_count(), 4);
	assert_string_equal(registry_find("risk", NULL)->version, "1.10.0");
	assert_string_equal(registry_find("risk", "1.2.30")->version, "1.2.30");
	assert_null(registry_find("risk", "1.2.3"));
	assert_null(registry_find("ris", NULL));
	assert_string_equal(registry_at(0)->name, "other");
	assert_string_equal(registry_at(3)->version, "1.2.30");
	assert_null(registry_at(4));
}

static void
registry_refuses(const char *why)
{
	char msg[512] = "";

	assert_int_equal(registry_load(root, msg, sizeof(msg)), RES_ERR);
	if (strstr(msg, why) == NULL)
		fail_msg("says \"%s\", not \"%s\"", msg, why);
	assert_int_equal(registry_count(), 0);
}

static void
registry_is_all_or_nothing(void **state UNUSED)
{
	char path[200];

	registry_refuses("there is no model");
	add_to_tree("risk", "1.0.0", "1.0.0");
	add_to_tree("risk", "1.1.0", "1.0.0");
	registry_refuses("risk/1.1.0: schema.json says risk 1.0.0");
	snprintf(path, sizeof(path), "%s/risk/1.1.0", root);
	put_schema(path, "risk", "1.1.0", FEATURES);
	put(path, "model.json", "{}");
	registry_refuses("risk/1.1.0/model.json: no XGBoost version");
	assert_int_equal(
	    registry_load("/nonexistent", path, sizeof(path)), RES_ERR);
	assert_non_null(strstr(path, "/nonexistent: No such file"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(loads_all_members, clean),
		cmocka_unit_test_teardown(digests_the_file_as_it_is, clean),
		cmocka_unit_test_teardown(scores, clean),
		cmocka_unit_test_teardown(categories_have_values, clean),
		cmocka_unit_test_teardown(checks_inputs, clean),
		cmocka_unit_test_teardown(refuses_bad_schemas, clean),
		cmocka_unit_test_teardown(refuses_bad_features, clean),
		cmocka_unit_test_teardown(refuses_disagreeing_files, clean),
		cmocka_unit_test(parses_semver),
		cmocka_unit_test(checks_names),
		cmocka_unit_test_teardown(
		    registry_prefers_the_greatest_version, clean),
		cmocka_unit_test_teardown(registry_is_all_or_nothing, clean),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
