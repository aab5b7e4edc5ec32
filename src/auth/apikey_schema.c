/*
 * Schemas of API keys: they check bodies and queries, and describe them in
 * the OpenAPI document.
 */
#include "auth/auth_priv.h"

#define SERVER (F_REQUIRED | F_REPLY_ONLY)
#define SCHEMA(var, name, text, fields) \
	const struct schema var = { name, text, fields, NELEM(fields) }
#define LIMIT_MAX 1000000000
#define LIMIT_FIELD(name, text)                                            \
	{                                                                  \
		name, FIELD_INTEGER, F_NULLABLE, 1, LIMIT_MAX, NULL, NULL, \
		    text                                                   \
	}

static const struct field limits[] = {
	LIMIT_FIELD("read", "reads a minute"),
	LIMIT_FIELD("write", "writes a minute"),
	LIMIT_FIELD("predict", "predictions a minute"),
	LIMIT_FIELD("export", "exports a minute"),
};
static SCHEMA(schema_limits, "ApiKeyLimits",
    "Rate limits of the key; null: as the settings have it.", limits);

#define ALG_FIELD                                                           \
	{                                                                   \
		"alg", FIELD_ENUM, F_REQUIRED, 0, 0, "hmac-sha256|ed25519", \
		    NULL, "as in RFC 9421"                                  \
	}
static const struct field signature_new[] = {
	ALG_FIELD,
	{ "public_key", FIELD_STRING, 0, API_SIGN_KEY_STRLEN,
	    API_SIGN_KEY_STRLEN, NULL, NULL,
	    "of ed25519: 32 bytes in base64 with padding" },
};
static SCHEMA(schema_signature_new, "ApiKeySignatureNew",
    "How the key is to sign requests. An HMAC secret is made by the server.",
    signature_new);
static const struct field signature_shown[] = {
	ALG_FIELD,
	{ "public_key", FIELD_STRING, F_REQUIRED | F_NULLABLE,
	    API_SIGN_KEY_STRLEN, API_SIGN_KEY_STRLEN, NULL, NULL,
	    "of ed25519, in base64; null of hmac-sha256" },
};
static SCHEMA(schema_signature_shown, "ApiKeySignature",
    "How the key signs requests.", signature_shown);

#define NAME_FIELD                                                    \
	{                                                             \
		"name", FIELD_STRING, F_REQUIRED, 1, 100, NULL, NULL, \
		    "what it is for"                                  \
	}
#define EXPIRES_FIELD(flags)                                                \
	{                                                                   \
		"expires_at", FIELD_TIME, (flags) | F_NULLABLE, 0, 0, NULL, \
		    NULL, "its end; null: none"                             \
	}
#define NETWORKS_FIELD(flags)                                                 \
	{                                                                     \
		"networks", FIELD_ARRAY, flags, 0, APIKEY_NETWORKS_MAX, NULL, \
		    NULL,                                                     \
		    "where it may be used: addresses and blocks, as in "      \
		    "10.0.0.0/8 or 2001:db8::/32; none: anywhere"             \
	}
#define LIMITS_FIELD(flags)                                                \
	{                                                                  \
		"limits", FIELD_OBJECT, flags, 0, 0, NULL, &schema_limits, \
		    "requests a minute; beyond the settings' with "        \
		    "keys:admin only"                                      \
	}
#define MUST_SIGN_FIELD(flags)                                       \
	{                                                            \
		"must_sign", FIELD_BOOLEAN, flags, 0, 0, NULL, NULL, \
		    "requests without a signature are refused"       \
	}
#define SCOPES_FIELD                                                      \
	{                                                                 \
		"scopes", FIELD_ARRAY, F_REQUIRED, 1, 64, NULL, NULL,     \
		    "what it may do: within the role of its user, and "   \
		    "never to make keys, change network rules or unlock " \
		    "users"                                               \
	}

static const struct field key_new[] = {
	NAME_FIELD,
	{ "user_id", FIELD_UUID, 0, 0, 0, NULL, NULL,
	    "in whose name it acts; oneself unless given, others with the "
	    "scope keys:admin" },
	SCOPES_FIELD,
	EXPIRES_FIELD(0),
	NETWORKS_FIELD(0),
	LIMITS_FIELD(0),
	MUST_SIGN_FIELD(0),
	{ "signature", FIELD_OBJECT, F_NULLABLE, 0, 0, NULL,
	    &schema_signature_new, "null: the key cannot sign" },
};
SCHEMA(schema_api_key_new, "ApiKeyNew", "An API key to be made.", key_new);

static const struct field key_patch[] = {
	NAME_FIELD,
	EXPIRES_FIELD(0),
	NETWORKS_FIELD(F_NULLABLE),
	LIMITS_FIELD(F_NULLABLE),
	MUST_SIGN_FIELD(0),
};
SCHEMA(schema_api_key_patch, "ApiKeyPatch",
    "A JSON merge patch (RFC 7396). Scopes do not change: make another key.",
    key_patch);

