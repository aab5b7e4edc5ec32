/*
 * Roles and scopes: two closed tables, and the bit sets made from them.
 */
#include <assert.h>
#include <string.h>

#include "auth/auth.h"

enum scope {
#define SCOPE(id, name, text) SCOPE_##id,
#include "auth/tbl/scopes.def"
#undef SCOPE
	SCOPE_MAX
};

static const char *const scope_names[SCOPE_MAX] = {
#define SCOPE(id, name, text) name,
#include "auth/tbl/scopes.def"
#undef SCOPE
};

static const struct {
	const char *name, *scopes;
} roles[ROLE_MAX] = {
#define ROLE(id, name_, scopes_) [ROLE_##id] = { name_, scopes_ },
#include "auth/tbl/roles.def"
#undef ROLE
};

const char *
role_name(enum role role)
{
	assert(role > ROLE_UNSET && role < ROLE_MAX);
	return (roles[role].name);
}

enum role
role_parse(const char *name)
{
	for (enum role r = ROLE_UNSET + 1; r < ROLE_MAX; r++) {
		if (strcmp(roles[r].name, name) == 0)
			return (r);
	}
	return (ROLE_UNSET);
}

static uint64_t
bit_of(const char *name, size_t len)
{
	for (unsigned i = 0; i < SCOPE_MAX; i++) {
		if (strlen(scope_names[i]) == len &&
		    memcmp(scope_names[i], name, len) == 0)
			return (UINT64_C(1) << i);
	}
	return (0);
}

uint64_t
scope_bit(const char *name)
{
	return (bit_of(name, strlen(name)));
}

uint64_t
scopes_parse(const char *s)
{
	uint64_t set = 0;

	while (*s != '\0') {
		size_t len = strcspn(s, " ");

		set |= bit_of(s, len);
		s += len + (s[len] == ' ');
	}
	return (set);
}

uint64_t
role_scopes(enum role role)
{
	const char *s = roles[role].scopes;

	return (s != NULL ? scopes_parse(s) : 0);
}

const char *
scope_name(unsigned i)
{
	return (i < SCOPE_MAX ? scope_names[i] : NULL);
}

const char *
scopes_text(struct arena *arena, uint64_t set)
{
	struct buf b;

	buf_init(&b, arena, 128);
	for (unsigned i = 0; i < SCOPE_MAX; i++) {
		if (set & (UINT64_C(1) << i))
			buf_printf(
			    &b, b.len > 0 ? " %s" : "%s", scope_names[i]);
	}
	return (b.data);
}

void
scopes_write(struct json_out *o, uint64_t set)
{
	json_arr(o);
	for (unsigned i = 0; i < SCOPE_MAX; i++) {
		if (set & (UINT64_C(1) << i))
			json_str(o, scope_names[i]);
	}
	json_arr_end(o);
}
