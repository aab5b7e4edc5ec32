/*
 * eleusisctl: finds the command, loads the settings when it needs them, and
 * runs it. The table below is the whole list; help is printed from it.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"

static const struct ctl_option migrate_options[] = {
	{ "status", NULL, "only show what is applied and what is not" },
	{ "dir", "DIR", "where the files are; default: migrations" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option create_options[] = {
	{ "email", "EMAIL", "the log-in name; may also come as EMAIL" },
	{ "name", "NAME", "for display" },
	{ "role", "ROLE", "admin, clinician, auditor or service" },
	{ "password-file", "FILE",
	    "its first line is the password; -: standard input" },
	{ "onetime", NULL, "that password must be changed at first log-in" },
	{ "first-admin", NULL,
	    "make an admin unless there is one; then do nothing" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option email_options[] = {
	{ "email", "EMAIL", "the user; may also come as EMAIL" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option role_options[] = {
	{ "email", "EMAIL", "the user; may also come as EMAIL" },
	{ "role", "ROLE", "admin, clinician, auditor or service" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option scopes_options[] = {
	{ "email", "EMAIL", "the user; may also come as EMAIL" },
	{ "scopes", "LIST", "names with a space between them" },
	{ "all", NULL, "all that the role allows" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option sessions_options[] = {
	{ "user", "EMAIL", "all sessions of this user" },
	{ "all", NULL, "all sessions of all users" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option apikey_options[] = {
	{ "user", "EMAIL", "only the keys of this user" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option settings_options[] = {
	{ "markdown", NULL, "print the documentation, not the values" },
	{ NULL, NULL, NULL },
};

#define SESSIONS_REMAIN                                                        \
	"Exit status 3: done, but Redis could not be reached: open sessions\n" \
	"end within a second instead of at once."

static const struct ctl_option tls_options[] = {
	{ "key", "FILE", "its private key" },
	{ "name", "HOST", "a name or address that it must be good for" },
	{ "days", "NUMBER", "it must be good for this long yet" },
	{ NULL, NULL, NULL },
};

static const struct ctl_option passwords_options[] = {
	{ "out", "FILE", "where the list goes" },
	{ NULL, NULL, NULL },
};

static const struct ctl_command commands[] = {
	{ "keys create", NULL, "make the key directory and the root key",
	    "Makes key_dir (0700) and root.key (0600) unless they are there.\n"
	    "Never overwrites a key: losing it is losing every patient.",
	    NULL, true, ctl_keys_create },
	{ "keys check", NULL, "check the key files and their modes", NULL, NULL,
	    true, ctl_keys_check },
	{ "migrate", NULL, "bring the database schema up to date",
	    "Applies the missing NNNN_name.sql in order, each in a "
	    "transaction\n"
	    "of its own, as db_owner; then makes the audit partitions of the\n"
	    "next 24 months. Safe to run again, and by two at once.",
	    migrate_options, true, ctl_migrate },
	{ "user create", "EMAIL", "add a user",
	    "Without --password-file a one-time password is made and shown.",
	    create_options, true, ctl_user_create },
	{ "user list", NULL, "list the users", NULL, NULL, true,
	    ctl_user_list },
	{ "user disable", "EMAIL", "shut a user out",
	    "Log-ins fail, patients are out of sight, and open sessions end, "
	    "at once.\n" SESSIONS_REMAIN,
	    email_options, true, ctl_user_disable },
	{ "user enable", "EMAIL", "let a user in again", NULL, email_options,
	    true, ctl_user_enable },
	{ "user reset-password", "EMAIL", "give a user a one-time password",
	    "The old password and every open session end at "
	    "once.\n" SESSIONS_REMAIN,
	    email_options, true, ctl_user_reset_password },
	{ "user reset-factors", "EMAIL", "take a user's second factors away",
	    "For who has lost hers: authenticator app, recovery codes and\n"
	    "passkeys go, the password stays, and every open session ends.\n"
	    "Be sure first that it is she who asks.\n" SESSIONS_REMAIN,
	    email_options, true, ctl_user_reset_factors },
	{ "user role", "EMAIL", "give a user another role",
	    "Open sessions end, and API keys follow, at "
	    "once.\n" SESSIONS_REMAIN,
	    role_options, true, ctl_user_role },
	{ "user scopes", "EMAIL", "narrow what the role allows a user",
	    "Open sessions end, and API keys follow, at "
	    "once.\n" SESSIONS_REMAIN,
	    scopes_options, true, ctl_user_scopes },
	{ "user delete", "EMAIL", "delete a user for good",
	    "Name, address, password, second factors and API keys go; the "
	    "id stays, for the\naudit log.\n" SESSIONS_REMAIN,
	    email_options, true, ctl_user_delete },
	{ "user unlock", "EMAIL", "end the back-off after failed log-ins",
	    "Forgets the failures of the account, from every address and\n"
	    "device. Those of a whole network stay.",
	    email_options, true, ctl_user_unlock },
	{ "sessions end", NULL, "end the sessions of a user, or of everybody",
	    "They are over with their next request; everybody may log in "
	    "again.\n" SESSIONS_REMAIN,
	    sessions_options, true, ctl_sessions_end_command },
	{ "api-key list", NULL, "list the API keys",
	    "Prefix, state, end, last use, user, name and scopes. Keys "
	    "themselves\nare nowhere: only a hash of each is kept.",
	    apikey_options, true, ctl_apikey_list },
	{ "api-key revoke", "PREFIX", "end an API key, or all of a user's",
	    "At once and for good.\n"
	    "Exit status 3: done, but Redis could not be reached, and the "
	    "servers\nmay believe the key for a minute.",
	    apikey_options, true, ctl_apikey_revoke },
	{ "mail test", "ADDRESS", "send a test message",
	    "Queues it for the running server, whose settings count.", NULL,
	    true, ctl_mail_test },
	{ "mail list", NULL, "list the last 50 mails",
	    "When queued, kind, state, attempts and why the last one failed.\n"
	    "To whom, and what they say, is sealed.",
	    NULL, true, ctl_mail_list },
	{ "network list", NULL, "list the network rules in force", NULL, NULL,
	    true, ctl_network_list },
	{ "network clear", NULL, "remove every network rule",
	    "For whoever has shut out all administrators: requests are then\n"
	    "taken from everywhere. Workers follow within a second.",
	    NULL, true, ctl_network_clear },
	{ "passwords build", "LIST", "make a list of breached passwords",
	    "LIST (-: standard input) has one a line: as it is, or its SHA-1 "
	    "as in the\nfiles of Have I Been Pwned. The server reads FILE at "
	    "its start: breached_file.",
	    passwords_options, false, ctl_passwords_build },
	{ "passwords check", NULL, "would this password be taken?",
	    "Reads it from standard input. Tells why not; exit status 1 then.",
	    NULL, true, ctl_passwords_check },
	{ "settings", NULL, "print the settings in force", NULL,
	    settings_options, true, ctl_settings },
	{ "tls check", "CERT", "may these files be put into service?",
	    "CERT is a PEM file, the server's certificate first, then its "
	    "chain. Prints one\nJSON object; exit status 1 when something is "
	    "wrong with them.",
	    tls_options, false, ctl_tls_check },
	{ "version", NULL, "print the version", NULL, NULL, false,
	    ctl_version },
};

static void
usage(FILE *out)
{
	size_t i;

	fprintf(out, "Usage: eleusisctl [--config FILE] COMMAND [OPTION...]\n"
		     "\n"
		     "Commands:\n");
	for (i = 0; i < NELEM(commands); i++)
		fprintf(
		    out, "  %-20s %s\n", commands[i].name, commands[i].summary);
	fprintf(out,
	    "\n"
	    "eleusisctl COMMAND --help tells more about one of them.\n"
	    "Settings come from ELEUSIS_* in the environment, then from\n"
	    "--config FILE, ELEUSIS_CONFIG or conf/<ELEUSIS_ENV or dev>.conf.\n"
	    "Exit status: 0 done, 1 failed, 2 not understood, 3 done, but a\n"
	    "user's sessions could not be ended.\n");
}

/* How many words of argv make up this name; 0: it is another command. */
static int
words_match(const char *name, int argc, char **argv)
{
	int i;
	size_t len;

	for (i = 0; i < argc; i++) {
		len = strcspn(name, " ");
		if (strlen(argv[i]) != len || memcmp(argv[i], name, len) != 0)
			return (0);
		if (name[len] == '\0')
			return (i + 1);
		name += len + 1;
	}

	return (0);
}

