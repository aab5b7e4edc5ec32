/*
 * observation_fields.c and observation_seal.c: units, ranges and times, and
 * that a payload opens in its own place only. Also that predict/, which may
 * not include records/, reads what records/ writes.
 */
#include "records_fixture.h"
#include "predict/predict_priv.h"
#include "records/records_priv.h"

#define NOW_US   INT64_C(1769860800000000) /* 2026-01-31T12:00:00Z */
#define CODE     "creatinine"
#define CODE_MAX 40

static unsigned
take(const char *body, struct observation *o, struct err *err)
{
	enum res rc;

	err_clear(err);
	memset(o, 0, sizeof(*o));
	rc = observation_from_body(o, json(body), NOW_US, arena, err);
	assert_int_equal(rc == RES_OK, err->nfields == 0);

	return (err->nfields);
}

static void
defaults(void **state UNUSED)
{
	struct observation o;
	struct err err;

	assert_int_equal(
	    take("{\"code\":\"" CODE "\",\"value\":1.1}", &o, &err), 0);
	assert_string_equal(o.unit, observation_type(CODE)->unit);
	assert_int_equal(o.effective_us, NOW_US);
	assert_null(o.note);
	assert_int_equal(take("{\"code\":\"" CODE "\",\"value\":2,"
			      "\"effective_at\":\"2026-01-31T09:30:00+01:30\""
			      ",\"note\":null}",
			     &o, &err),
	    0);
	assert_int_equal(o.effective_us, NOW_US - INT64_C(14400000000));
}

static void
mistakes(void **state UNUSED)
{
	static const struct {
		const char *body, *pointer;
		unsigned n;
	} rows[] = {
		{ "{\"code\":\"none\",\"value\":1}", "/code", 1 },
		{ "{\"code\":\"\",\"value\":1}", "/code", 1 },
		{ "{\"code\":\"" CODE "\",\"value\":-1}", "/value", 1 },
		{ "{\"code\":\"heart_rate\",\"value\":72.5}", "/value", 1 },
		{ "{\"code\":\"heart_rate\",\"value\":9.5}", "/value", 1 },
		{ "{\"code\":\"heart_rate\",\"value\":72.0}", "", 0 },
		{ "{\"code\":\"" CODE "\",\"value\":1e300}", "/value", 1 },
		{ "{\"code\":\"" CODE "\",\"value\":1,\"unit\":\"\"}", "/unit",
		    1 },
		{ "{\"code\":\"" CODE "\",\"value\":1,\"unit\":\"MG/DL\"}",
		    "/unit", 1 },
		{ "{\"code\":\"" CODE "\",\"value\":1,"
		  "\"effective_at\":\"2026-01-31T12:01:00Z\"}",
		    "", 0 },
		{ "{\"code\":\"" CODE "\",\"value\":1,"
		  "\"effective_at\":\"2026-01-31T12:01:00.000001Z\"}",
		    "/effective_at", 1 },
		{ "{\"code\":\"" CODE "\",\"value\":-1,\"unit\":\"kg\","
		  "\"effective_at\":\"2027-01-31T12:01:00Z\"}",
		    "/effective_at", 3 },
	};
	struct observation o;
	struct err err;

	for (size_t i = 0; i < NELEM(rows); i++) {
		if (take(rows[i].body, &o, &err) != rows[i].n)
			fail_msg("row %zu: %u mistakes", i, err.nfields);
		if (rows[i].n == 0)
			continue;
		assert_int_equal(err.problem, PROBLEM_VALIDATION);
		assert_string_equal(err.fields->pointer, rows[i].pointer);
	}
}

static const struct field *
code_field(void)
{
	for (unsigned i = 0; i < schema_observation_new.nfields; i++)
		if (strcmp(schema_observation_new.fields[i].name, "code") == 0)
			return (&schema_observation_new.fields[i]);

	return (NULL);
}

/* Every choice of the schema is a known type with sensible limits. */
static void
table(void **state UNUSED)
{
	const char *s = code_field()->choices;
	const struct observation_type *t;
	char code[CODE_MAX + 1];
	size_t n;

	for (;; s += n + 1) {
		n = strcspn(s, "|");
		assert_in_range(n, 1, CODE_MAX);
		memcpy(code, s, n);
		code[n] = '\0';
		t = observation_type(code);
		assert_non_null(t);
		assert_true(t->min < t->max);
		assert_true(t->unit[0] != '\0');
		assert_non_null(strstr(code_field()->text, code));
		if (s[n] == '\0')
			break;
	}
}

static void
sealed_observation(
    struct observation *o, struct data_key *key, struct observation_row *row)
{
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	struct sealed payload;
	struct err err;

