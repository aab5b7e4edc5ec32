/*
 * Settings: one typed row each in tbl/settings.def, read once at start-up
 * and constant from then on. Environment goes over file, file over default.
 * All mistakes are gathered, one a line, so that an operator mends them in
 * one go; production also refuses what is only good for development.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base_priv.h"

#define S_SECRET     1 /* masked when printed */
#define S_NODEV      2 /* production: must be set, and not to the default */
#define S_FILE       4 /* a path that must exist */
#define LINE_SIZE    1024
#define NAME_MAX_LEN 64
#define ENV_PREFIX   "ELEUSIS_"
/* OWASP's least memory for Argon2id with two passes. */
#define PROD_ARGON2_MEM_KIB 19456
/* The lists of browsers take hosts that promise a year. */
#define HSTS_PRELOAD_S 31536000

enum stype {
	S_UNSET = 0,
	S_STR,
	S_INT,
	S_BOOL
};

struct row {
	const char *id, *def, *text;
	enum stype type;
	int64_t min, max;
	unsigned flags;
};

struct value {
	char *s;
	int64_t i;
	bool b;
	const char *origin; /* "default", "file" or "env" */
	unsigned line;      /* in the file */
};

/* What settings_load() has to say so far. */
struct report {
	char *msg;
	size_t size, len;
	bool failed;
};

