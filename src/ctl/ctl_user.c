/*
 * eleusisctl user: the accounts, from the machine itself. Checks what was
 * asked before anything is hashed or written. A one-time password is shown
 * once, on standard output, and kept nowhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

#define FIRST_EMAIL "admin@localhost"
#define FIRST_NAME  "Administrator"
#define NAME_CHARS  200

static const char *const roles[] = {
#define ROLE(id, name, scopes) name,
#include "auth/tbl/roles.def"
#undef ROLE
};

static enum ctl_exit
code_of(enum res res)
{
	return (res == RES_OK ? CTL_DONE : CTL_FAILED);
}

/* After the change is committed: a log-in that is under way sees it. */
static enum ctl_exit
end_sessions(const char *id)
{
	return (
	    ctl_sessions_end(id) == RES_OK ? CTL_DONE : CTL_SESSIONS_REMAIN);
}

enum res
ctl_user_check_role(const char *role)
{
	size_t i;

	for (i = 0; i < NELEM(roles); i++) {
		if (strcmp(role, roles[i]) == 0)
			return (RES_OK);
	}
	ctl_error("there is no role \"%s\"", role);
	ctl_hint("admin, clinician, auditor or service");

	return (RES_ERR);
}

static enum res
check_name(const char *name)
{
	size_t chars;
	const char *c;

	chars = 0;
	for (c = name; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			break;
		chars += (*c & 0xc0) != 0x80;
	}
	if (*c == '\0' && chars > 0 && chars <= NAME_CHARS &&
	    utf8_valid(name, strlen(name)))
		return (RES_OK);
	ctl_error("the name is not one");
	ctl_hint("1 to %d characters of UTF-8 on one line", NAME_CHARS);

	return (RES_ERR);
}

/* The e-mail address, as operand or option; either, not both. */
enum res
ctl_user_email(const struct ctl_args *args, const char *fallback,
    char out[CTL_EMAIL_MAX + 1])
{
	const char *email;

	email = ctl_value(args, "email");
	if (email != NULL && args->operand != NULL) {
		ctl_error("the e-mail address is given twice");
		return (RES_ERR);
	}
	if (email == NULL)
		email = args->operand != NULL ? args->operand : fallback;
	if (email == NULL) {
		ctl_error("--email is needed");
		ctl_hint("eleusisctl %s --help", args->cmd->name);
		return (RES_ERR);
	}

	return (ctl_email(email, out));
}

/* Fills in and checks all but the password. */
static enum res
user_of(const struct ctl_args *args, bool first, char email[CTL_EMAIL_MAX + 1],
    struct ctl_user *u)
{
	if (ctl_user_email(args, first ? FIRST_EMAIL : NULL, email) != RES_OK)
		return (RES_ERR);
	u->email = email;
	u->name = ctl_value(args, "name");
	u->role = ctl_value(args, "role");
	u->onetime = ctl_value(args, "onetime") != NULL;
	if (first && u->name == NULL)
		u->name = FIRST_NAME;
	if (first && u->role == NULL)
		u->role = "admin";
	if (u->name == NULL || u->role == NULL) {
		ctl_error("--%s is needed", u->name == NULL ? "name" : "role");
		ctl_hint("eleusisctl %s --help", args->cmd->name);
		return (RES_ERR);
	}
	if (first && strcmp(u->role, "admin") != 0) {
		ctl_error(
		    "--first-admin and --role %s do not go together", u->role);
		return (RES_ERR);
	}
	if (ctl_user_check_role(u->role) != RES_OK)
		return (RES_ERR);

	return (check_name(u->name));
}

static void
box_line(const char *label, const char *value)
{
	printf("|  %-20s %-47s|\n", label, value);
}

