/*
 * eleusisctl migrate: compares the files with what was applied, and applies
 * what is missing. One run at a time, by an advisory lock.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

static void
print_status(const struct ctl_applied *applied, const struct ctl_migrations *f)
{
	int i;

	for (i = 0; i < f->n; i++) {
		if (i < applied->n)
			printf("%-32s applied %s\n", f->v[i].name,
			    ctl_applied_at(applied, i));
		else
			printf("%-32s pending\n", f->v[i].name);
	}
	printf("%d applied, %d pending\n", applied->n, f->n - applied->n);
}

static enum res
status(PGconn *pg, const struct ctl_migrations *files)
{
	enum res res;
	struct ctl_applied applied;

	if (ctl_applied_read(pg, &applied) != RES_OK)
		return (RES_ERR);
	res = ctl_applied_check(&applied, files);
	if (res == RES_OK)
		print_status(&applied, files);
	ctl_applied_free(&applied);

	return (res);
}

static enum res
apply_missing(PGconn *pg, const struct ctl_migrations *files)
{
	int i;
	enum res res;
	struct ctl_applied applied;

	if (ctl_applied_read(pg, &applied) != RES_OK)
		return (RES_ERR);
	res = ctl_applied_check(&applied, files);
	for (i = applied.n; res == RES_OK && i < files->n; i++)
		res = ctl_migration_apply(pg, &files->v[i]);
	if (res == RES_OK && applied.n == files->n)
		printf("the schema is up to date (%d migrations)\n", files->n);
	ctl_applied_free(&applied);

	return (res);
}

static enum res
migrate(PGconn *pg, const struct ctl_migrations *files)
{
	if (ctl_lock(pg, CTL_LOCK_MIGRATE, "migrate") != RES_OK ||
	    ctl_migration_table(pg) != RES_OK ||
	    apply_missing(pg, files) != RES_OK)
		return (RES_ERR);

	return (ctl_partitions_ensure(pg));
}

enum ctl_exit
ctl_migrate(const struct ctl_args *args)
{
	enum res res;
	const char *dir;
	PGconn *pg = NULL;
	struct ctl_migrations files;

	dir = ctl_value(args, "dir");
	res = ctl_migrations_read(dir != NULL ? dir : "migrations", &files);
	if (res != RES_OK)
		goto out;
	pg = ctl_connect();
	if (pg == NULL)
		res = RES_ERR;
	else if (ctl_value(args, "status") != NULL)
		res = status(pg, &files);
	else
		res = migrate(pg, &files);
out:
	PQfinish(pg);
	ctl_migrations_free(&files);

	return (res == RES_OK ? CTL_DONE : CTL_FAILED);
}
