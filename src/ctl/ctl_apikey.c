/*
 * eleusisctl api-key: for emergencies, from the machine itself. The database
 * is changed first; then the records that servers believe are replaced in
 * Redis by tombstones, which outlive them (src/auth/apikey_forget.c). When
 * that fails the change stands, and is believed everywhere within a minute.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "crypto/crypto.h"
#include "ctl/ctl.h"

/* KEYS: prefixes with a space between them; they may be many. */
static const char forget_script[] =
    "for p in string.gmatch(KEYS[1], '%S+') do"
    " redis.call('SET', 'k:' .. p, '" APIKEY_TOMBSTONE
    "', 'EX', 120) end return 1";

static enum res
forget(const char *prefixes)
{
	static const struct ctl_redis_words words = {
		"warning: the servers could not be told",
		"they may believe an API key for a minute"
	};
	const char *const keys[] = { prefixes };

	if (prefixes[0] == '\0')
		return (RES_OK);

	return (ctl_redis_eval(&words, forget_script, NELEM(keys), keys));
}

/* The first column of all rows. */
static char *
join(const PGresult *rows)
{
	size_t n = (size_t)PQntuples(rows);
	char *text = calloc(n + 1, APIKEY_PREFIX_STRLEN + 2);

	for (int i = 0; text != NULL && i < PQntuples(rows); i++)
		(void)sprintf(
		    text + strlen(text), "%s ", PQgetvalue(rows, i, 0));

	return (text);
}

enum res
ctl_apikeys_live(PGconn *pg, const char *user_id, char **prefixes, int *n)
{
	PGresult *rows = ctl_apikey_live(pg, user_id);

	*prefixes = NULL;
	if (rows == NULL)
		return (RES_ERR);
	*n = PQntuples(rows);
	*prefixes = join(rows);
	PQclear(rows);
	if (*prefixes != NULL)
		return (RES_OK);
	ctl_error("out of memory");

	return (RES_ERR);
}

enum res
ctl_apikeys_forget(char **prefixes)
{
	enum res res = forget(*prefixes);

	free(*prefixes);
	*prefixes = NULL;

	return (res);
}

enum ctl_exit
ctl_apikey_list(const struct ctl_args *args)
{
	const char *given = ctl_value(args, "user");
	char email[CTL_EMAIL_MAX + 1];
	PGresult *res;
	PGconn *pg;

	if (given != NULL && ctl_email(given, email) != RES_OK)
		return (CTL_USAGE);
	if ((pg = ctl_connect()) == NULL)
		return (CTL_FAILED);
	res = ctl_apikey_rows(pg, given != NULL ? email : NULL);
	for (int i = 0; res != NULL && i < PQntuples(res); i++)
		printf("%s  %-13s  %-20s  %-20s  %s  %s  (%s)\n",
		    PQgetvalue(res, i, 0), PQgetvalue(res, i, 2),
		    PQgetvalue(res, i, 3), PQgetvalue(res, i, 4),
		    PQgetvalue(res, i, 1), PQgetvalue(res, i, 5),
		    PQgetvalue(res, i, 6));
	PQclear(res);
	PQfinish(pg);

	return (res != NULL ? CTL_DONE : CTL_FAILED);
}

static enum res
end_one(PGconn *pg, const char *prefix)
{
	bool changed;

	if (ctl_apikey_end(pg, prefix, &changed) != RES_OK)
		return (RES_ERR);
	printf("%s %s revoked\n", prefix, changed ? "is" : "was already");

	return (RES_OK);
}

/* Each in a statement of its own: what is revoked when one fails stays so. */
static enum res
end_all(PGconn *pg, const char *prefixes)
{
	char prefix[APIKEY_PREFIX_STRLEN + 1];

	for (const char *p = prefixes; *p != '\0';
	     p += APIKEY_PREFIX_STRLEN + 1) {
		(void)snprintf(prefix, sizeof(prefix), "%s", p);
		if (end_one(pg, prefix) != RES_OK)
			return (RES_ERR);
	}

	return (RES_OK);
}

static enum ctl_exit
revoke_of_user(PGconn *pg, const char *email)
{
	char id[UUID_STRLEN + 1], *prefixes;
	enum res res;
	int n;

	if (ctl_user_id(pg, email, id) != RES_OK ||
	    ctl_apikeys_live(pg, id, &prefixes, &n) != RES_OK)
		return (CTL_FAILED);
	if (n == 0)
		printf("%s has no API keys that are not revoked\n", email);
	res = end_all(pg, prefixes);
	/* Also after a failure: some may be revoked. */
	if (ctl_apikeys_forget(&prefixes) != RES_OK && res == RES_OK)
		return (CTL_SESSIONS_REMAIN);

	return (res == RES_OK ? CTL_DONE : CTL_FAILED);
}

static enum ctl_exit
revoke_one(PGconn *pg, const char *prefix)
{
	if (ctl_apikey_exists(pg, prefix) != RES_OK ||
	    end_one(pg, prefix) != RES_OK)
		return (CTL_FAILED);

	return (forget(prefix) == RES_OK ? CTL_DONE : CTL_SESSIONS_REMAIN);
}

/* One key or one user's; a whole key has no business on a command line. */
static enum res
target_of(const struct ctl_args *args, char email[CTL_EMAIL_MAX + 1])
{
	const char *user = ctl_value(args, "user"), *prefix = args->operand;

	email[0] = '\0';
	if ((user != NULL) == (prefix != NULL)) {
		ctl_error("either PREFIX or --user EMAIL is needed");
		return (RES_ERR);
	}
	if (user != NULL)
		return (ctl_email(user, email));
	if (api_prefix_form(prefix) && prefix[APIKEY_PREFIX_STRLEN] == '\0')
		return (RES_OK);
	ctl_error("that is not the prefix of an API key");
	ctl_hint("its first %d characters, as in elk_0123456789abcdef",
	    APIKEY_PREFIX_STRLEN);

	return (RES_ERR);
}

enum ctl_exit
ctl_apikey_revoke(const struct ctl_args *args)
{
	char email[CTL_EMAIL_MAX + 1];
	enum ctl_exit code;
	PGconn *pg;

	if (target_of(args, email) != RES_OK)
		return (CTL_USAGE);
	if ((pg = ctl_connect()) == NULL)
		return (CTL_FAILED);
	code = email[0] != '\0' ? revoke_of_user(pg, email) :
				  revoke_one(pg, args->operand);
	PQfinish(pg);

	return (code);
}