static const struct row rows[SETTING_MAX] = {
#define SETTING(id, type, def, min, max, flags, text) \
	[SETTING_##id] = { #id, def, text, S_##type, min, max, flags },
#include "base/tbl/settings.def"
#undef SETTING
};

static struct value values[SETTING_MAX];

static void PRINTF(2, 3) mistake(struct report *rep, const char *fmt, ...)
{
	int n;
	size_t room;
	va_list ap;

	rep->failed = true;
	room = rep->size - rep->len;
	if (room < 2)
		return;
	if (rep->len > 0) {
		rep->msg[rep->len++] = '\n';
		rep->msg[rep->len] = '\0';
		room--;
	}

	va_start(ap, fmt);
	n = vsnprintf(rep->msg + rep->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		rep->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* The name as operators write it in files: lower case. */
static const char *
row_name(const struct row *row, char out[NAME_MAX_LEN])
{
	size_t i;

	for (i = 0; row->id[i] != '\0' && i + 1 < NAME_MAX_LEN; i++)
		out[i] = row->id[i] == '_' ? '_' : (char)(row->id[i] | 0x20);
	out[i] = '\0';

	return (out);
}

static enum setting_id
find(const char *name)
{
	int id;
	char buf[NAME_MAX_LEN];

	for (id = SETTING_UNSET + 1; id < SETTING_MAX; id++) {
		if (strcmp(row_name(&rows[id], buf), name) == 0)
			return ((enum setting_id)id);
	}

	return (SETTING_UNSET);
}

static void
set(enum setting_id id, const char *s, const char *origin, unsigned line)
{
	struct value *v;

	v = &values[id];
	free(v->s);
	if ((v->s = strdup(s)) == NULL)
		abort();
	v->origin = origin;
	v->line = line;
}

static void
load_defaults(void)
{
	int id;

	for (id = SETTING_UNSET + 1; id < SETTING_MAX; id++)
		set((enum setting_id)id, rows[id].def, "default", 0);
}

/* Cuts white space off both ends, in place. */
static char *
trim(char *s)
{
	size_t len;

	s += strspn(s, " \t\r\n");
	len = strlen(s);
	while (len > 0 && strchr(" \t\r\n", s[len - 1]) != NULL)
		len--;
	s[len] = '\0';

	return (s);
}

/* A '#' at the start or after white space begins a comment. */
static void
cut_comment(char *line)
{
	char *c;

	for (c = line; (c = strchr(c, '#')) != NULL; c++) {
		if (c == line || c[-1] == ' ' || c[-1] == '\t') {
			*c = '\0';
			return;
		}
	}
}

static void
load_line(struct report *rep, const char *file, unsigned n, char *line)
{
	enum setting_id id;
	char *name, *value;

	cut_comment(line);
	name = trim(line);
	if (*name == '\0')
		return;
	if ((value = strchr(name, '=')) == NULL) {
		mistake(rep, "%s:%u: not of the form name = value", file, n);
		return;
	}
	*value++ = '\0';
	name = trim(name);
	if ((id = find(name)) == SETTING_UNSET) {
		mistake(rep, "%s:%u: there is no setting %s", file, n, name);
		return;
	}
	if (values[id].line != 0) {
		mistake(rep, "%s:%u: %s is set on line %u already", file, n,
		    name, values[id].line);
		return;
	}
	set(id, trim(value), "file", n);
}

static void
load_file(struct report *rep, const char *file)
{
	FILE *fp;
	unsigned n;
	char line[LINE_SIZE];

	if ((fp = fopen(file, "re")) == NULL) {
		mistake(rep, "%s: %s", file, strerror(errno));
		return;
	}
	for (n = 1; fgets(line, sizeof(line), fp) != NULL; n++) {
		if (strlen(line) == sizeof(line) - 1) {
			mistake(rep, "%s:%u: the line is too long", file, n);
			break;
		}
		load_line(rep, file, n, line);
	}
	if (ferror(fp))
		mistake(rep, "%s: cannot be read", file);
	fclose(fp);
}

static void
load_env(void)
{
	int id;
	const char *s;
	char name[sizeof(ENV_PREFIX) + NAME_MAX_LEN];

	for (id = SETTING_UNSET + 1; id < SETTING_MAX; id++) {
		snprintf(name, sizeof(name), ENV_PREFIX "%s", rows[id].id);
		if ((s = getenv(name)) != NULL)
			set((enum setting_id)id, s, "env", 0);
	}
}

static bool
one_of(const char *s, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (strcmp(s, *list) == 0)
			return (true);
	}

	return (false);
}

static void
check_str(
    struct report *rep, const struct row *row, const char *name, const char *s)
{
	const char *c;
	struct stat st;
	int64_t len;

	len = (int64_t)strlen(s);
	if (len < row->min || len > row->max)
		mistake(rep, "%s: %lld to %lld characters, not %lld", name,
		    (long long)row->min, (long long)row->max, (long long)len);
	if (!utf8_valid(s, (size_t)len))
		mistake(rep, "%s: not UTF-8", name);
	for (c = s; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			mistake(rep, "%s: holds a control character", name);
			break;
		}
	}
	if ((row->flags & S_FILE) != 0 && *s != '\0' && stat(s, &st) != 0)
		mistake(rep, "%s: %s: %s", name, s, strerror(errno));
}

static void
check_bool(struct report *rep, const char *name, struct value *v)
{
	static const char *const yes[] = { "true", "yes", "on", "1", NULL };
	static const char *const no[] = { "false", "no", "off", "0", NULL };

	v->b = one_of(v->s, yes);
	if (!v->b && !one_of(v->s, no))
		mistake(rep, "%s: true or false, nothing else", name);
}

static void
check_row(struct report *rep, const struct row *row, struct value *v)
{
	char name[NAME_MAX_LEN];

	row_name(row, name);
	switch (row->type) {
	case S_STR:
		check_str(rep, row, name, v->s);
		break;
	case S_INT:
		if (!str_to_int64(v->s, row->min, row->max, &v->i))
			mistake(rep, "%s: a whole number from %lld to %lld",
			    name, (long long)row->min, (long long)row->max);
		break;
	case S_BOOL:
		check_bool(rep, name, v);
		break;
	case S_UNSET:
		assert(false && "a setting without a type");
	}
}

static void
check_origins(struct report *rep)
{
	bool dev = strcmp(values[SETTING_ENV].s, "dev") == 0;
	const char *why;

	if ((why = origin_mistake(values[SETTING_ORIGIN].s, false)) != NULL)
		mistake(rep, "origin: %s", why);
	if ((why = origins_mistake(values[SETTING_CORS_ORIGINS].s, dev)) !=
	    NULL)
		mistake(rep, "cors_origins: %s", why);
}

static bool
origin_is_local(const char *s)
{
	static const char *const local[] = { "localhost", "127.0.0.1", "[::1]",
		"0.0.0.0", NULL };
	char host[256];
	size_t len;

	s += strncmp(s, "https://", 8) == 0 ? 8 : 0;
	len = *s == '[' ? strcspn(s, "]") + 1 : strcspn(s, ":/");
	snprintf(host, sizeof(host), "%.*s", (int)len, s);
	len = strlen(host);

	return (one_of(host, local) || strncmp(host, "127.", 4) == 0 ||
		(len > 10 && strcmp(host + len - 10, ".localhost") == 0));
}

/* Rules that tie a value to a list or to another value. */
static void
check_rules(struct report *rep)
{
	static const char *const envs[] = { "dev", "staging", "prod", NULL };
	static const char *const levels[] = { "debug", "info", "warn", "error",
		NULL };
	static const char *const ssl[] = { "disable", "allow", "prefer",
		"require", "verify-ca", "verify-full", NULL };

	if (!one_of(values[SETTING_ENV].s, envs))
		mistake(rep, "env: dev, staging or prod, nothing else");
	if (!one_of(values[SETTING_LOG_LEVEL].s, levels))
		mistake(rep, "log_level: debug, info, warn or error");
	if (!one_of(values[SETTING_DB_SSLMODE].s, ssl))
		mistake(rep, "db_sslmode: a mode libpq knows");
	if (values[SETTING_SESSION_IDLE_S].i > values[SETTING_SESSION_MAX_S].i)
		mistake(rep, "session_idle_s: greater than session_max_s");
	if (values[SETTING_HSTS_PRELOAD].b &&
	    values[SETTING_HSTS_MAX_AGE_S].i < HSTS_PRELOAD_S)
		mistake(rep, "hsts_preload: needs an hsts_max_age_s of %d",
		    HSTS_PRELOAD_S);
	check_origins(rep);
}

static void
check_prod(struct report *rep)
{
	int id;
	char name[NAME_MAX_LEN];

	for (id = SETTING_UNSET + 1; id < SETTING_MAX; id++) {
		if ((rows[id].flags & S_NODEV) == 0)
			continue;
		if (strcmp(values[id].s, rows[id].def) == 0)
			mistake(rep, "%s: production needs its own value",
			    row_name(&rows[id], name));
	}
	if (values[SETTING_ARGON2_MEM_KIB].i < PROD_ARGON2_MEM_KIB)
		mistake(rep, "argon2_mem_kib: production needs %d or more",
		    PROD_ARGON2_MEM_KIB);
	if (origin_is_local(values[SETTING_ORIGIN].s))
		mistake(rep, "origin: production is not reached at localhost");
}

enum res
settings_load(const char *file, char *msg, size_t msglen)
{
	struct report rep = { .msg = msg, .size = msglen };
	int id;

	assert(msglen > 0);
	msg[0] = '\0';

	load_defaults();
	if (file != NULL)
		load_file(&rep, file);
	load_env();
	for (id = SETTING_UNSET + 1; id < SETTING_MAX; id++)
		check_row(&rep, &rows[id], &values[id]);
	check_rules(&rep);
	if (strcmp(values[SETTING_ENV].s, "prod") == 0)
		check_prod(&rep);

	return (rep.failed ? RES_ERR : RES_OK);
}

static const struct value *
get(enum setting_id id, enum stype type)
{
	assert(id > SETTING_UNSET && id < SETTING_MAX);
	assert(rows[id].type == type && values[id].s != NULL);
	(void)type;

	return (&values[id]);
}

const char *
setting_str(enum setting_id id)
{
	return (get(id, S_STR)->s);
}

int64_t
setting_int(enum setting_id id)
{
	return (get(id, S_INT)->i);
}

bool
setting_bool(enum setting_id id)
{
	return (get(id, S_BOOL)->b);
}

void
settings_print(void (*line)(const char *))
{
	int id;
	const char *s;
	char name[NAME_MAX_LEN], text[LINE_SIZE];

	for (id = SETTING_UNSET + 1; id < SETTING_MAX; id++) {
		s = values[id].s;
		if ((rows[id].flags & S_SECRET) != 0 && *s != '\0')
			s = "********";
		snprintf(text, sizeof(text), "%-23s = %-24s # %s: %s",
		    row_name(&rows[id], name), s, values[id].origin,
		    rows[id].text);
		line(text);
	}
}
