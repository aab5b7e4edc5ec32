/*
 * eleusisctl user role, scopes and delete: what decides about a user's access.
 * The database is changed first, with its audit row; then the servers are told
 * that sessions are over and API keys are to be read again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "ctl/ctl.h"

/* Runs one change of a user; value as the statement wants it. */
static enum ctl_exit
change(const struct ctl_args *args, const char *value, const char *done,
    enum res (*fn)(PGconn *, const char *email, const char *value))
{
	char email[CTL_EMAIL_MAX + 1], id[UUID_STRLEN + 1];
	char *prefixes = NULL;
	enum res res;
	PGconn *pg;
	int n;

	if (ctl_user_email(args, NULL, email) != RES_OK)
		return (CTL_USAGE);
	if ((pg = ctl_connect()) == NULL)
		return (CTL_FAILED);
	res = ctl_user_id(pg, email, id);
	/* Before the change: a deleted user has no key in force. */
	if (res == RES_OK)
		res = ctl_apikeys_live(pg, id, &prefixes, &n);
	if (res == RES_OK)
		res = fn(pg, email, value);
	PQfinish(pg);
	if (res != RES_OK) {
		free(prefixes);
		return (CTL_FAILED);
	}
	printf("%s %s\n", email, done);

	return (ctl_user_shut_out(id, &prefixes));
}

enum ctl_exit
ctl_user_role(const struct ctl_args *args)
{
	const char *role = ctl_value(args, "role");
	char done[64];

	if (role == NULL) {
		ctl_error("--role is needed");
		ctl_hint("eleusisctl %s --help", args->cmd->name);
		return (CTL_USAGE);
	}
	if (ctl_user_check_role(role) != RES_OK)
		return (CTL_USAGE);
	(void)snprintf(done, sizeof(done), "has the role %s", role);

	return (change(args, role, done, ctl_user_set_role));
}

static enum res
check_scopes(const char *list)
{
	char name[64];
	size_t len;

	for (const char *s = list; *s != '\0'; s += len + (s[len] == ' ')) {
		len = strcspn(s, " ");
		(void)snprintf(name, sizeof(name), "%.*s", (int)len, s);
		if (len < sizeof(name) && scope_bit(name) != 0)
			continue;
		ctl_error("there is no scope \"%s\"", name);
		ctl_hint("docs/api.md lists them; one space between two");
		return (RES_ERR);
	}

	return (RES_OK);
}

enum ctl_exit
ctl_user_scopes(const struct ctl_args *args)
{
	const char *list = ctl_value(args, "scopes");
	bool all = ctl_value(args, "all") != NULL;

	if ((list != NULL) == all) {
		ctl_error("either --scopes or --all is needed");
		ctl_hint("eleusisctl %s --help", args->cmd->name);
		return (CTL_USAGE);
	}
	if (list != NULL && check_scopes(list) != RES_OK)
		return (CTL_USAGE);

	return (change(args, list,
	    all ? "has all scopes of the role" :
		  "has these scopes, as far as the role has them",
	    ctl_user_set_scopes));
}

static enum res
erase(PGconn *pg, const char *email, const char *value UNUSED)
{
	return (ctl_user_erase(pg, email));
}

enum ctl_exit
ctl_user_delete(const struct ctl_args *args)
{
	return (change(args, NULL, "is deleted", erase));
}