	assert_int_equal(take("{\"code\":\"" CODE "\",\"value\":12.3456789012,"
			      "\"effective_at\":\"2026-01-01T00:00:00.25Z\","
			      "\"note\":\"a \\\"b\\\"\"}",
			     o, &err),
	    0);
	uuid_v7(&o->id);
	uuid_v7(&o->patient);
	vault_new_key(&o->patient, key, wrapped);
	observation_seal(arena, key, o, &payload);
	row->id = o->id;
	row->payload = payload;
	row->created_us = NOW_US;
}

static void
sealing(void **state UNUSED)
{
	struct observation o, again = { .value = 0 };
	struct observation_row row, bad;
	struct data_key key;

	sealed_observation(&o, &key, &row);
	assert_int_equal(observation_open(arena, &key, &row, &again), RES_OK);
	assert_string_equal(again.code, CODE);
	assert_true(again.value == 12.3456789012);
	assert_string_equal(again.unit, o.unit);
	assert_string_equal(again.note, "a \"b\"");
	assert_int_equal(again.effective_us, o.effective_us);
	assert_int_equal(again.created_us, NOW_US);

	bad = row;
	uuid_v7(&bad.id);
	assert_int_equal(observation_open(arena, &key, &bad, &again), RES_ERR);
	bad = row;
	bad.payload.len -= 1;
	assert_int_equal(observation_open(arena, &key, &bad, &again), RES_ERR);
}

static void
code_index(void **state UNUSED)
{
	uint8_t a[CODE_INDEX_BYTES], b[CODE_INDEX_BYTES];
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	struct data_key one, two;
	struct uuid id;

	uuid_v7(&id);
	vault_new_key(&id, &one, wrapped);
	vault_new_key(&id, &two, wrapped);
	observation_code_index(arena, &one, "kappa", a);
	observation_code_index(arena, &one, "kappa", b);
	assert_memory_equal(a, b, sizeof(a));
	observation_code_index(arena, &one, "kapp", b);
	assert_memory_not_equal(a, b, sizeof(a));
	observation_code_index(arena, &two, "kappa", b);
	assert_memory_not_equal(a, b, sizeof(a));
}

static void
predict_reads_observations(void **state UNUSED)
{
	uint8_t a[CODE_INDEX_BYTES], b[CODE_INDEX];
	struct ciphertext c;
	struct observation o;
	struct observation_row row;
	struct data_key key;
	int64_t effective_us;
	double value;

	assert_int_equal(sizeof(a), sizeof(b));
	sealed_observation(&o, &key, &row);
	c = (struct ciphertext){ row.payload.data, row.payload.len };
	assert_int_equal(record_open_observation(
			     arena, &key, &o.id, &c, &value, &effective_us),
	    RES_OK);
	assert_true(value == o.value);
	assert_int_equal(effective_us, o.effective_us);
	observation_code_index(arena, &key, CODE, a);
	record_code_index(arena, &key, CODE, b);
	assert_memory_equal(a, b, sizeof(a));
}

static void
predict_reads_patients(void **state UNUSED)
{
	struct patient p = { .version = 7 };
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	struct sealed identity, clinical;
	struct ciphertext c[2];
	const char *birth_date, *sex;
	struct data_key key;

	uuid_v7(&p.id);
	vault_new_key(&p.id, &key, wrapped);
	p.value[PATIENT_GIVEN_NAME] = p.value[PATIENT_FAMILY_NAME] = "x";
	p.value[PATIENT_BIRTH_DATE] = "1948-03-09";
	p.value[PATIENT_SEX] = "male";
	patient_seal(arena, &key, &p, &identity, &clinical);
	c[0] = (struct ciphertext){ identity.data, identity.len };
	c[1] = (struct ciphertext){ clinical.data, clinical.len };
	assert_int_equal(record_open_patient(arena, &key, &p.id, 7, &c[0],
			     &c[1], &birth_date, &sex),
	    RES_OK);
	assert_string_equal(birth_date, "1948-03-09");
	assert_string_equal(sex, "male");
	assert_int_equal(record_open_patient(arena, &key, &p.id, 6, &c[0],
			     &c[1], &birth_date, &sex),
	    RES_ERR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(defaults, begin, end),
		cmocka_unit_test_setup_teardown(mistakes, begin, end),
		cmocka_unit_test_setup_teardown(table, begin, end),
		cmocka_unit_test_setup_teardown(sealing, begin, end),
		cmocka_unit_test_setup_teardown(code_index, begin, end),
		cmocka_unit_test_setup_teardown(
		    predict_reads_observations, begin, end),
		cmocka_unit_test_setup_teardown(
		    predict_reads_patients, begin, end),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