static const struct ctl_command *
command_find(int argc, char **argv, int *used)
{
	size_t i;

	for (i = 0; i < NELEM(commands); i++) {
		*used = words_match(commands[i].name, argc, argv);
		if (*used > 0)
			return (&commands[i]);
	}

	return (NULL);
}

static enum ctl_exit
command_unknown(int argc, char **argv)
{
	if (argc == 0)
		ctl_error("which command?");
	else
		ctl_error("there is no command \"%s%s%s\"", argv[0],
		    argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
	ctl_hint("eleusisctl --help lists them");

	return (CTL_USAGE);
}

/* The file named by --config or ELEUSIS_CONFIG must be there; the one of
 * the environment's name is used when it is. */
static enum res
load_settings(const char *config)
{
	const char *env;
	char path[128], msg[2048];

	if (config == NULL)
		config = getenv("ELEUSIS_CONFIG");
	if (config == NULL || *config == '\0') {
		env = getenv("ELEUSIS_ENV");
		if (env == NULL || *env == '\0')
			env = "dev";
		snprintf(path, sizeof(path), "conf/%.60s.conf", env);
		config = access(path, F_OK) == 0 ? path : NULL;
	}
	if (settings_load(config, msg, sizeof(msg)) == RES_OK)
		return (RES_OK);
	ctl_error("the settings are not right:\n%s", msg);
	ctl_hint("eleusisctl settings --markdown describes each of them");

	return (RES_ERR);
}

/* Documentation can be had without settings that are in order. */
static bool
wants_settings(const struct ctl_args *args)
{
	if (!args->cmd->needs_settings)
		return (false);
	if (args->cmd->run != ctl_settings)
		return (true);

	return (ctl_value(args, "markdown") == NULL);
}

static enum ctl_exit
command_run(int argc, char **argv, const char *config)
{
	int used;
	struct ctl_args args = { .config = config };

	args.cmd = command_find(argc, argv, &used);
	if (args.cmd == NULL)
		return (command_unknown(argc, argv));
	if (ctl_parse(argc - used, argv + used, &args) != RES_OK)
		return (CTL_USAGE);
	if (args.help) {
		ctl_help(args.cmd);
		return (CTL_DONE);
	}
	if (wants_settings(&args) && load_settings(args.config) != RES_OK)
		return (CTL_FAILED);

	return (args.cmd->run(&args));
}

/* Output that did not reach its file is a failure, not a success. */
static int
finish(enum ctl_exit code)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return ((int)code);
	ctl_error("standard output cannot be written");

	return (code == CTL_DONE ? CTL_FAILED : (int)code);
}

int
main(int argc, char **argv)
{
	int i;
	const char *config = NULL;

	if (sodium_init() < 0) {
		ctl_error("libsodium cannot start");
		return (CTL_FAILED);
	}
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0) {
			usage(stdout);
			return (finish(CTL_DONE));
		}
		if (strcmp(argv[i], "--version") == 0)
			return (finish(ctl_version(NULL)));
		if (strcmp(argv[i], "--config") != 0 || i + 1 == argc) {
			ctl_error("option %s is not understood", argv[i]);
			ctl_hint("eleusisctl --help");
			return (CTL_USAGE);
		}
		config = argv[++i];
	}
	if (i == argc) {
		usage(stderr);
		return (CTL_USAGE);
	}

	return (finish(command_run(argc - i, argv + i, config)));
}
