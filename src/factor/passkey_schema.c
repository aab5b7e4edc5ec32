/*
 * Bodies and replies of passkeys. What a browser makes and what it reads is
 * WebAuthn's own JSON, whose members are named as they are there.
 */
#include "factor/factor_priv.h"

/* ---- one's own -------------------------------------------------------------
 */

static const struct field list_fields[] = {
	{ "items", FIELD_ARRAY, F_REQUIRED, 0, PASSKEYS_PER_USER, NULL,
	    &schema_passkey, "oldest first" },
};
const struct schema schema_passkeys = { "Passkeys", "One's own passkeys.",
	list_fields, NELEM(list_fields) };

static const struct field new_fields[] = {
	{ "name", FIELD_STRING, F_REQUIRED, 1, 100, NULL, NULL,
	    "what to call it, on one line" },
	{ "credential", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, NULL,
	    "RegistrationResponseJSON: what navigator.credentials.create() "
	    "gave, by its toJSON()" },
};
const struct schema schema_passkey_new = { "NewPasskey",
	"A browser's answer to the options.", new_fields, NELEM(new_fields) };

static const struct field patch_fields[] = {
	{ "name", FIELD_STRING, F_REQUIRED, 1, 100, NULL, NULL,
	    "what to call it, on one line" },
};
const struct schema schema_passkey_patch = { "PasskeyName",
	"Another name for a passkey.", patch_fields, NELEM(patch_fields) };

/* ---- answers ---------------------------------------------------------------
 */

#define ANSWER                                                            \
	{                                                                 \
		"credential", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, NULL, \
		    "AuthenticationResponseJSON: what "                   \
		    "navigator.credentials.get() gave, by its toJSON()",  \
	}

static const struct field login_fields[] = {
	ANSWER,
	{ "mode", FIELD_ENUM, 0, 0, 0, "bearer|cookie", NULL,
	    "bearer (default) for programs, cookie for browsers" },
};
const struct schema schema_passkey_login = { "PasskeyLogin",
	"A browser's answer to the options of a log-in.", login_fields,
	NELEM(login_fields) };

static const struct field verify_fields[] = { ANSWER };
const struct schema schema_passkey_verify = { "PasskeyProof",
	"A browser's answer to the options put to this session.", verify_fields,
	NELEM(verify_fields) };

/* ---- questions -------------------------------------------------------------
 */

static const struct field descriptor_fields[] = {
	{ "type", FIELD_ENUM, F_REQUIRED, 0, 0, "public-key", NULL, "always" },
	{ "id", FIELD_STRING, F_REQUIRED, 22, 1364, NULL, NULL,
	    "the credential's id in base64url" },
	{ "transports", FIELD_ARRAY, F_REQUIRED, 0, PASSKEY_TRANSPORTS_MAX,
	    NULL, NULL, "how to reach it" },
};
static const struct schema schema_descriptor = {
	"PublicKeyCredentialDescriptorJSON", "A passkey of the account.",
	descriptor_fields, NELEM(descriptor_fields)
};

static const struct field rp_fields[] = {
	{ "id", FIELD_STRING, F_REQUIRED, 1, 253, NULL, NULL,
	    "the domain that the passkey is for" },
	{ "name", FIELD_STRING, F_REQUIRED, 1, 60, NULL, NULL,
	    "this service's" },
};
static const struct schema schema_rp = { "PublicKeyCredentialRpEntity",
	"Whose passkey it will be.", rp_fields, NELEM(rp_fields) };

static const struct field user_fields[] = {
	{ "id", FIELD_STRING, F_REQUIRED, 22, 22, NULL, NULL,
	    "the user's id, 16 bytes in base64url" },
	{ "name", FIELD_STRING, F_REQUIRED, 3, 254, NULL, NULL, "e-mail" },
	{ "displayName", FIELD_STRING, F_REQUIRED, 1, 200, NULL, NULL,
	    "full name" },
};
static const struct schema schema_user_entity = {
	"PublicKeyCredentialUserEntityJSON", "Whom it will log in.",
	user_fields, NELEM(user_fields)
};

static const struct field algorithm_fields[] = {
	{ "type", FIELD_ENUM, F_REQUIRED, 0, 0, "public-key", NULL, "always" },
	{ "alg", FIELD_INTEGER, F_REQUIRED, -257, -7, NULL, NULL,
	    "COSE: -7 ES256, -8 EdDSA, -257 RS256" },
};
static const struct schema schema_algorithm = { "PublicKeyCredentialParameters",
	"An algorithm that is accepted.", algorithm_fields,
	NELEM(algorithm_fields) };

static const struct field selection_fields[] = {
	{ "residentKey", FIELD_ENUM, F_REQUIRED, 0, 0, "preferred", NULL,
	    "one that is kept in the authenticator logs in by itself" },
	{ "requireResidentKey", FIELD_BOOLEAN, F_REQUIRED, 0, 0, NULL, NULL,
	    "the same, for old browsers" },
	{ "userVerification", FIELD_ENUM, F_REQUIRED, 0, 0, "required", NULL,
	    "by PIN or biometric" },
};
static const struct schema schema_selection = {
	"AuthenticatorSelectionCriteria", "What is asked of authenticators.",
	selection_fields, NELEM(selection_fields)
};

static const struct field creation_fields[] = {
	{ "rp", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, &schema_rp, "we" },
	{ "user", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, &schema_user_entity,
	    "you" },
	{ "challenge", FIELD_STRING, F_REQUIRED, TOKEN_STRLEN, TOKEN_STRLEN,
	    NULL, NULL, "32 random bytes in base64url; good once" },
	{ "pubKeyCredParams", FIELD_ARRAY, F_REQUIRED, 1, 3, NULL,
	    &schema_algorithm, "best first" },
	{ "timeout", FIELD_INTEGER, F_REQUIRED, 1, 600000, NULL, NULL,
	    "milliseconds" },
	{ "excludeCredentials", FIELD_ARRAY, F_REQUIRED, 0, PASSKEYS_PER_USER,
	    NULL, &schema_descriptor, "those that are there already" },
	{ "authenticatorSelection", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL,
	    &schema_selection, "what is asked of authenticators" },
	{ "attestation", FIELD_ENUM, F_REQUIRED, 0, 0, "none", NULL,
	    "no proof of their make is asked for" },
};
const struct schema schema_passkey_creation = {
	"PublicKeyCredentialCreationOptionsJSON",
	"For PublicKeyCredential.parseCreationOptionsFromJSON().",
	creation_fields, NELEM(creation_fields)
};

static const struct field request_fields[] = {
	{ "challenge", FIELD_STRING, F_REQUIRED, TOKEN_STRLEN, TOKEN_STRLEN,
	    NULL, NULL, "32 random bytes in base64url; good once" },
	{ "timeout", FIELD_INTEGER, F_REQUIRED, 1, 600000, NULL, NULL,
	    "milliseconds" },
	{ "rpId", FIELD_STRING, F_REQUIRED, 1, 253, NULL, NULL,
	    "the domain that the passkey is for" },
	{ "allowCredentials", FIELD_ARRAY, F_REQUIRED, 0, PASSKEYS_PER_USER,
	    NULL, &schema_descriptor,
	    "the account's; none at a log-in: whose passkey it is says the "
	    "passkey" },
	{ "userVerification", FIELD_ENUM, F_REQUIRED, 0, 0, "required", NULL,
	    "by PIN or biometric" },
};
const struct schema schema_passkey_request = {
	"PublicKeyCredentialRequestOptionsJSON",
	"For PublicKeyCredential.parseRequestOptionsFromJSON().",
	request_fields, NELEM(request_fields)
};