static void
print_box(const struct ctl_user *u, const struct ctl_password *pw)
{
	static const char edge[] = "+----------------------------------------"
				   "------------------------------+";

	puts(edge);
	box_line("The first admin:", "");
	box_line("  e-mail", u->email);
	box_line("  one-time password",
	    pw->generated ? pw->text : "(the one that was given)");
	printf("|  %-68s|\n",
	    "It is not shown again. Change it at the first log-in.");
	puts(edge);
}

static void
print_made(const struct ctl_user *u, const struct ctl_password *pw)
{
	printf("created %s (%s)\n", u->email, u->role);
	if (pw->generated)
		printf("one-time password: %s\n", pw->text);
}

static enum res
create(PGconn *pg, const struct ctl_args *args, bool first, struct ctl_user *u)
{
	enum res res;
	struct ctl_password pw;

	if (ctl_password_get(ctl_value(args, "password-file"), u->email,
		u->name, &pw) != RES_OK)
		return (RES_ERR);
	u->hash = pw.hash;
	u->onetime |= pw.generated;
	res = ctl_user_insert(pg, u);
	if (res == RES_OK && first)
		print_box(u, &pw);
	else if (res == RES_OK)
		print_made(u, &pw);
	ctl_password_wipe(&pw);

	return (res);
}

/* Two servers that start at once make one admin: the second waits here. */
static enum res
create_first(PGconn *pg, const struct ctl_args *args, struct ctl_user *u)
{
	bool there;

	if (ctl_lock(pg, CTL_LOCK_FIRST_ADMIN, "first admin") != RES_OK ||
	    ctl_admin_exists(pg, &there) != RES_OK)
		return (RES_ERR);

	return (there ? RES_OK : create(pg, args, true, u));
}

enum ctl_exit
ctl_user_create(const struct ctl_args *args)
{
	bool first;
	enum res res;
	PGconn *pg;
	struct ctl_user u = { 0 };
	char email[CTL_EMAIL_MAX + 1];

	first = ctl_value(args, "first-admin") != NULL;
	if (user_of(args, first, email, &u) != RES_OK)
		return (CTL_USAGE);
	pg = ctl_connect();
	if (pg == NULL)
		return (CTL_FAILED);
	if (first)
		res = create_first(pg, args, &u);
	else
		res = create(pg, args, false, &u);
	PQfinish(pg);

	return (code_of(res));
}

enum ctl_exit
ctl_user_list(const struct ctl_args *args UNUSED)
{
	int i;
	PGconn *pg;
	PGresult *res;

	pg = ctl_connect();
	if (pg == NULL)
		return (CTL_FAILED);
	res = ctl_user_rows(pg);
	for (i = 0; res != NULL && i < PQntuples(res); i++)
		printf("%-36s %-10s %-18s %s  %s\n", PQgetvalue(res, i, 0),
		    PQgetvalue(res, i, 2), PQgetvalue(res, i, 3),
		    PQgetvalue(res, i, 4), PQgetvalue(res, i, 1));
	PQclear(res);
	PQfinish(pg);

	return (res != NULL ? CTL_DONE : CTL_FAILED);
}

enum ctl_exit
ctl_user_shut_out(const char *id, char **prefixes)
{
	enum ctl_exit code = end_sessions(id);

	if (*prefixes == NULL || ctl_apikeys_forget(prefixes) != RES_OK)
		return (CTL_SESSIONS_REMAIN);

	return (code);
}

static enum ctl_exit
set_disabled(const struct ctl_args *args, bool disabled)
{
	bool changed;
	enum res res;
	PGconn *pg;
	const char *word;
	char *prefixes = NULL;
	int n;
	char email[CTL_EMAIL_MAX + 1], id[UUID_STRLEN + 1];

	if (ctl_user_email(args, NULL, email) != RES_OK)
		return (CTL_USAGE);
	pg = ctl_connect();
	if (pg == NULL)
		return (CTL_FAILED);
	word = disabled ? "disabled" : "enabled";
	res = ctl_user_id(pg, email, id);
	if (res == RES_OK)
		res = ctl_user_set_disabled(pg, email, disabled, &changed);
	if (res == RES_OK && disabled)
		(void)ctl_apikeys_live(pg, id, &prefixes, &n);
	PQfinish(pg);
	if (res != RES_OK)
		return (CTL_FAILED);
	printf("%s %s %s\n", email, changed ? "is" : "was already", word);

	/* Also of one who was: an earlier run may not have reached Redis. */
	return (disabled ? ctl_user_shut_out(id, &prefixes) : CTL_DONE);
}

