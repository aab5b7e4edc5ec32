/*
 * patient_fields.c, patient_seal.c, if_match.c: what a body, a patch and a
 * stored patient are to each other, that a sealed part opens in its own
 * place only, and entity tags.
 */
#include "records_fixture.h"
#include "records/records_priv.h"

#define NOON_2026_01_31 INT64_C(1769860800000000)

static const char whole[] =
    "{\"given_name\":\"Zo\xc3\xab\",\"family_name\":\"O'Neill\","
    "\"birth_date\":\"1950-06-15\",\"sex\":\"female\",\"mrn\":\"A-1\","
    "\"phone\":\"1\",\"address\":\"x\\ny\",\"notes\":\"\"}";

static void
body_and_patch(void **state UNUSED)
{
	struct patient p = { .version = 1 };

	patient_from_body(&p, json(whole));
	assert_string_equal(p.value[PATIENT_MRN], "A-1");
	assert_string_equal(p.value[PATIENT_NOTES], "");

	assert_false(patient_merge(&p, json("{}")));
	assert_false(patient_merge(&p, json("{\"mrn\":\"A-1\"}")));
	assert_true(patient_merge(&p, json("{\"mrn\":\"a-1\"}")));
	assert_true(patient_merge(&p, json("{\"notes\":null}")));
	assert_null(p.value[PATIENT_NOTES]);
	assert_false(patient_merge(&p, json("{\"notes\":null}")));
	assert_true(patient_merge(&p, json("{\"notes\":\"\"}")));
	assert_string_equal(p.value[PATIENT_GIVEN_NAME], "Zo\xc3\xab");
}

static unsigned
mistakes(const char *body, const char *first)
{
	struct patient p = { .version = 1 };
	struct err err;

	err_clear(&err);
	patient_from_body(&p, json(body));
	if (patient_check(&p, NOON_2026_01_31, arena, &err) == RES_OK) {
		assert_int_equal(err.problem, PROBLEM_UNSET);
		return (0);
	}
	assert_int_equal(err.problem, PROBLEM_VALIDATION);
	assert_string_equal(err.fields->pointer, first);

	return (err.nfields);
}

static void
checks(void **state UNUSED)
{
	assert_int_equal(mistakes(whole, ""), 0);
	assert_int_equal(mistakes("{}", ""), 0);
	assert_int_equal(mistakes("{\"birth_date\":\"1880-01-01\"}", ""), 0);
	assert_int_equal(mistakes("{\"birth_date\":\"2026-01-31\"}", ""), 0);
	assert_int_equal(
	    mistakes("{\"birth_date\":\"1879-12-31\"}", "/birth_date"), 1);
	assert_int_equal(
	    mistakes("{\"birth_date\":\"2026-02-01\"}", "/birth_date"), 1);
	assert_int_equal(
	    mistakes("{\"given_name\":\" \\t\\n\"}", "/given_name"), 1);
	assert_int_equal(mistakes("{\"given_name\":\" a\"}", ""), 0);
	assert_int_equal(mistakes("{\"mrn\":\"  \"}", "/mrn"), 1);
	assert_int_equal(mistakes("{\"family_name\":\" \",\"mrn\":\" \","
				  "\"birth_date\":\"1700-01-01\"}",
			     "/family_name"),
	    3);
}

static void
row_of(const struct patient *p, const struct data_key *key,
    struct patient_row *row)
{
	memset(row, 0, sizeof(*row));
	row->id = p->id;
	row->version = p->version;
	patient_seal(arena, key, p, &row->identity, &row->clinical);
}

static void
sealing(void **state UNUSED)
{
	struct patient p = { .version = 3 }, again;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	struct data_key key, other;
	struct patient_row row, bad;
	struct sealed swap;

	uuid_v7(&p.id);
	vault_new_key(&p.id, &key, wrapped);
	patient_from_body(&p, json(whole));
	p.value[PATIENT_PHONE] = NULL;
	row_of(&p, &key, &row);
	assert_int_equal(patient_open(arena, &key, &row, &again), RES_OK);
	for (int f = PATIENT_UNSET + 1; f < PATIENT_FIELD_MAX; f++) {
		if (p.value[f] == NULL)
			assert_null(again.value[f]);
		else
			assert_string_equal(p.value[f], again.value[f]);
	}
	assert_null(memmem(row.identity.data, row.identity.len, "O'Neill", 7));

	bad = row;
	bad.version = 2;
	assert_int_equal(patient_open(arena, &key, &bad, &again), RES_ERR);
	bad = row;
	uuid_v7(&bad.id);
	assert_int_equal(patient_open(arena, &key, &bad, &again), RES_ERR);
	bad = row;
	swap = bad.identity;
	bad.identity = bad.clinical;
	bad.clinical = swap;
	assert_int_equal(patient_open(arena, &key, &bad, &again), RES_ERR);
	bad = row;
	bad.clinical.len--;
	assert_int_equal(patient_open(arena, &key, &bad, &again), RES_ERR);
	bad.clinical.len = 0;
	assert_int_equal(patient_open(arena, &key, &bad, &again), RES_ERR);
	vault_new_key(&p.id, &other, wrapped);
	assert_int_equal(patient_open(arena, &other, &row, &again), RES_ERR);
}

