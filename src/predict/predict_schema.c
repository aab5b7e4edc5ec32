/*
 * Schemas of predictions and models: they check bodies, and describe them in
 * the OpenAPI document.
 */
#include "predict/predict_priv.h"

#define SERVER (F_REQUIRED | F_REPLY_ONLY)
#define SCHEMA(var, name, text, fields) \
	const struct schema var = { name, text, fields, NELEM(fields) }

/* ---- predictions -------------------------------------------------------- */

static const struct field prediction_new[] = {
	{ "patient_id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL,
	    "about whom; in the caller's care" },
	{ "model", FIELD_STRING, F_REQUIRED, 1, MODEL_NAME_MAX, NULL, NULL,
	    "name of a model of GET /v1/models" },
	{ "model_version", FIELD_STRING, 0, 1, 50, NULL, NULL,
	    "as in 1.0.0; the newest unless given" },
	{ "inputs", FIELD_VALUE_MAP, 0, 0, 0, NULL, NULL,
	    "values of the model's features by name: numbers; true or false "
	    "for a boolean one; a category's name for a category; null means "
	    "missing. What is not named comes from the patient's record: age, "
	    "sex, and the "
	    "latest observation of the feature's code (by effective_at, of the "
	    "100 entered last)" },
};
SCHEMA(schema_prediction_new, "PredictionNew", "What to predict, for whom.",
    prediction_new);

static const struct field prediction_model[] = {
	{ "name", FIELD_STRING, SERVER, 1, MODEL_NAME_MAX, NULL, NULL,
	    "name of the model" },
	{ "version", FIELD_STRING, SERVER, 1, 50, NULL, NULL,
	    "version of the model" },
	{ "digest", FIELD_STRING, SERVER, 71, 71, NULL, NULL,
	    "SHA-256 of the model file, as in sha256:1f…" },
	{ "schema_digest", FIELD_STRING, SERVER, 71, 71, NULL, NULL,
	    "SHA-256 of the file that describes its features" },
};
static SCHEMA(schema_prediction_model, "PredictionModel",
    "The very model that was used.", prediction_model);

static const struct field prediction_shown[] = {
	{ "id", FIELD_UUID, SERVER, 0, 0, NULL, NULL, "UUIDv7" },
	{ "patient_id", FIELD_UUID, SERVER, 0, 0, NULL, NULL, "about whom" },
	{ "probability", FIELD_NUMBER, SERVER, 0, 1, NULL, NULL,
	    "of the model's target" },
	{ "margin", FIELD_NUMBER, SERVER, 0, 0, NULL, NULL,
	    "the same as log-odds" },
	{ "model", FIELD_OBJECT, SERVER, 0, 0, NULL, &schema_prediction_model,
	    "which model said so" },
	{ "inputs", FIELD_NUMBER_MAP, SERVER, 0, 0, NULL, NULL,
	    "the value of every feature; null: missing" },
	{ "sources", FIELD_OBJECT, SERVER, 0, 0, NULL, NULL,
	    "where each value came from: request, patient, observation or "
	    "missing" },
	{ "engine", FIELD_STRING, SERVER, 1, 100, NULL, NULL,
	    "what computed it, and its version" },
	{ "audit_event_id", FIELD_UUID, SERVER, 0, 0, NULL, NULL,
	    "the row of the audit log that was written with it" },
	{ "created_at", FIELD_TIME, SERVER, 0, 0, NULL, NULL,
	    "when it was made" },
};
SCHEMA(schema_prediction, "Prediction",
    "A prediction, with all that is needed to make it again.",
    prediction_shown);

/* ---- models -------------------------------------------------------------- */

static const struct field feature_shown[] = {
	{ "name", FIELD_STRING, SERVER, 0, 0, NULL, NULL,
	    "its name among the inputs" },
	{ "type", FIELD_ENUM, SERVER, 0, 0, "number|integer|boolean|category",
	    NULL,
	    "a boolean counts as 0 or 1, a category as the value of one" },
	{ "unit", FIELD_STRING, SERVER, 0, 0, NULL, NULL, "UCUM" },
	{ "minimum", FIELD_NUMBER, SERVER, 0, 0, NULL, NULL,
	    "least value, inclusive" },
	{ "maximum", FIELD_NUMBER, SERVER, 0, 0, NULL, NULL,
	    "greatest value, inclusive" },
	{ "nullable", FIELD_BOOLEAN, SERVER, 0, 0, NULL, NULL,
	    "whether it may be missing" },
	{ "source", FIELD_ENUM, SERVER, 0, 0,
	    "patient.age|patient.sex|observation", NULL,
	    "where it comes from unless the request has it" },
	{ "code", FIELD_STRING, SERVER | F_NULLABLE, 0, 0, NULL, NULL,
	    "the observation's code; null for other sources" },
	{ "categories", FIELD_NUMBER_MAP, SERVER | F_NULLABLE, 0, 0, NULL, NULL,
	    "the value of each category by its name; else null" },
	{ "description", FIELD_STRING, SERVER, 0, 0, NULL, NULL, "what it is" },
};
static SCHEMA(schema_model_feature, "ModelFeature", "One input of a model.",
    feature_shown);

static const struct field model_shown[] = {
	{ "name", FIELD_STRING, SERVER, 1, MODEL_NAME_MAX, NULL, NULL,
	    "its name" },
	{ "version", FIELD_STRING, SERVER, 1, 50, NULL, NULL,
	    "its version, as in 1.0.0" },
	{ "title", FIELD_STRING, SERVER, 0, 0, NULL, NULL, "for people" },
	{ "target", FIELD_STRING, SERVER, 0, 0, NULL, NULL,
	    "what it gives the probability of" },
	{ "horizon", FIELD_STRING, SERVER, 0, 0, NULL, NULL,
	    "how far ahead: an ISO 8601 duration" },
	{ "digest", FIELD_STRING, SERVER, 71, 71, NULL, NULL,
	    "SHA-256 of the model file, as in sha256:1f…" },
	{ "schema_digest", FIELD_STRING, SERVER, 71, 71, NULL, NULL,
	    "SHA-256 of the file that describes its features" },
	{ "features", FIELD_ARRAY, SERVER, 1, MODEL_FEATURES_MAX, NULL,
	    &schema_model_feature, "its inputs, in model order" },
};
static SCHEMA(schema_model, "Model", "A model that is served.", model_shown);

static const struct field models_shown[] = {
	{ "items", FIELD_ARRAY, SERVER, 0, 0, NULL, &schema_model,
	    "by name, then the newest version first" },
};
SCHEMA(schema_models, "ModelList", "The models that are served.", models_shown);
