/*
 * Options of a command: "--name value", "--name=value" and flags, in any
 * order around at most one operand. What a command takes is in its table;
 * --help and --config go with every command.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

static const struct ctl_option common[] = {
	{ "config", "FILE", "the settings file" },
	{ "help", NULL, "this text" },
	{ NULL, NULL, NULL },
};

/* The index of the row named by len bytes; -1: none. */
static int
row_find(const struct ctl_option *rows, const char *name, size_t len)
{
	int i;

	for (i = 0; rows != NULL && rows[i].name != NULL; i++) {
		assert(i < CTL_OPTIONS_MAX);
		if (strlen(rows[i].name) == len &&
		    memcmp(rows[i].name, name, len) == 0)
			return (i);
	}

	return (-1);
}

static enum res
refuse(const struct ctl_args *args, const char *what, const char *word)
{
	ctl_error("%s: %s", word, what);
	ctl_hint("eleusisctl %s --help", args->cmd->name);

	return (RES_ERR);
}

/* Finds the value of a row that takes one, and steps over it. */
static enum res
take_value(const struct ctl_args *args, const struct ctl_option *row, int argc,
    char **argv, int *i, const char **out)
{
	char *eq;

	eq = strchr(argv[*i], '=');
	if (row->arg == NULL) {
		if (eq != NULL)
			return (refuse(args, "takes no value", argv[*i]));
		*out = "";
		return (RES_OK);
	}
	if (eq == NULL && *i + 1 == argc)
		return (refuse(args, "needs a value", argv[*i]));
	*out = eq != NULL ? eq + 1 : argv[++*i];

	return (RES_OK);
}

static enum res
parse_option(struct ctl_args *args, int argc, char **argv, int *i)
{
	int row;
	size_t len;
	const char *name, *word, *value;
	const struct ctl_option *rows;

	word = argv[*i];
	name = word + 2;
	len = strcspn(name, "=");
	rows = args->cmd->options;
	row = row_find(rows, name, len);
	if (row < 0) {
		rows = common;
		row = row_find(rows, name, len);
	}
	if (row < 0)
		return (refuse(args, "there is no such option", word));
	if (take_value(args, &rows[row], argc, argv, i, &value) != RES_OK)
		return (RES_ERR);
	if (rows == common) {
		args->help |= rows[row].arg == NULL;
		args->config = rows[row].arg == NULL ? args->config : value;
		return (RES_OK);
	}
	if (args->values[row] != NULL)
		return (refuse(args, "given twice", word));
	args->values[row] = value;

	return (RES_OK);
}

enum res
ctl_parse(int argc, char **argv, struct ctl_args *args)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "-h") == 0) {
			args->help = true;
			continue;
		}
		if (strncmp(argv[i], "--", 2) == 0) {
			if (parse_option(args, argc, argv, &i) != RES_OK)
				return (RES_ERR);
			continue;
		}
		if (args->cmd->operand == NULL || args->operand != NULL)
			return (refuse(args, "one word too many", argv[i]));
		args->operand = argv[i];
	}

	return (RES_OK);
}

const char *
ctl_value(const struct ctl_args *args, const char *name)
{
	int row;

	row = row_find(args->cmd->options, name, strlen(name));
	assert(row >= 0);

	return (args->values[row]);
}

static void
help_rows(const struct ctl_option *rows)
{
	char left[64];

	for (; rows != NULL && rows->name != NULL; rows++) {
		snprintf(left, sizeof(left), "--%s %s", rows->name,
		    rows->arg != NULL ? rows->arg : "");
		printf("  %-22s %s\n", left, rows->text);
	}
}

void
ctl_help(const struct ctl_command *cmd)
{
	printf("Usage: eleusisctl %s [OPTION...]%s%s%s\n\n%s", cmd->name,
	    cmd->operand != NULL ? " [" : "",
	    cmd->operand != NULL ? cmd->operand : "",
	    cmd->operand != NULL ? "]" : "", cmd->summary);
	printf(".\n");
	if (cmd->text != NULL)
		printf("%s\n", cmd->text);
	printf("\nOptions:\n");
	help_rows(cmd->options);
	help_rows(common);
}
