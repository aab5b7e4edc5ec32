/*
 * What requests and replies of /v1/network-rules look like.
 */
#include "guard/guard_priv.h"

#define PAGE_MAX  1000
#define RULES_MAX 1000
#define NOTE_MAX  200
#define SCHEMA(var, title, text, fields) \
	const struct schema var = { title, text, fields, NELEM(fields) }

#define ACTION                                                              \
	{                                                                   \
		"action", FIELD_ENUM, F_REQUIRED, 0, 0, "allow|deny", NULL, \
		    "what the rule does with requests of its network"       \
	}
#define NETWORK                                                                \
	{                                                                      \
		"network", FIELD_STRING, F_REQUIRED, 2, NETBLOCK_STRLEN, NULL, \
		    NULL,                                                      \
		    "an address, or a network in CIDR notation without bits "  \
		    "past the prefix: 192.0.2.0/24, 2001:db8::/32"             \
	}
#define POSITION(flags, text)                                               \
	{                                                                   \
		"position", FIELD_INTEGER, flags, 1, INT32_MAX, NULL, NULL, \
		    text                                                    \
	}
#define NOTE(flags)                                                            \
	{                                                                      \
		"note", FIELD_STRING, (flags) | F_NULLABLE, 1, NOTE_MAX, NULL, \
		    NULL, "why; no personal data"                              \
	}
#define EXPIRES(flags)                                                      \
	{                                                                   \
		"expires_at", FIELD_TIME, (flags) | F_NULLABLE, 0, 0, NULL, \
		    NULL, "in force until then; null: for good"             \
	}
#define FORCE                                                                  \
	{                                                                      \
		"force", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL,                   \
		    "even if it keeps out the address that the request comes " \
		    "from"                                                     \
	}

static const struct field rule_fields[] = {
	{ "id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL, "UUIDv7" },
	POSITION(F_REQUIRED, "the least comes first; of equals the older one"),
	ACTION,
	NETWORK,
	NOTE(F_REQUIRED),
	EXPIRES(F_REQUIRED),
	{ "created_by", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL,
	    "the user who added it" },
	{ "created_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL, "when" },
	{ "updated_at", FIELD_TIME, F_REQUIRED, 0, 0, NULL, NULL,
	    "when it was last changed" },
};
SCHEMA(schema_network_rule, "NetworkRule",
    "Whether requests of a network are taken. The first rule in the list that "
    "holds an address decides; without one the request is taken.",
    rule_fields);

static const struct field page_fields[] = {
	{ "revision", FIELD_INTEGER, F_REQUIRED, 0, INT32_MAX, NULL, NULL,
	    "counts the changes of the list; its ETag" },
	{ "items", FIELD_ARRAY, F_REQUIRED, 0, PAGE_MAX, NULL,
	    &schema_network_rule, "in order" },
	{ "next_cursor", FIELD_STRING, F_REQUIRED | F_NULLABLE, 0, 64, NULL,
	    NULL, "for the next page; null on the last" },
};
SCHEMA(schema_network_page, "NetworkRulePage", "One page of the network rules.",
    page_fields);

static const struct field query_fields[] = {
	{ "limit", FIELD_INTEGER, 0, 1, PAGE_MAX, NULL, NULL,
	    "rules a page; 100 unless given" },
	{ "cursor", FIELD_STRING, 0, 1, 64, NULL, NULL,
	    "next_cursor of the page before" },
	{ "expired", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL,
	    "true: also rules that have expired" },
};
SCHEMA(schema_network_query, "NetworkRuleQuery", "Which rules.", query_fields);

static const struct field new_rule_fields[] = {
	ACTION,
	NETWORK,
	POSITION(0, "at the end unless given, each 10 past the one before"),
	NOTE(0),
	EXPIRES(0),
};
static const struct schema schema_new_rule = { "NetworkRuleNew",
	"A rule to be added.", new_rule_fields, NELEM(new_rule_fields) };

static const struct field new_fields[] = {
	{ "rules", FIELD_ARRAY, F_REQUIRED, 1, RULES_MAX, NULL,
	    &schema_new_rule, "all are added, or none" },
	FORCE,
};
SCHEMA(schema_network_new, "NetworkRulesNew", "Rules to be added.", new_fields);

static const struct field made_fields[] = {
	{ "revision", FIELD_INTEGER, F_REQUIRED, 0, INT32_MAX, NULL, NULL,
	    "of the list with these rules" },
	{ "items", FIELD_ARRAY, F_REQUIRED, 1, RULES_MAX, NULL,
	    &schema_network_rule, "in the order of the request" },
};
SCHEMA(schema_network_made, "NetworkRulesMade", "The rules that were added.",
    made_fields);

static const struct field patch_fields[] = {
	POSITION(0, "its new place"),
	NOTE(0),
	EXPIRES(0),
	FORCE,
};
SCHEMA(schema_network_patch, "NetworkRulePatch",
    "What is to change. Action and network stay: remove the rule and add "
    "another one.",
    patch_fields);

static const struct field force_fields[] = { FORCE };
SCHEMA(schema_network_force, "NetworkRuleForce", "How to remove a rule.",
    force_fields);

static const struct field address_fields[] = {
	{ "address", FIELD_STRING, F_REQUIRED, 2, NETADDR_STRLEN, NULL, NULL,
	    "an IPv4 or IPv6 address" },
};
SCHEMA(schema_network_address, "NetworkAddress", "An address to look up.",
    address_fields);

static const struct field decisive_fields[] = {
	{ "id", FIELD_UUID, F_REQUIRED, 0, 0, NULL, NULL, "the rule" },
	POSITION(F_REQUIRED, "its place"),
	ACTION,
	NETWORK,
	EXPIRES(F_REQUIRED),
};
static const struct schema schema_decisive = { "NetworkRuleDecisive",
	"The rule that decides.", decisive_fields, NELEM(decisive_fields) };

static const struct field verdict_fields[] = {
	{ "address", FIELD_STRING, F_REQUIRED, 2, NETADDR_STRLEN, NULL, NULL,
	    "in canonical form" },
	{ "allowed", FIELD_BOOLEAN, F_REQUIRED, 0, 0, NULL, NULL,
	    "are its requests taken" },
	{ "rule", FIELD_OBJECT, F_REQUIRED | F_NULLABLE, 0, 0, NULL,
	    &schema_decisive, "which one decides; null: none does" },
	{ "revision", FIELD_INTEGER, F_REQUIRED, 0, INT32_MAX, NULL, NULL,
	    "of the list that was looked at" },
};
SCHEMA(schema_network_verdict, "NetworkVerdict",
    "What the network rules say about an address.", verdict_fields);
