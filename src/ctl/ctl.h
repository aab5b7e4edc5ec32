/*
 * ctl/: eleusisctl, the one command-line tool. It runs beside the server,
 * with libpq's blocking calls, as the owner of the schema. Commands print
 * what they did on standard output, and on standard error what went wrong
 * and what to do about it.
 */
#ifndef CTL_H
#define CTL_H

#include <libpq-fe.h>

#include "base/base.h"

#ifndef ELEUSIS_VERSION
#define ELEUSIS_VERSION "dev"
#endif

/* Exit codes: done, not done, not understood, done but Redis was not told. */
enum ctl_exit {
	CTL_DONE = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_SESSIONS_REMAIN = 3
};

/* Keys of the advisory locks, so that two runs do not cross. */
#define CTL_LOCK_MIGRATE	"7305513001"
#define CTL_LOCK_FIRST_ADMIN	"7305513002"

/* ctl_options.c: a command's options are rows; help comes from them. */
struct ctl_option {
	const char	*name;		/* without "--"; NULL: last row */
	const char	*arg;		/* what follows it; NULL: a flag */
	const char	*text;
};
struct ctl_args;
struct ctl_command {
	const char			*name;	/* "user create" */
	const char			*operand; /* "EMAIL"; NULL: none */
	const char			*summary;
	const char			*text;	/* more help; may be NULL */
	const struct ctl_option		*options; /* may be NULL */
	bool				 needs_settings;
	enum ctl_exit			(*run)(const struct ctl_args *);
};
#define CTL_OPTIONS_MAX	12
struct ctl_args {
	const struct ctl_command	*cmd;
	const char			*config;	/* --config */
	const char			*operand;
	bool				 help;
	const char			*values[CTL_OPTIONS_MAX];
};
/* Parses what follows the command's name; RES_ERR after saying why. */
enum res	 ctl_parse(int argc, char **argv, struct ctl_args *);
/* The value of an option of the command, "" for a flag; NULL: not given. */
const char	*ctl_value(const struct ctl_args *, const char *name);
void		 ctl_help(const struct ctl_command *);

/* ctl_say.c: one line "eleusisctl: ..." on standard error. */
void		 ctl_error(const char *, ...) PRINTF(1, 2);
/* A second line, indented: what to do. */
void		 ctl_hint(const char *, ...) PRINTF(1, 2);

/* ctl_file.c: a whole regular file, or standard input for "-". The memory is
 * guarded, NUL-terminated and freed with sodium_free(). */
enum res	 ctl_read_file(const char *path, size_t max, char **, size_t *);
/* The first line of a file of one secret; the same memory. */
enum res	 ctl_read_secret(const char *path, size_t max, char **);

/* ctl_db.c: connects as the owner; NULL after saying why. */
PGconn		*ctl_connect(void);
/* Text parameters; NULL after rolling back and saying what failed. */
PGresult	*ctl_query(PGconn *, const char *what, const char *sql,
		    int nparams, const char *const *params);
/* The same without an answer of interest. */
enum res	 ctl_run(PGconn *, const char *what, const char *sql);
enum res	 ctl_lock(PGconn *, const char *key, const char *what);

/* ctl_migration_files.c: NNNN_name.sql, without gaps, sorted. */
#define CTL_SHA256_HEX	64
struct ctl_migration {
	int	 version;
	char	 name[128];			/* the file's name */
	char	 sha256[CTL_SHA256_HEX + 1];
	char	*sql;
};
struct ctl_migrations {
	struct ctl_migration	*v;
	int			 n;
};
enum res	 ctl_migrations_read(const char *dir, struct ctl_migrations *);
void		 ctl_migrations_free(struct ctl_migrations *);

/* ctl_migration_db.c */
struct ctl_applied {
	PGresult	*rows;
	int		 n;
};
/* Missing tables count as nothing applied. */
enum res	 ctl_applied_read(PGconn *, struct ctl_applied *);
void		 ctl_applied_free(struct ctl_applied *);
const char	*ctl_applied_at(const struct ctl_applied *, int);
/* RES_ERR, naming the files, when what was applied is not what is here. */
enum res	 ctl_applied_check(const struct ctl_applied *,
		    const struct ctl_migrations *);
enum res	 ctl_migration_table(PGconn *);
/* One file in one transaction, with its row; says how long it took. */
enum res	 ctl_migration_apply(PGconn *, const struct ctl_migration *);
enum res	 ctl_partitions_ensure(PGconn *);

/* ctl_password.c: hashes with the settings' Argon2id parameters. */
struct ctl_password {
	char	*text;		/* sodium_malloc */
	char	 hash[128];
	bool	 generated;
};
/* From a file ("-": standard input), and then as good as the server wants new
 * ones to be; or made up when file is NULL. */
enum res	 ctl_password_get(const char *file, const char *email,
		    const char *name, struct ctl_password *);
void		 ctl_password_wipe(struct ctl_password *);

/* ctl_email.c: lower-cases and checks; RES_ERR after saying why. */
#define CTL_EMAIL_MAX	254
enum res	 ctl_email(const char *, char out[CTL_EMAIL_MAX + 1]);

/* ctl_user_db.c: each change and its audit row are one statement. */
struct ctl_user {
	const char	*email, *name, *role, *hash;
	bool		 onetime;
};
enum res	 ctl_user_insert(PGconn *, const struct ctl_user *);
/* RES_ERR after saying that there is no such user. */
enum res	 ctl_user_id(PGconn *, const char *email,
		    char out[UUID_STRLEN + 1]);
