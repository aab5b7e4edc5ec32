/*
 * Schemas of care, emergencies and accesses: they check bodies and queries,
 * and describe them in the OpenAPI document.
 */
#include "records/records_priv.h"

#define SCHEMA(var, name, text, fields) \
	const struct schema var = { name, text, fields, NELEM(fields) }
#define SHOWN_UUID(name, flags, text)                                          \
	{                                                                      \
		name, FIELD_UUID, F_REQUIRED | (flags), 0, 0, NULL, NULL, text \
	}
#define SHOWN_TIME(name, flags, text)                                          \
	{                                                                      \
		name, FIELD_TIME, F_REQUIRED | (flags), 0, 0, NULL, NULL, text \
	}
#define SHOWN_TEXT(name, flags, text)                                       \
	{                                                                   \
		name, FIELD_STRING, F_REQUIRED | (flags), 0, 0, NULL, NULL, \
		    text                                                    \
	}
#define LIMIT_FIELD(max, text)                                      \
	{                                                           \
		"limit", FIELD_INTEGER, 0, 1, max, NULL, NULL, text \
	}
#define CURSOR_FIELD                                           \
	{                                                      \
		"cursor", FIELD_STRING, 0, 1, 100, NULL, NULL, \
		    "next_cursor of the page before; opaque"   \
	}
#define PAGE_FIELDS(sub, max, text)                                         \
	{ "items", FIELD_ARRAY, F_REQUIRED, 0, max, NULL, sub, text },      \
	{                                                                   \
		"next_cursor", FIELD_STRING, F_REQUIRED | F_NULLABLE, 0, 0, \
		    NULL, NULL,                                             \
		    "cursor of the next page; null on the last "            \
		    "one"                                                   \
	}
#define CARE_KINDS   "created|assigned|referred|break_glass"
#define CARE_REASONS "referral|consultation|on_call|admission|assignment"

/* ---- care ---------------------------------------------------------------- */

static const struct field care_new[] = {
	{ "user_id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL,
	    "the clinician or service account" },
	{ "reason", FIELD_ENUM, F_REQUIRED, 0, 0, CARE_REASONS, NULL, "why" },
	{ "until", FIELD_TIME, F_NULLABLE, 0, 0, NULL, NULL,
	    "its end; null: none. Not after the end of the care of a clinician "
	    "who refers" },
};
SCHEMA(schema_care_new, "CareNew",
    "Somebody to be taken into a patient's care.", care_new);

static const struct field care_shown[] = {
	SHOWN_UUID("id", 0, "this time of being in care"),
	SHOWN_UUID("user_id", 0, "who cares"),
	SHOWN_TEXT("user_name", 0, "her name"),
	SHOWN_TEXT("user_role", 0, "her role now"),
	{ "kind", FIELD_ENUM, F_REQUIRED, 0, 0, CARE_KINDS, NULL,
	    "how it came about: created the patient, assigned by an "
	    "administrator, referred by a clinician in care, or broke the "
	    "glass" },
	SHOWN_TEXT("reason", 0, "why, as a code"),
	SHOWN_UUID("granted_by", F_NULLABLE, "by whom; null: not known"),
	SHOWN_UUID("grant_id", F_NULLABLE, "of break_glass: the grant"),
	SHOWN_TIME("since", 0, "from when"),
	SHOWN_TIME("until", F_NULLABLE, "until when; null: no end is set"),
	SHOWN_TIME("ended_at", F_NULLABLE,
	    "when it was ended by hand, or replaced; null: it was not"),
	SHOWN_UUID("ended_by", F_NULLABLE, "by whom"),
	{ "in_force", FIELD_BOOLEAN, F_REQUIRED, 0, 0, NULL, NULL,
	    "does she see the patient now" },
};
SCHEMA(schema_care, "Care", "A time in which somebody cares for a patient.",
    care_shown);

static const struct field care_page[] = {
	PAGE_FIELDS(&schema_care, CARE_PAGE_MAX, "newest first"),
};
SCHEMA(schema_care_page, "CarePage", "Who cares for a patient.", care_page);

static const struct field care_query[] = {
	LIMIT_FIELD(CARE_PAGE_MAX, "rows a page; 50 unless given"),
	CURSOR_FIELD,
	{ "history", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL,
	    "also who cared for her before" },
};
SCHEMA(schema_care_query, "CareQuery", "Which care.", care_query);

/* ---- emergencies --------------------------------------------------------- */

static const struct field glass_new[] = {
	{ "patient_id", FIELD_UUID, 0, 0, 0, NULL, NULL,
	    "the patient; or give mrn" },
	{ "mrn", FIELD_STRING, 0, 1, 64, NULL, NULL,
	    "her medical record number" },
	{ "reason", FIELD_STRING, F_REQUIRED, 10, 500, NULL, NULL,
	    "why, in words for those who review it; kept sealed with the "
	    "record" },
};
SCHEMA(schema_glass_new, "BreakGlassNew",
    "A record to be opened in an emergency.", glass_new);

static const struct field glass_opened[] = {
	SHOWN_UUID("id", 0, "the grant"),
	SHOWN_UUID("patient_id", 0, "whose record"),
	SHOWN_TIME("opened_at", 0, "from when"),
	SHOWN_TIME("until", 0, "when it closes by itself"),
};
SCHEMA(schema_glass_opened, "BreakGlassOpened",
    "The record is in the caller's care for a time.", glass_opened);

