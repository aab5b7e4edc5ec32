/*
 * Schemas of accounts: they check bodies and queries, and describe them in
 * the OpenAPI document.
 */
#include <math.h>

#include "account/account_priv.h"

#define SERVER (F_REQUIRED | F_REPLY_ONLY)
#define SCHEMA(var, name, text, fields) \
	const struct schema var = { name, text, fields, NELEM(fields) }
#define ROLES "admin|clinician|auditor|service"

#define EMAIL_FIELD(flags, text)                                             \
	{                                                                    \
		"email", FIELD_STRING, flags, 3, EMAIL_MAX, NULL, NULL, text \
	}
#define NAME_FIELD(flags)                                                    \
	{                                                                    \
		"name", FIELD_STRING, flags, 1, 200, NULL, NULL, "full name" \
	}
#define ROLE_FIELD(flags)                                                  \
	{                                                                  \
		"role", FIELD_ENUM, flags, 0, 0, ROLES, NULL,              \
		    "what the account may do at most; a service can only " \
		    "have API keys"                                        \
	}
#define SCOPES_FIELD(flags)                                                 \
	{                                                                   \
		"scopes", FIELD_ARRAY, (flags) | F_NULLABLE, 0, 64, NULL,   \
		    NULL,                                                   \
		    "what the role allows is narrowed to these; null: all " \
		    "of it"                                                 \
	}

static const struct field user_new[] = {
	EMAIL_FIELD(F_REQUIRED, "where the invitation goes; the log-in name"),
	NAME_FIELD(F_REQUIRED),
	ROLE_FIELD(F_REQUIRED),
	SCOPES_FIELD(0),
};
SCHEMA(schema_user_new, "AccountNew", "An account to be made.", user_new);

static const struct field user_patch[] = {
	EMAIL_FIELD(0, "the log-in name; links sent to the old one are dead"),
	NAME_FIELD(0),
	ROLE_FIELD(0),
	SCOPES_FIELD(0),
	{ "disabled", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL,
	    "shut out: no session, no API key, no log-in" },
	{ "must_change_password", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL,
	    "nothing works before the password is changed" },
};
SCHEMA(schema_user_patch, "AccountPatch",
    "A JSON merge patch (RFC 7396). All but the name ends the user's "
    "sessions.",
    user_patch);

static const struct field account[] = {
	{ "id", FIELD_UUID, SERVER, 0, 0, NULL, NULL, "UUIDv7" },
	{ "email", FIELD_STRING, SERVER | F_NULLABLE, 3, EMAIL_MAX, NULL, NULL,
	    "the log-in name; null of a deleted account" },
	NAME_FIELD(SERVER),
	ROLE_FIELD(SERVER),
	SCOPES_FIELD(SERVER),
	{ "status", FIELD_ENUM, SERVER, 0, 0, "active|invited|disabled|deleted",
	    NULL, "what it is good for" },
	{ "disabled", FIELD_BOOLEAN, SERVER, 0, 0, NULL, NULL, "shut out" },
	{ "must_change_password", FIELD_BOOLEAN, SERVER, 0, 0, NULL, NULL,
	    "before anything else" },
	{ "has_password", FIELD_BOOLEAN, SERVER, 0, 0, NULL, NULL,
	    "false: invited, or logs in by other means" },
	{ "has_second_factor", FIELD_BOOLEAN, SERVER, 0, 0, NULL, NULL,
	    "an authenticator app or a passkey" },
	{ "invited_until", FIELD_TIME, SERVER | F_NULLABLE, 0, 0, NULL, NULL,
	    "the end of an invitation that was not accepted yet" },
	{ "version", FIELD_INTEGER, SERVER, 1, INFINITY, NULL, NULL,
	    "counts the changes; the ETag" },
	{ "created_at", FIELD_TIME, SERVER, 0, 0, NULL, NULL,
	    "when it was made" },
	{ "updated_at", FIELD_TIME, SERVER, 0, 0, NULL, NULL,
	    "its last change" },
};
SCHEMA(schema_account, "Account", "An account, as administrators see it.",
    account);

static const struct field account_page[] = {
	{ "items", FIELD_ARRAY, SERVER, 0, USERS_PAGE_MAX, NULL,
	    &schema_account, "newest first" },
	{ "next_cursor", FIELD_STRING, SERVER | F_NULLABLE, 0, 100, NULL, NULL,
	    "for the next page; null on the last one" },
};
SCHEMA(
    schema_account_page, "AccountPage", "One page of accounts.", account_page);

static const struct field account_query[] = {
	{ "limit", FIELD_INTEGER, 0, 1, USERS_PAGE_MAX, NULL, NULL,
	    "accounts a page; 20 unless given" },
	{ "cursor", FIELD_STRING, 0, 1, 100, NULL, NULL,
	    "next_cursor of the page before; opaque" },
	{ "status", FIELD_ENUM, 0, 0, 0, "active|invited|disabled|deleted",
	    NULL, "only these; all but the deleted ones unless given" },
	{ "role", FIELD_ENUM, 0, 0, 0, ROLES, NULL, "only of this role" },
};
SCHEMA(schema_account_query, "AccountQuery", "Which accounts.", account_query);

static const struct field me_patch[] = {
	NAME_FIELD(F_REQUIRED),
};
SCHEMA(schema_me_patch, "MePatch",
    "A JSON merge patch (RFC 7396) of one's own account.", me_patch);

#define TOKEN_FIELD                                                          \
	{                                                                    \
		"token", FIELD_STRING, F_REQUIRED, 1, 200, NULL, NULL,       \
		    "what stands behind #token= in the link that was mailed" \
	}
#define PASSWORD_FIELD                                                       \
	{                                                                    \
		"password", FIELD_STRING, F_REQUIRED, 1, PASSWORD_MAX, NULL, \
		    NULL, "the one to come"                                  \
	}

static const struct field invitation[] = {
	TOKEN_FIELD,
	PASSWORD_FIELD,
	{ "name", FIELD_STRING, 0, 1, 200, NULL, NULL,
	    "one's name, if it is not right in the invitation" },
	{ "mode", FIELD_ENUM, 0, 0, 0, "bearer|cookie", NULL,
	    "bearer (default) for programs, cookie for browsers" },
};
SCHEMA(schema_invitation, "Invitation", "Accepts an invitation.", invitation);

static const struct field reset_ask[] = {
	EMAIL_FIELD(F_REQUIRED, "the account"),
};
SCHEMA(schema_reset_ask, "PasswordResetAsk", "Whose password is forgotten.",
    reset_ask);

static const struct field reset_confirm[] = {
	TOKEN_FIELD,
	PASSWORD_FIELD,
};
SCHEMA(
    schema_reset_confirm, "PasswordReset", "Another password.", reset_confirm);
