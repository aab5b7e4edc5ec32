/*
 * Schemas of patients and observations: they check bodies and queries, and
 * describe them in the OpenAPI document.
 */
#include "records/records_priv.h"

#define SERVER (F_REQUIRED | F_REPLY_ONLY)
#define SCHEMA(var, name, text, fields) \
	const struct schema var = { name, text, fields, NELEM(fields) }
#define CURSOR_FIELD                                           \
	{                                                      \
		"cursor", FIELD_STRING, 0, 1, 100, NULL, NULL, \
		    "next_cursor of the page before; opaque"   \
	}
#define NEXT_CURSOR_FIELD                                                     \
	{                                                                     \
		"next_cursor", FIELD_STRING, SERVER | F_NULLABLE, 0, 0, NULL, \
		    NULL, "cursor of the next page; null on the last one"     \
	}

/* ---- patients ----------------------------------------------------------- */

static const struct field patient_settable[] = {
#define PATIENT_FIELD(id, name, type, flags, min, max, choices, part, text) \
	{ name, type, flags, min, max, choices, NULL, text },
#include "records/tbl/patient_fields.def"
#undef PATIENT_FIELD
};
SCHEMA(schema_patient_new, "PatientNew",
    "A patient to be created. She is in the care of whoever creates her.",
    patient_settable);
SCHEMA(schema_patient_patch, "PatientPatch",
    "A JSON merge patch (RFC 7396): members that are there replace, null "
    "removes an optional one.",
    patient_settable);

static const struct field patient_shown[] = {
	{ "id", FIELD_UUID, SERVER, 0, 0, NULL, NULL, "UUIDv7" },
	{ "version", FIELD_INTEGER, SERVER, 1, INT32_MAX, NULL, NULL,
	    "counts the changes; the ETag is this number in quotes" },
#define PATIENT_FIELD(id, name, type, flags, min, max, choices, part, text) \
	{ name, type, (flags) | F_REQUIRED, min, max, choices, NULL, text },
#include "records/tbl/patient_fields.def"
#undef PATIENT_FIELD
	{ "created_at", FIELD_TIME, SERVER, 0, 0, NULL, NULL,
	    "when the patient was created" },
	{ "updated_at", FIELD_TIME, SERVER, 0, 0, NULL, NULL,
	    "when she was last changed" },
};
SCHEMA(schema_patient, "Patient", "A patient in the caller's care.",
    patient_shown);

static const struct field patient_page[] = {
	{ "items", FIELD_ARRAY, SERVER, 0, PATIENTS_PAGE_MAX, NULL,
	    &schema_patient, "newest first" },
	NEXT_CURSOR_FIELD,
};
SCHEMA(schema_patient_page, "PatientPage",
    "One page of the patients in the caller's care.", patient_page);

static const struct field patient_query[] = {
	{ "limit", FIELD_INTEGER, 0, 1, PATIENTS_PAGE_MAX, NULL, NULL,
	    "patients a page; 20 unless given" },
	CURSOR_FIELD,
	{ "mrn", FIELD_STRING, 0, 1, 64, NULL, NULL,
	    "only the patient with this medical record number, whatever "
	    "its case and spaces" },
};
SCHEMA(schema_patient_query, "PatientQuery", "Which patients.", patient_query);

/* ---- observations ------------------------------------------------------- */

/* "a|b|c|": the last bar is cut off, for an empty code is none. */
static char codes[] =
#define OBSERVATION(code, unit, min, max, decimals, loinc, title) #code "|"
#include "records/tbl/observation_types.def"
#undef OBSERVATION
    ;
static const char codes_text[] =
    "what was measured, with the unit and the limits of its value:"
#define OBSERVATION(code, unit, min, max, decimals, loinc, title) \
	"\n- " #code ": " title ", " unit ", " #min " to " #max
#include "records/tbl/observation_types.def"
#undef OBSERVATION
    ;

__attribute__((constructor)) static void
codes_trim(void)
{
	codes[sizeof(codes) - 2] = '\0';
}

#define OBSERVATION_SETTABLE(shown)                                        \
	{ "code", FIELD_ENUM, F_REQUIRED, 0, 0, codes, NULL, codes_text }, \
	    { "value", FIELD_NUMBER, F_REQUIRED, 0, 0, NULL, NULL,         \
		    "within the limits of its code" },                     \
	    { "unit", FIELD_STRING, shown, 0, 40, NULL, NULL,              \
		    "UCUM; when given, the one of the code" },             \
	    { "effective_at", FIELD_TIME, shown, 0, 0, NULL, NULL,         \
		    "when it was measured: not in the future, nor before " \
		    "the patient's birth date; now unless given" },        \
	{                                                                  \
		"note", FIELD_STRING, (shown) | F_NULLABLE, 0, 1000, NULL, \
		    NULL, "free text on the measurement"                   \
	}

static const struct field observation_settable[] = {
	OBSERVATION_SETTABLE(0),
};
SCHEMA(schema_observation_new, "ObservationNew",
    "A measurement to be added; it cannot be changed afterwards.",
    observation_settable);

static const struct field observation_shown[] = {
	{ "id", FIELD_UUID, SERVER, 0, 0, NULL, NULL, "UUIDv7" },
	{ "patient_id", FIELD_UUID, SERVER, 0, 0, NULL, NULL, "whose" },
	OBSERVATION_SETTABLE(F_REQUIRED),
	{ "created_at", FIELD_TIME, SERVER, 0, 0, NULL, NULL,
	    "when it was entered" },
};
SCHEMA(schema_observation, "Observation", "A measurement of a patient.",
    observation_shown);

static const struct field observation_page[] = {
	{ "items", FIELD_ARRAY, SERVER, 0, OBSERVATIONS_PAGE_MAX, NULL,
	    &schema_observation, "the one entered last comes first" },
	NEXT_CURSOR_FIELD,
};
SCHEMA(schema_observation_page, "ObservationPage",
    "One page of a patient's observations.", observation_page);

static const struct field observation_query[] = {
	{ "limit", FIELD_INTEGER, 0, 1, OBSERVATIONS_PAGE_MAX, NULL, NULL,
	    "observations a page; 50 unless given" },
	CURSOR_FIELD,
};
SCHEMA(schema_observation_query, "ObservationQuery", "Which observations.",
    observation_query);
