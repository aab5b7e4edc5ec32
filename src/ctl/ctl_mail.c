/*
 * eleusisctl mail: does mail arrive, and what is on its way? Neither shows an
 * address but the one that was given.
 */
#include <stdio.h>
#include <string.h>

#include "crypto/crypto.h"
#include "ctl/ctl.h"
#include "mail/mail.h"

static enum res
queue(struct arena *arena, PGconn *pg, const char *to)
{
	const char *values[] = { "when", mail_when(arena, time_now_us()),
		NULL };
	struct mail_row row;
	const char *why;

	if (mail_compose(arena, MAIL_TEST, to, values, &row, &why) != RES_OK) {
		ctl_error("%s", why);
		return (RES_ERR);
	}
	return (ctl_mail_queue(pg, &row));
}

static enum res
with_key(PGconn *pg, const char *to)
{
	struct arena *arena;
	char msg[512];
	enum res res;

	if (keyring_load(setting_str(SETTING_KEY_DIR), msg, sizeof(msg)) !=
	    RES_OK) {
		ctl_error("%s", msg);
		ctl_hint("key_dir must be the server's");
		return (RES_ERR);
	}
	arena = arena_new();
	res = queue(arena, pg, to);
	arena_destroy(&arena);
	keyring_wipe();

	return (res);
}

enum ctl_exit
ctl_mail_test(const struct ctl_args *args)
{
	PGconn *pg;
	enum res res;

	if (args->operand == NULL) {
		ctl_error("to whom?");
		ctl_hint("eleusisctl mail test ADDRESS");
		return (CTL_USAGE);
	}
	if (*setting_str(SETTING_MAIL_URL) == '\0') {
		ctl_error("mail_url is empty: the server sends no mail");
		return (CTL_FAILED);
	}
	if ((pg = ctl_connect()) == NULL)
		return (CTL_FAILED);
	res = with_key(pg, args->operand);
	PQfinish(pg);
	if (res != RES_OK)
		return (CTL_FAILED);
	printf("queued; the server sends it within seconds, and "
	       "eleusisctl mail list tells how it went\n");

	return (CTL_DONE);
}

enum ctl_exit
ctl_mail_list(const struct ctl_args *args UNUSED)
{
	PGresult *res;
	PGconn *pg;

	if ((pg = ctl_connect()) == NULL)
		return (CTL_FAILED);
	res = ctl_mail_rows(pg);
	for (int i = 0; res != NULL && i < PQntuples(res); i++)
		printf("%s  %-16s  %-9s  %s attempt(s)  %s\n",
		    PQgetvalue(res, i, 0), PQgetvalue(res, i, 1),
		    PQgetvalue(res, i, 2), PQgetvalue(res, i, 3),
		    PQgetvalue(res, i, 4));
	PQclear(res);
	PQfinish(pg);

	return (res != NULL ? CTL_DONE : CTL_FAILED);
}