enum ctl_exit
ctl_user_disable(const struct ctl_args *args)
{
	return (set_disabled(args, true));
}

enum ctl_exit
ctl_user_enable(const struct ctl_args *args)
{
	return (set_disabled(args, false));
}

static enum res
reset_password(PGconn *pg, const char *email)
{
	enum res res;
	struct ctl_password pw;

	if (ctl_password_get(NULL, NULL, NULL, &pw) != RES_OK)
		return (RES_ERR);
	res = ctl_user_set_password(pg, email, pw.hash);
	if (res == RES_OK)
		printf("one-time password of %s: %s\n", email, pw.text);
	ctl_password_wipe(&pw);

	return (res);
}

/* Keys do not hang on the password: who resets it should know of them. */
static void
mention_keys(PGconn *pg, const char *email, const char *id)
{
	char *prefixes;
	int n;

	if (ctl_apikeys_live(pg, id, &prefixes, &n) != RES_OK)
		return;
	free(prefixes);
	if (n > 0)
		printf("API keys stay good: %d; eleusisctl api-key revoke "
		       "--user %s ends them\n",
		    n, email);
}

enum ctl_exit
ctl_user_reset_password(const struct ctl_args *args)
{
	enum res res;
	PGconn *pg;
	char email[CTL_EMAIL_MAX + 1], id[UUID_STRLEN + 1];

	if (ctl_user_email(args, NULL, email) != RES_OK)
		return (CTL_USAGE);
	pg = ctl_connect();
	if (pg == NULL)
		return (CTL_FAILED);
	res = ctl_user_id(pg, email, id);
	if (res == RES_OK)
		res = reset_password(pg, email);
	if (res == RES_OK)
		mention_keys(pg, email, id);
	PQfinish(pg);

	return (res == RES_OK ? end_sessions(id) : CTL_FAILED);
}

/* The row comes first: an unlock that nobody can read about must not be. */
enum ctl_exit
ctl_user_unlock(const struct ctl_args *args)
{
	enum res res;
	PGconn *pg;
	char email[CTL_EMAIL_MAX + 1];

	if (ctl_user_email(args, NULL, email) != RES_OK)
		return (CTL_USAGE);
	pg = ctl_connect();
	if (pg == NULL)
		return (CTL_FAILED);
	res = ctl_user_unlocked(pg, email);
	PQfinish(pg);
	if (res != RES_OK || ctl_lockout_clear(email) != RES_OK)
		return (CTL_FAILED);
	printf("%s: failed log-ins are forgotten\n", email);

	return (CTL_DONE);
}

/* The password stays: whoever resets factors should know whose they were. */
enum ctl_exit
ctl_user_reset_factors(const struct ctl_args *args)
{
	enum res res;
	PGconn *pg;
	char email[CTL_EMAIL_MAX + 1], id[UUID_STRLEN + 1];

	if (ctl_user_email(args, NULL, email) != RES_OK)
		return (CTL_USAGE);
	pg = ctl_connect();
	if (pg == NULL)
		return (CTL_FAILED);
	res = ctl_user_id(pg, email, id);
	if (res == RES_OK)
		res = ctl_user_forget_factors(pg, email);
	PQfinish(pg);
	if (res != RES_OK)
		return (CTL_FAILED);
	printf("%s has no second factor any more\n", email);

	return (end_sessions(id));
}
