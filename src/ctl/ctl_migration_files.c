/*
 * The migration files: NNNN_name.sql, numbered from 0001 without gaps.
 * Anything else that ends in .sql is an error, so that a misnamed file is
 * not passed over in silence; bootstrap.sql is for the superuser.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "ctl/ctl.h"

#define FILE_MAX_BYTES (1u << 20)
#define BOOTSTRAP      "bootstrap.sql"

static bool
is_sql(const char *name)
{
	size_t len;

	len = strlen(name);

	return (len > 4 && name[0] != '.' &&
		strcmp(name + len - 4, ".sql") == 0 &&
		strcmp(name, BOOTSTRAP) != 0);
}

/* The number of "0012_some_name.sql"; 0: not of that form. */
static int
version_of(const char *name)
{
	int i, version;
	const char *c;

	version = 0;
	for (i = 0; i < 4; i++) {
		if (!isdigit((unsigned char)name[i]))
			return (0);
		version = version * 10 + (name[i] - '0');
	}
	if (name[4] != '_' || name[5] == '.' ||
	    strlen(name) >= sizeof(((struct ctl_migration *)0)->name))
		return (0);
	for (c = name + 5; *c != '.'; c++) {
		if (!islower((unsigned char)*c) &&
		    !isdigit((unsigned char)*c) && *c != '_')
			return (0);
	}

	return (strcmp(c, ".sql") == 0 ? version : 0);
}

static enum res
read_one(const char *dir, const char *name, struct ctl_migration *m)
{
	char path[1024];
	size_t len;
	uint8_t digest[32];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (ctl_read_file(path, FILE_MAX_BYTES, &m->sql, &len) != RES_OK)
		return (RES_ERR);
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->version = version_of(name);
	sha256(m->sql, len, digest);
	digest_hex(digest, sizeof(digest), m->sha256);
	if (strlen(m->sql) == len && utf8_valid(m->sql, len))
		return (RES_OK);
	ctl_error("%s: not UTF-8 text", path);

	return (RES_ERR);
}

static enum res
add(const char *dir, const char *name, struct ctl_migrations *all)
{
	struct ctl_migration *more;

	if (version_of(name) == 0) {
		ctl_error("%s/%s: not of the form NNNN_name.sql", dir, name);
		ctl_hint("four digits from 0001 on, then lower-case letters, "
			 "digits and underscores");
		return (RES_ERR);
	}
	more = realloc(all->v, ((size_t)all->n + 1) * sizeof(*more));
	if (more == NULL) {
		ctl_error("out of memory");
		return (RES_ERR);
	}
	all->v = more;
	memset(&all->v[all->n], 0, sizeof(*more));

	return (read_one(dir, name, &all->v[all->n++]));
}

static int
by_version(const void *a, const void *b)
{
	const struct ctl_migration *x = a, *y = b;

	if (x->version != y->version)
		return (x->version < y->version ? -1 : 1);

	return (strcmp(x->name, y->name));
}

static enum res
check_numbers(const char *dir, const struct ctl_migrations *all)
{
	int i;

	if (all->n == 0) {
		ctl_error("%s: no migrations there", dir);
		ctl_hint("run it at the top of the project, or give --dir");
		return (RES_ERR);
	}
	for (i = 0; i < all->n; i++) {
		if (all->v[i].version == i + 1)
			continue;
		if (i > 0 && all->v[i].version == all->v[i - 1].version)
			ctl_error("%s: %s and %s have the same number", dir,
			    all->v[i - 1].name, all->v[i].name);
		else
			ctl_error("%s: %04d is missing before %s", dir, i + 1,
			    all->v[i].name);
		return (RES_ERR);
	}

	return (RES_OK);
}

enum res
ctl_migrations_read(const char *dir, struct ctl_migrations *all)
{
	DIR *d;
	enum res res;
	struct dirent *entry;

	memset(all, 0, sizeof(*all));
	d = opendir(dir);
	if (d == NULL) {
		ctl_error("%s: %s", dir, strerror(errno));
		ctl_hint("run it at the top of the project, or give --dir");
		return (RES_ERR);
	}
	res = RES_OK;
	while (res == RES_OK && (entry = readdir(d)) != NULL) {
		if (is_sql(entry->d_name))
			res = add(dir, entry->d_name, all);
	}
	closedir(d);
	if (res == RES_OK && all->n > 0)
		qsort(all->v, (size_t)all->n, sizeof(*all->v), by_version);
	if (res == RES_OK)
		res = check_numbers(dir, all);

	return (res);
}

void
ctl_migrations_free(struct ctl_migrations *all)
{
	int i;

	for (i = 0; i < all->n; i++)
		sodium_free(all->v[i].sql);
	free(all->v);
	memset(all, 0, sizeof(*all));
}
