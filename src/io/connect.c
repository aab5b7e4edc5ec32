/*
 * From settings to connections. The password files are read in the parent,
 * as root and outside the chroot; the clients start in each worker.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/io_priv.h"

#define SECRET_MAX 512

static char db_password[SECRET_MAX], redis_password[SECRET_MAX],
    mail_password[SECRET_MAX];

/* The first line of a file; an empty path leaves out empty. */
static enum res
secret_read(enum setting_id id, char out[SECRET_MAX], char *msg, size_t len)
{
	const char *path = setting_str(id);
	FILE *f;
	bool ok;

	if (*path == '\0')
		return (RES_OK);
	if ((f = fopen(path, "re")) == NULL) {
		(void)snprintf(
		    msg, len, "cannot read %s: %s", path, strerror(errno));
		return (RES_ERR);
	}
	ok = fgets(out, SECRET_MAX, f) != NULL;
	fclose(f);
	out[strcspn(out, "\r\n")] = '\0';
	if (ok && *out != '\0')
		return (RES_OK);
	(void)snprintf(msg, len, "%s holds no password", path);
	return (RES_ERR);
}

enum res
io_load_secrets(char *msg, size_t len)
{
	if (secret_read(SETTING_DB_PASSWORD_FILE, db_password, msg, len) !=
		RES_OK ||
	    secret_read(SETTING_REDIS_PASSWORD_FILE, redis_password, msg,
		len) != RES_OK)
		return (RES_ERR);
	return (
	    secret_read(SETTING_MAIL_PASSWORD_FILE, mail_password, msg, len));
}

const char *
io_mail_password(void)
{
	return (mail_password);
}

void
io_connect(void)
{
	const struct db_config db = {
		.host = setting_str(SETTING_DB_HOST),
		.port = (int)setting_int(SETTING_DB_PORT),
		.name = setting_str(SETTING_DB_NAME),
		.user = setting_str(SETTING_DB_USER),
		.password = *db_password != '\0' ? db_password : NULL,
		.sslmode = setting_str(SETTING_DB_SSLMODE),
		.nread = (int)setting_int(SETTING_DB_READ_CONNS),
		.nwrite = (int)setting_int(SETTING_DB_WRITE_CONNS),
		.timeout_ms = (int)setting_int(SETTING_DB_TIMEOUT_MS),
	};
	const struct redis_config redis = {
		.host = setting_str(SETTING_REDIS_HOST),
		.port = (int)setting_int(SETTING_REDIS_PORT),
		.password = *redis_password != '\0' ? redis_password : NULL,
		.timeout_ms = (int)setting_int(SETTING_REDIS_TIMEOUT_MS),
	};

	db_init(&db);
	redis_init(&redis);
}