static void
sealed_but_not_ours(void **state UNUSED)
{
	static const char *const texts[] = { "", "[]", "{}", "\"x\"",
		"{\"given_name\":\"a\"}", "{\"given_name\":{}}" };
	struct seal_place place = { "patient", "identity", { { 0 } }, 1 };
	struct patient p = { .version = 1 }, again;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	struct patient_row row;
	struct data_key key;

	uuid_v7(&p.id);
	place.row = p.id;
	vault_new_key(&p.id, &key, wrapped);
	patient_from_body(&p, json(whole));
	row_of(&p, &key, &row);
	for (size_t i = 0; i < NELEM(texts); i++) {
		vault_seal(arena, &key, &place, texts[i], strlen(texts[i]),
		    &row.identity.data, &row.identity.len);
		assert_int_equal(
		    patient_open(arena, &key, &row, &again), RES_ERR);
	}
}

static void
mrn_index(void **state UNUSED)
{
	const uint8_t *a = patient_mrn_index(arena, "A-1815");

	assert_null(patient_mrn_index(arena, NULL));
	assert_memory_equal(
	    a, patient_mrn_index(arena, " a-1815\t"), BLIND_INDEX_BYTES);
	assert_memory_not_equal(
	    a, patient_mrn_index(arena, "A-1816"), BLIND_INDEX_BYTES);
}

static void
entity_tags(void **state UNUSED)
{
	static const struct {
		const char *header;
		enum if_match want;
	} rows[] = {
		{ NULL, IF_MATCH_YES },
		{ "*", IF_MATCH_YES },
		{ " * ", IF_MATCH_YES },
		{ "\"3\"", IF_MATCH_YES },
		{ " \"3\"\t", IF_MATCH_YES },
		{ "\"1\", \"3\"", IF_MATCH_YES },
		{ "\"1\" ,, \"3\",", IF_MATCH_YES },
		{ "W/\"1\",\"3\"", IF_MATCH_YES },
		{ "W/\"3\"", IF_MATCH_NO },
		{ "\"4\"", IF_MATCH_NO },
		{ "\"03\"", IF_MATCH_NO },
		{ "\"33\"", IF_MATCH_NO },
		{ "\"\"", IF_MATCH_NO },
		{ "\"-3\"", IF_MATCH_NO },
		{ "\"99999999999999999999\"", IF_MATCH_NO },
		{ "\"a,b\"", IF_MATCH_NO },
		{ "\"\xc3\xab\"", IF_MATCH_NO },
		{ "", IF_MATCH_MALFORMED },
		{ " ", IF_MATCH_MALFORMED },
		{ ",", IF_MATCH_MALFORMED },
		{ "3", IF_MATCH_MALFORMED },
		{ "\"", IF_MATCH_MALFORMED },
		{ "\"3", IF_MATCH_MALFORMED },
		{ "3\"", IF_MATCH_MALFORMED },
		{ "\"3\"x", IF_MATCH_MALFORMED },
		{ "\"3\" \"4\"", IF_MATCH_MALFORMED },
		{ "w/\"3\"", IF_MATCH_MALFORMED },
		{ "W/", IF_MATCH_MALFORMED },
		{ "*, \"3\"", IF_MATCH_MALFORMED },
		{ "\"3\", *", IF_MATCH_MALFORMED },
		{ "\"3 3\"", IF_MATCH_MALFORMED },
		{ "\"3\"\"3\"", IF_MATCH_MALFORMED },
	};

	for (size_t i = 0; i < NELEM(rows); i++)
		if (if_match(rows[i].header, 3) != rows[i].want)
			fail_msg("row %zu: %s", i, rows[i].header);
}

static void
tags_that_are_known(void **state UNUSED)
{
	static const struct {
		const char *header;
		bool want;
	} rows[] = {
		{ NULL, false },
		{ "", false },
		{ "*", true },
		{ "\"ab\"", true },
		{ "W/\"ab\"", true },
		{ "\"x\", \"ab\"", true },
		{ " \"x\" ,, W/\"ab\" ", true },
		{ "\"a\"", false },
		{ "\"abc\"", false },
		{ "ab", false },
		{ "\"ab", false },
		{ "\"x\" ab", false },
	};

	for (size_t i = 0; i < NELEM(rows); i++)
		if (if_none_match(rows[i].header, "\"ab\"") != rows[i].want)
			fail_msg("row %zu: %s", i, rows[i].header);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(body_and_patch, begin, end),
		cmocka_unit_test_setup_teardown(checks, begin, end),
		cmocka_unit_test_setup_teardown(sealing, begin, end),
		cmocka_unit_test_setup_teardown(
		    sealed_but_not_ours, begin, end),
		cmocka_unit_test_setup_teardown(mrn_index, begin, end),
		cmocka_unit_test_setup_teardown(entity_tags, begin, end),
		cmocka_unit_test_setup_teardown(
		    tags_that_are_known, begin, end),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