#define GLASS_SHOWN                                                           \
	SHOWN_UUID("id", 0, "the grant"),                                     \
	    SHOWN_UUID("patient_id", 0, "whose record"),                      \
	    SHOWN_UUID("user_id", 0, "who opened it"),                        \
	    SHOWN_TEXT("user_name", 0, "her name"),                           \
	    { "state", FIELD_ENUM, F_REQUIRED, 0, 0,                          \
		    "open|unreviewed|reviewed", NULL,                         \
		    "unreviewed: over, and nobody has looked at it" },        \
	    SHOWN_TIME("opened_at", 0, "from when"),                          \
	    SHOWN_TIME("until", 0, "when it closes by itself"),               \
	    SHOWN_TIME("ended_at", F_NULLABLE, "when it was closed by hand"), \
	    SHOWN_UUID("ended_by", F_NULLABLE, "by whom"),                    \
	    { "verdict", FIELD_ENUM, F_REQUIRED | F_NULLABLE, 0, 0,           \
		    "justified|not_justified", NULL, "null: not reviewed" },  \
	    SHOWN_TIME("reviewed_at", F_NULLABLE, "when"),                    \
	    SHOWN_UUID("reviewed_by", F_NULLABLE, "by whom")

static const struct field glass_shown[] = { GLASS_SHOWN };
SCHEMA(schema_glass, "BreakGlass", "A record that was opened in an emergency.",
    glass_shown);

static const struct field glass_read[] = {
	GLASS_SHOWN,
	SHOWN_TEXT("reason", F_NULLABLE,
	    "why, in her words; null: the patient was erased, and this with "
	    "her"),
	SHOWN_TEXT("note", F_NULLABLE, "the reviewer's words"),
};
SCHEMA(schema_glass_read, "BreakGlassRead",
    "The same, with what was said about it.", glass_read);

static const struct field glass_page[] = {
	PAGE_FIELDS(&schema_glass, BREAK_GLASS_PAGE_MAX, "newest first"),
};
SCHEMA(schema_glass_page, "BreakGlassPage",
    "Records that were opened in an emergency.", glass_page);

static const struct field glass_query[] = {
	LIMIT_FIELD(BREAK_GLASS_PAGE_MAX, "rows a page; 50 unless given"),
	CURSOR_FIELD,
	{ "state", FIELD_ENUM, 0, 0, 0, "open|unreviewed|reviewed", NULL,
	    "only these" },
};
SCHEMA(schema_glass_query, "BreakGlassQuery", "Which ones.", glass_query);

static const struct field glass_verdict[] = {
	{ "verdict", FIELD_ENUM, F_REQUIRED, 0, 0, "justified|not_justified",
	    NULL, "was it" },
	{ "note", FIELD_STRING, F_NULLABLE, 1, 2000, NULL, NULL,
	    "why; kept sealed with the record" },
};
SCHEMA(schema_glass_review, "BreakGlassReview", "What a reviewer thinks of it.",
    glass_verdict);

/* ---- accesses ------------------------------------------------------------ */

static const struct field access_actor[] = {
	{ "kind", FIELD_ENUM, F_REQUIRED, 0, 0, "user|anonymous|system", NULL,
	    "what acted" },
	SHOWN_UUID("id", F_NULLABLE, "the user"),
	SHOWN_TEXT("name", F_NULLABLE, "her name"),
	SHOWN_TEXT("role", F_NULLABLE, "her role now"),
};
static SCHEMA(schema_access_actor, "AccessActor", "Who.", access_actor);

static const struct field access_basis[] = {
	{ "kind", FIELD_ENUM, F_REQUIRED, 0, 0,
	    CARE_KINDS "|role|denied|anonymous|system", NULL,
	    "how she was in care at that time; role: an administrator's or "
	    "auditor's right, without the record; denied: she was refused" },
	SHOWN_TEXT("reason", F_NULLABLE, "of that care, as a code"),
	SHOWN_TIME("since", F_NULLABLE, "of that care"),
	SHOWN_UUID("grant_id", F_NULLABLE, "of break_glass: the grant"),
};
static SCHEMA(
    schema_access_basis, "AccessBasis", "On what ground.", access_basis);

static const struct field access_through[] = {
	SHOWN_UUID("session_id", F_NULLABLE, "the session"),
	SHOWN_UUID("key_id", F_NULLABLE, "or the API key"),
	SHOWN_TEXT("key_prefix", F_NULLABLE, "the key's beginning"),
	SHOWN_TEXT("network", F_NULLABLE, "from which /24 (IPv6: /64)"),
};
static SCHEMA(
    schema_access_through, "AccessThrough", "Through what.", access_through);

static const struct field access_shown[] = {
	SHOWN_UUID("id", 0, "the event in the audit log"),
	SHOWN_TIME("at", 0, "when"),
	SHOWN_TEXT("action", 0, "what was done, such as patient.read"),
	{ "outcome", FIELD_ENUM, F_REQUIRED, 0, 0, "allowed|denied|failed",
	    NULL, "how it ended" },
	{ "actor", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, &schema_access_actor,
	    "who" },
	{ "basis", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, &schema_access_basis,
	    "on what ground" },
	{ "through", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL,
	    &schema_access_through, "through what" },
};
static SCHEMA(schema_access, "Access", "One access to a record.", access_shown);

static const struct field accesses_page[] = {
	PAGE_FIELDS(&schema_access, ACCESSES_PAGE_MAX, "newest first"),
};
SCHEMA(schema_accesses_page, "AccessPage", "Who looked at a record.",
    accesses_page);

static const struct field accesses_query[] = {
	LIMIT_FIELD(ACCESSES_PAGE_MAX, "rows a page; 50 unless given"),
	CURSOR_FIELD,
	{ "since", FIELD_TIME, 0, 0, 0, NULL, NULL, "not before" },
	{ "until", FIELD_TIME, 0, 0, 0, NULL, NULL, "before" },
};
SCHEMA(schema_accesses_query, "AccessQuery", "Which accesses.", accesses_query);
