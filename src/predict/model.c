/*
 * One model: a directory with model.json (the forest) and schema.json (what
 * its inputs mean). Both are digested as they are on disk, so that a stored
 * prediction can name exactly what computed it.
 */
#include <sys/stat.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "predict/predict_priv.h"

#define FILE_MAX ((off_t)256 << 20)
#define PATH_LEN 1024
#define WHY_LEN  256

/* A whole file in memory; freed by the caller. */
static char *
read_all(int fd, size_t len)
{
	char *text = malloc(len + 1);
	size_t got = 0;

	if (text == NULL)
		abort();
	while (got < len) {
		ssize_t n = read(fd, text + got, len - got);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	if (got == len)
		return (text);
	free(text);
	return (NULL);
}

static char *
slurp(const char *path, size_t *len, char *msg, size_t msglen)
{
	struct stat st;
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd == -1) {
		snprintf(msg, msglen, "%s", strerror(errno));
		return (NULL);
	}
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size > FILE_MAX)
		snprintf(msg, msglen, "not a regular file of at most 256 MiB");
	else {
		*len = (size_t)st.st_size;
		text = read_all(fd, *len);
		if (text == NULL)
			snprintf(msg, msglen, "cannot be read whole");
	}
	close(fd);
	return (text);
}

static void
digest_text(const void *text, size_t len, char out[MODEL_DIGEST_STRLEN + 1])
{
	uint8_t raw[32];

	sha256(text, len, raw);
	digest_hex(raw, sizeof(raw), out);
}

static enum res
load_schema(struct model *m, const char *path, char *msg, size_t msglen)
{
	size_t len;
	char *text = slurp(path, &len, msg, msglen);
	enum res res;

	if (text == NULL)
		return (RES_ERR);
	digest_text(text, len, m->schema_digest);
	res = schema_parse(m, text, len, msg, msglen);
	free(text);
	return (res);
}

static enum res
load_forest(struct model *m, struct forest **forest, const char *const **names,
    const char *path, char *msg, size_t msglen)
{
	size_t len;
	char *text = slurp(path, &len, msg, msglen);
	enum res res;

	if (text == NULL)
		return (RES_ERR);
	digest_text(text, len, m->digest);
	res = forest_parse(text, len, m->arena, forest, names, msg, msglen);
	free(text);
	return (res);
}

/* The forest must have been trained on the inputs that the schema tells. */
static enum res
match(const struct model *m, const char *const *names, char *msg, size_t msglen)
{
	unsigned n = forest_nfeatures(m->forest);

	if (n != m->nfeatures) {
		snprintf(msg, msglen, "has %u features, schema.json %u", n,
		    m->nfeatures);
		return (RES_ERR);
	}
	for (unsigned k = 0; names != NULL && k < n; k++) {
		if (strcmp(names[k], m->features[k].name) == 0)
			continue;
		snprintf(msg, msglen,
		    "feature %u is \"%.64s\", in "
		    "schema.json \"%.64s\"",
		    k, names[k], m->features[k].name);
		return (RES_ERR);
	}
	return (RES_OK);
}

static enum res
load_files(struct model *m, const char *dir, char *msg, size_t msglen)
{
	const char *const *names = NULL;
	struct forest *forest = NULL;
	char path[PATH_LEN], why[WHY_LEN];
	enum res res;

	if (snprintf(path, sizeof(path), "%s/schema.json", dir) >=
	    (int)sizeof(path)) {
		snprintf(msg, msglen, "the path is too long");
		return (RES_ERR);
	}
	res = load_schema(m, path, why, sizeof(why));
	if (res == RES_OK) {
		snprintf(path, sizeof(path), "%s/model.json", dir);
		res = load_forest(m, &forest, &names, path, why, sizeof(why));
		m->forest = forest;
	}
	if (res == RES_OK)
		res = match(m, names, why, sizeof(why));
	if (res != RES_OK) {
		snprintf(msg, msglen, "%s: %s", path, why);
		return (RES_ERR);
	}
	m->ntrees = forest_ntrees(forest);
	return (RES_OK);
}

enum res
model_load(const char *dir, struct model **mp, char *msg, size_t msglen)
{
	struct model *m = calloc(1, sizeof(*m));

	if (m == NULL)
		abort();
	m->magic = MODEL_MAGIC;
	m->arena = arena_new();
	if (load_files(m, dir, msg, msglen) != RES_OK) {
		model_destroy(&m);
		return (RES_ERR);
	}
	*mp = m;
	return (RES_OK);
}

void
model_destroy(struct model **mp)
{
	struct model *m = *mp;
	struct forest *forest;

	*mp = NULL;
	if (m == NULL)
		return;
	assert(m->magic == MODEL_MAGIC);
	m->magic = 0;
	forest = (struct forest *)(uintptr_t)m->forest;
	forest_destroy(&forest);
	arena_destroy(&m->arena);
	free(m);
}

double
model_score(const struct model *m, const float *x, float *margin)
{
	float log_odds;

	assert(m->magic == MODEL_MAGIC);
	log_odds = forest_margin(m->forest, x);
	if (margin != NULL)
		*margin = log_odds;
	return ((double)forest_sigmoid(log_odds));
}

int
model_feature_index(const struct model *m, const char *name)
{
	for (unsigned k = 0; k < m->nfeatures; k++) {
		if (strcmp(m->features[k].name, name) == 0)
			return ((int)k);
	}
	return (-1);
}

int
model_feature_by_code(const struct model *m, const char *code)
{
	for (unsigned k = 0; k < m->nfeatures; k++) {
		if (m->features[k].code != NULL &&
		    strcmp(m->features[k].code, code) == 0)
			return ((int)k);
	}
	return (-1);
}

enum res
model_category_value(
    const struct model_feature *f, const char *name, int *value)
{
	for (unsigned k = 0; k < f->ncategories; k++) {
		if (strcmp(f->categories[k].name, name) != 0)
			continue;
		*value = f->categories[k].value;
		return (RES_OK);
	}
	return (RES_ERR);
}

static bool
is_category(const struct model_feature *f, double value)
{
	for (unsigned k = 0; k < f->ncategories; k++) {
		if (value == f->categories[k].value)
			return (true);
	}
	return (false);
}

enum res
model_input_check(const struct model *m, unsigned feature, double value,
    char *detail, size_t detaillen)
{
	const struct model_feature *f;
	const char *why = NULL;

	assert(feature < m->nfeatures);
	f = &m->features[feature];
	if (isnan(value))
		why = f->nullable ? NULL : "is required by the model";
	else if (value < f->minimum || value > f->maximum) {
		snprintf(detail, detaillen, "%s must be from %.15g to %.15g",
		    f->name, f->minimum, f->maximum);
		return (RES_ERR);
	} else if (f->type == FEATURE_CATEGORY && !is_category(f, value))
		why = "is none of its categories";
	else if (f->type == FEATURE_BOOLEAN && value != 0 && value != 1)
		why = "must be 0 or 1";
	else if (f->type == FEATURE_INTEGER && value != floor(value))
		why = "must be a whole number";
	if (why == NULL)
		return (RES_OK);
	snprintf(detail, detaillen, "%s %s", f->name, why);
	return (RES_ERR);
}