static const struct field key_rotate[] = {
	{ "overlap_seconds", FIELD_INTEGER, 0, 0, APIKEY_OVERLAP_MAX_S, NULL,
	    NULL, "so long the former secret stays good; 0 unless given" },
	{ "public_key", FIELD_STRING, 0, API_SIGN_KEY_STRLEN,
	    API_SIGN_KEY_STRLEN, NULL, NULL,
	    "a new one, of ed25519; else it stays" },
};
SCHEMA(schema_api_key_rotate, "ApiKeyRotate", "A new secret for a key.",
    key_rotate);

static const struct field last_used[] = {
	{ "at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL, "to a minute" },
	{ "network", FIELD_STRING, F_REQUIRED | F_NULLABLE, 0, NETBLOCK_STRLEN,
	    NULL, NULL, "from which /24 (IPv4) or /64 (IPv6)" },
};
static SCHEMA(
    schema_last_used, "ApiKeyLastUsed", "The last use of a key.", last_used);

#define TIME_FIELD(name, flags, text)                                      \
	{                                                                  \
		name, FIELD_TIME, SERVER | (flags), 0, 0, NULL, NULL, text \
	}
#define SHOWN                                                               \
	{ "id", FIELD_UUID, SERVER, 0, 0, NULL, NULL, "UUIDv7" },           \
	    { "user_id", FIELD_UUID, SERVER, 0, 0, NULL, NULL,              \
		    "in whose name it acts" },                              \
	    { "created_by", FIELD_UUID, SERVER, 0, 0, NULL, NULL,           \
		    "who made it" },                                        \
	    { "prefix", FIELD_STRING, SERVER, APIKEY_PREFIX_STRLEN,         \
		    APIKEY_PREFIX_STRLEN, NULL, NULL,                       \
		    "the beginning of the key, and the keyid of its "       \
		    "signatures; not secret" },                             \
	    NAME_FIELD, SCOPES_FIELD,                                       \
	    { "status", FIELD_ENUM, SERVER, 0, 0, "active|expired|revoked", \
		    NULL, "is it good" },                                   \
	    EXPIRES_FIELD(F_REQUIRED), NETWORKS_FIELD(F_REQUIRED),          \
	    LIMITS_FIELD(F_REQUIRED), MUST_SIGN_FIELD(F_REQUIRED),          \
	    { "signature", FIELD_OBJECT, SERVER | F_NULLABLE, 0, 0, NULL,   \
		    &schema_signature_shown, "null: the key cannot sign" }, \
	    TIME_FIELD("former_secret_until", F_NULLABLE,                   \
		"how long the secret before the last rotation is good; "    \
		"null: there is none"),                                     \
	    { "version", FIELD_INTEGER, SERVER, 1, INT32_MAX, NULL, NULL,   \
		    "counts the changes; the ETag is this number in "       \
		    "quotes" },                                             \
	    TIME_FIELD("created_at", 0, "when it was made"),                \
	    TIME_FIELD("updated_at", 0, "when it was last changed"),        \
	    TIME_FIELD(                                                     \
		"rotated_at", F_NULLABLE, "when it last got a new secret"), \
	    TIME_FIELD("revoked_at", F_NULLABLE, "when it was revoked"),    \
	{                                                                   \
		"last_used", FIELD_OBJECT, SERVER | F_NULLABLE, 0, 0, NULL, \
		    &schema_last_used, "null: never"                        \
	}

static const struct field key_shown[] = { SHOWN };
SCHEMA(schema_api_key, "ApiKey", "An API key, without its secrets.", key_shown);

static const struct field key_secret[] = {
	SHOWN,
	{ "key", FIELD_STRING, SERVER, APIKEY_STRLEN, APIKEY_STRLEN, NULL, NULL,
	    "the key itself: send it as Authorization: Bearer. It is not "
	    "shown again" },
	{ "hmac_secret", FIELD_STRING, SERVER | F_NULLABLE, API_SIGN_KEY_STRLEN,
	    API_SIGN_KEY_STRLEN, NULL, NULL,
	    "of hmac-sha256: 32 bytes in base64. It is not shown again" },
};
SCHEMA(schema_api_key_secret, "ApiKeySecret",
    "An API key with its secrets, shown this once.", key_secret);

static const struct field key_page[] = {
	{ "items", FIELD_ARRAY, SERVER, 0, APIKEYS_PAGE_MAX, NULL,
	    &schema_api_key, "newest first, revoked ones included" },
	{ "next_cursor", FIELD_STRING, SERVER | F_NULLABLE, 0, 0, NULL, NULL,
	    "cursor of the next page; null on the last one" },
};
SCHEMA(schema_api_key_page, "ApiKeyPage", "One page of API keys.", key_page);

static const struct field key_query[] = {
	{ "limit", FIELD_INTEGER, 0, 1, APIKEYS_PAGE_MAX, NULL, NULL,
	    "keys a page; 20 unless given" },
	{ "cursor", FIELD_STRING, 0, 1, 100, NULL, NULL,
	    "next_cursor of the page before; opaque" },
	{ "user_id", FIELD_UUID, 0, 0, 0, NULL, NULL,
	    "only the keys of this user; with keys:admin, all users' unless "
	    "given" },
};
SCHEMA(schema_api_key_query, "ApiKeyQuery", "Which API keys.", key_query);