enum res	 ctl_user_set_password(PGconn *, const char *email,
		    const char *hash);
/* changed: false when it was so already. */
enum res	 ctl_user_set_disabled(PGconn *, const char *email,
		    bool disabled, bool *changed);
enum res	 ctl_admin_exists(PGconn *, bool *);
PGresult	*ctl_user_rows(PGconn *);	/* email name role state since */

/* Notes that the user's failed log-ins are forgotten; RES_ERR after saying
 * that there is no such user. */
enum res	 ctl_user_unlocked(PGconn *, const char *email);
enum res	 ctl_user_forget_factors(PGconn *, const char *email);
/* RES_ERR after saying that there is no such user. */
enum res	 ctl_user_set_role(PGconn *, const char *email,
		    const char *role);
/* With a space between them; NULL: all of the role's. */
enum res	 ctl_user_set_scopes(PGconn *, const char *email,
		    const char *scopes);
enum res	 ctl_user_erase(PGconn *, const char *email);

/* ctl_user.c: the e-mail address, as operand or option, and roles; RES_ERR
 * after saying what is wrong with them. */
enum res	 ctl_user_email(const struct ctl_args *, const char *fallback,
		    char out[CTL_EMAIL_MAX + 1]);
enum res	 ctl_user_check_role(const char *);
/* Ends sessions and API keys, as the servers believe them. Frees the text. */
enum ctl_exit	 ctl_user_shut_out(const char *id, char **prefixes);

/* ctl_redis.c: runs one script; RES_ERR after saying "failed: why" and, with
 * what else to know, how to mend it. */
struct ctl_redis_words {
	const char	*failed, *hint;
};
enum res	 ctl_redis_eval(const struct ctl_redis_words *,
		    const char *script, int nkeys, const char *const *keys);

/* ctl_unlock.c: forgets the failed log-ins of an account (in lower case);
 * RES_ERR after saying why not. */
enum res	 ctl_lockout_clear(const char *email);

/* Ends the sessions of a user, of everybody (how many users). */
enum res	 ctl_user_end_sessions(PGconn *, const char *email);
enum res	 ctl_users_end_sessions(PGconn *, int *);

/* ctl_sessions.c: makes Redis forget a user's sessions, after a change that
 * ends them; RES_ERR after warning. */
enum res	 ctl_sessions_end(const char *user_id);

/* ctl_apikey_db.c */
PGresult	*ctl_apikey_rows(PGconn *, const char *email); /* NULL: all */
PGresult	*ctl_apikey_live(PGconn *, const char *user_id); /* prefixes */
/* RES_ERR after saying that there is no such key. */
enum res	 ctl_apikey_exists(PGconn *, const char *prefix);
/* changed: false when it was revoked already. */
enum res	 ctl_apikey_end(PGconn *, const char *prefix, bool *changed);

/* ctl_apikey.c: the prefixes of a user's keys that are not revoked, with a
 * space behind each; how many. */
enum res	 ctl_apikeys_live(PGconn *, const char *user_id, char **, int *);
/* Makes the servers ask the database for them, and frees the text; RES_ERR
 * after warning. */
enum res	 ctl_apikeys_forget(char **prefixes);

/* ctl_mail_db.c */
struct mail_row;
enum res	 ctl_mail_queue(PGconn *, const struct mail_row *);
PGresult	*ctl_mail_rows(PGconn *); /* queued kind state attempts error */

/* The commands */
enum ctl_exit	 ctl_apikey_list(const struct ctl_args *);
enum ctl_exit	 ctl_apikey_revoke(const struct ctl_args *);
enum ctl_exit	 ctl_keys_create(const struct ctl_args *);
enum ctl_exit	 ctl_keys_check(const struct ctl_args *);
enum ctl_exit	 ctl_mail_list(const struct ctl_args *);
enum ctl_exit	 ctl_mail_test(const struct ctl_args *);
enum ctl_exit	 ctl_migrate(const struct ctl_args *);
enum ctl_exit	 ctl_network_list(const struct ctl_args *);
enum ctl_exit	 ctl_network_clear(const struct ctl_args *);
enum ctl_exit	 ctl_passwords_build(const struct ctl_args *);
enum ctl_exit	 ctl_passwords_check(const struct ctl_args *);
enum ctl_exit	 ctl_user_create(const struct ctl_args *);
enum ctl_exit	 ctl_user_list(const struct ctl_args *);
enum ctl_exit	 ctl_user_delete(const struct ctl_args *);
enum ctl_exit	 ctl_user_disable(const struct ctl_args *);
enum ctl_exit	 ctl_user_role(const struct ctl_args *);
enum ctl_exit	 ctl_user_scopes(const struct ctl_args *);
enum ctl_exit	 ctl_user_enable(const struct ctl_args *);
enum ctl_exit	 ctl_user_reset_password(const struct ctl_args *);
enum ctl_exit	 ctl_user_unlock(const struct ctl_args *);
enum ctl_exit	 ctl_user_reset_factors(const struct ctl_args *);
enum ctl_exit	 ctl_sessions_end_command(const struct ctl_args *);
enum ctl_exit	 ctl_tls_check(const struct ctl_args *);
enum ctl_exit	 ctl_settings(const struct ctl_args *);
enum ctl_exit	 ctl_version(const struct ctl_args *);

#endif
