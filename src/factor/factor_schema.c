/*
 * Schemas of second factors.
 */
#include "factor/factor_priv.h"

const struct schema schema_totp_new = { "TotpNew",
	"Nothing yet: an object without members.", NULL, 0 };

static const struct field secret_fields[] = {
	{ "secret", FIELD_STRING, F_REQUIRED, TOTP_SECRET_STRLEN,
	    TOTP_SECRET_STRLEN, NULL, NULL,
	    "for the authenticator app, in base32; not shown again" },
	{ "uri", FIELD_STRING, F_REQUIRED, 1, 1000, NULL, NULL,
	    "the same as otpauth://, for a QR code" },
	{ "algorithm", FIELD_ENUM, F_REQUIRED, 0, 0, "SHA1", NULL,
	    "what the HMAC uses" },
	{ "digits", FIELD_INTEGER, F_REQUIRED, TOTP_DIGITS, TOTP_DIGITS, NULL,
	    NULL, "of a code" },
	{ "period_seconds", FIELD_INTEGER, F_REQUIRED, TOTP_STEP_S, TOTP_STEP_S,
	    NULL, NULL, "a new code comes so often" },
	{ "expires_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL,
	    "confirm it with a code until then" },
};
const struct schema schema_totp_secret = { "TotpSecret",
	"The secret of an authenticator app that is yet to be confirmed.",
	secret_fields, NELEM(secret_fields) };

static const struct field confirm_fields[] = {
	{ "code", FIELD_STRING, F_REQUIRED, TOTP_DIGITS, TOTP_DIGITS, NULL,
	    NULL, "what the app shows now" },
};
const struct schema schema_totp_confirm = { "TotpConfirmation",
	"Shows that the app has the secret.", confirm_fields,
	NELEM(confirm_fields) };

static const struct field proof_fields[] = {
	{ "code", FIELD_STRING, 0, TOTP_DIGITS, TOTP_DIGITS, NULL, NULL,
	    "what the authenticator app shows now" },
	{ "recovery_code", FIELD_STRING, 0, 24, 64, NULL, NULL,
	    "one that was not used; case and dashes do not matter" },
	{ "password", FIELD_STRING, 0, 1, PASSWORD_MAX, NULL, NULL,
	    "for a step-up by those who have no second factor" },
};
const struct schema schema_second_factor = { "SecondFactor",
	"A proof of who it is: just one member.", proof_fields,
	NELEM(proof_fields) };

static const struct field codes_fields[] = {
	{ "recovery_codes", FIELD_ARRAY, F_REQUIRED, RECOVERY_CODES,
	    RECOVERY_CODES, NULL, NULL,
	    "each is good once, instead of the app; not shown again" },
};
const struct schema schema_recovery_codes = { "RecoveryCodes",
	"A new set; the former codes are good no more.", codes_fields,
	NELEM(codes_fields) };

static const struct field totp_fields[] = {
	{ "confirmed_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL,
	    "since when it counts" },
};
static const struct schema schema_totp = { "Totp", "An authenticator app.",
	totp_fields, NELEM(totp_fields) };

static const struct field factors_fields[] = {
	{ "totp", FIELD_OBJECT, F_REQUIRED | F_NULLABLE, 0, 0, NULL,
	    &schema_totp, "the authenticator app; null: none" },
	{ "recovery_codes_left", FIELD_INTEGER, F_REQUIRED, 0, RECOVERY_CODES,
	    NULL, NULL, "recovery codes that were not used" },
	{ "passkeys", FIELD_INTEGER, F_REQUIRED, 0, 1000, NULL, NULL,
	    "how many there are" },
	{ "password", FIELD_BOOLEAN, F_REQUIRED, 0, 0, NULL, NULL,
	    "whether the account has one" },
	{ "required", FIELD_BOOLEAN, F_REQUIRED, 0, 0, NULL, NULL,
	    "whether the role demands a second factor" },
};
const struct schema schema_factors = { "Factors",
	"How the account can prove itself.", factors_fields,
	NELEM(factors_fields) };
