/*
 * All models this server may answer with: models_dir/<name>/<version>/, read
 * once before fork and never changed. The names of the directories must agree
 * with the schemas in them, so that an operator sees on disk what is served.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "predict/predict_priv.h"

#define REGISTRY_MAX 64
#define PATH_LEN     1024

static struct model *models[REGISTRY_MAX];
static unsigned nmodels;

static bool
is_dir(const char *path)
{
	struct stat st;

	return (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

static int
visible(const struct dirent *e)
{
	return (e->d_name[0] != '.' && e->d_name[0] != '_');
}

/* By name, then the greatest version first. */
static int
model_compare(const void *a, const void *b)
{
	const struct model *x = *(struct model *const *)a;
	const struct model *y = *(struct model *const *)b;
	int order = strcmp(x->name, y->name);

	for (unsigned k = 0; order == 0 && k < 3; k++)
		order = (x->semver[k] < y->semver[k]) -
			(x->semver[k] > y->semver[k]);
	return (order);
}

static enum res
add_model(const char *path, const char *name, const char *version, char *msg,
    size_t msglen)
{
	struct model *m;

	if (nmodels == REGISTRY_MAX) {
		snprintf(msg, msglen, "more than %d models", REGISTRY_MAX);
		return (RES_ERR);
	}
	if (model_load(path, &m, msg, msglen) != RES_OK)
		return (RES_ERR);
	if (strcmp(m->name, name) != 0 || strcmp(m->version, version) != 0) {
		snprintf(msg, msglen, "%s: schema.json says %s %s", path,
		    m->name, m->version);
		model_destroy(&m);
		return (RES_ERR);
	}
	models[nmodels++] = m;
	return (RES_OK);
}

/*
 * Runs fn on every visible directory in dir, by name. parent is the name that
 * dir itself goes by.
 */
typedef enum res (*dir_fn)(
    const char *path, const char *parent, const char *name, char *msg, size_t);

static enum res
each_dir(
    const char *dir, const char *parent, dir_fn fn, char *msg, size_t msglen)
{
	struct dirent **list;
	enum res res = RES_OK;
	char path[PATH_LEN];
	int n = scandir(dir, &list, visible, alphasort);

	if (n == -1) {
		snprintf(msg, msglen, "%s: %s", dir, strerror(errno));
		return (RES_ERR);
	}
	for (int k = 0; k < n; k++) {
		int len =
		    snprintf(path, sizeof(path), "%s/%s", dir, list[k]->d_name);

		if (res == RES_OK && len >= (int)sizeof(path)) {
			snprintf(msg, msglen, "a path is too long");
			res = RES_ERR;
		}
		if (res == RES_OK && is_dir(path))
			res = fn(path, parent, list[k]->d_name, msg, msglen);
		free(list[k]);
	}
	free(list);
	return (res);
}

static enum res
visit_version(const char *path, const char *parent, const char *name, char *msg,
    size_t msglen)
{
	return (add_model(path, parent, name, msg, msglen));
}

static enum res
visit_name(const char *path, const char *parent UNUSED, const char *name,
    char *msg, size_t msglen)
{
	return (each_dir(path, name, visit_version, msg, msglen));
}

enum res
registry_load(const char *models_dir, char *msg, size_t msglen)
{
	registry_clear();
	if (each_dir(models_dir, "", visit_name, msg, msglen) != RES_OK) {
		registry_clear();
		return (RES_ERR);
	}
	if (nmodels == 0) {
		snprintf(msg, msglen, "%s: there is no model", models_dir);
		return (RES_ERR);
	}
	qsort(models, nmodels, sizeof(models[0]), model_compare);
	return (RES_OK);
}

void
registry_clear(void)
{
	while (nmodels > 0)
		model_destroy(&models[--nmodels]);
}

const struct model *
registry_find(const char *name, const char *version)
{
	for (unsigned k = 0; k < nmodels; k++) {
		if (strcmp(models[k]->name, name) == 0 &&
		    (version == NULL ||
			strcmp(models[k]->version, version) == 0))
			return (models[k]);
	}
	return (NULL);
}

unsigned
registry_count(void)
{
	return (nmodels);
}

const struct model *
registry_at(unsigned k)
{
	return (k < nmodels ? models[k] : NULL);
}
