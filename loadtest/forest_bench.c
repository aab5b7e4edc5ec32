/*
 * One row at a time: our forest against libxgboost's C API, in one process.
 *	forest_bench MODEL_DIR LIBXGBOOST < rows.f32
 * Rows are raw float32, features in model order, NaN = missing. libxgboost is
 * opened at run time and gets its best case: one thread, in-place prediction
 * from a dense row, the array interface and configuration written once.
 * Prints "ours_ns xgboost_ns max_difference": the best of several rounds, in
 * alternation, so that both see the same machine.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "predict/predict.h"

#define ROUNDS   5
#define ROUND_NS 200000000.0 /* at least, a round and engine */
#define ROWS_MAX 65536

/* Declared here after xgboost/c_api.h, which Debian does not package. */
struct api {
	int (*create)(const void *const *, uint64_t, void **);
	int (*load)(void *, const char *);
	int (*set)(void *, const char *, const char *);
	int (*predict)(void *, const char *, const char *, void *,
	    const uint64_t **, uint64_t *, const float **);
	const char *(*error)(void);
};

struct xgb {
	struct api api;
	void *booster;
	char array[160]; /* array interface of row */
	float row[MODEL_FEATURES_MAX];
	unsigned n;
};

struct ours {
	const struct model *model;
};

static const char config[] = "{\"type\":0,\"training\":false,"
			     "\"iteration_begin\":0,\"iteration_end\":0,"
			     "\"strict_shape\":false,\"missing\":NaN,"
			     "\"cache_id\":0}";

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "forest_bench: %s: %s\n", what, why);
	exit(1);
}

static void
symbol(void *lib, const char *name, void *slot)
{
	void *p = dlsym(lib, name);

	if (p == NULL)
		die(name, "not in the library");
	memcpy(slot, &p, sizeof(p));
}

static void
xgb_check(const struct xgb *x, int rc, const char *what)
{
	if (rc != 0)
		die(what, x->api.error());
}

static void
xgb_open(struct xgb *x, const char *lib, const char *dir, unsigned n)
{
	void *h = dlopen(lib, RTLD_NOW | RTLD_LOCAL);
	char path[1024];

	if (h == NULL)
		die(lib, dlerror());
	symbol(h, "XGBoosterCreate", &x->api.create);
	symbol(h, "XGBoosterLoadModel", &x->api.load);
	symbol(h, "XGBoosterSetParam", &x->api.set);
	symbol(h, "XGBoosterPredictFromDense", &x->api.predict);
	symbol(h, "XGBGetLastError", &x->api.error);
	snprintf(path, sizeof(path), "%s/model.json", dir);
	xgb_check(x, x->api.create(NULL, 0, &x->booster), "create");
	xgb_check(x, x->api.load(x->booster, path), path);
	xgb_check(x, x->api.set(x->booster, "nthread", "1"), "nthread");
	x->n = n;
	snprintf(x->array, sizeof(x->array),
	    "{\"data\":[%zu,true],"
	    "\"shape\":[1,%u],\"typestr\":\"<f4\",\"version\":3}",
	    (size_t)(uintptr_t)x->row, n);
}

static double
xgb_score(void *ctx, const float *row)
{
	struct xgb *x = ctx;
	const uint64_t *shape;
	const float *out;
	uint64_t dim;

	memcpy(x->row, row, x->n * sizeof(*row));
	xgb_check(x,
	    x->api.predict(
		x->booster, x->array, config, NULL, &shape, &dim, &out),
	    "predict");
	return ((double)out[0]);
}

static double
our_score(void *ctx, const float *row)
{
	return (model_score(((struct ours *)ctx)->model, row, NULL));
}

static double
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((double)ts.tv_sec * 1e9 + (double)ts.tv_nsec);
}

/* Nanoseconds a row, over all rows again and again for one round. */
static double
measure(double (*score)(void *, const float *), void *ctx, const float *rows,
    size_t nrows, unsigned n)
{
	volatile double sink = 0;
	double start = now_ns(), spent;
	size_t scored = 0;

	do {
		for (size_t i = 0; i < nrows; i++)
			sink = sink + score(ctx, rows + i * n);
		scored += nrows;
		spent = now_ns() - start;
	} while (spent < ROUND_NS);
	return (spent / (double)scored);
}

static double
max_difference(struct ours *o, struct xgb *x, const float *rows, size_t nrows)
{
	double max = 0;

	for (size_t i = 0; i < nrows; i++) {
		const float *row = rows + i * x->n;

		max = fmax(max, fabs(our_score(o, row) - xgb_score(x, row)));
	}
	return (max);
}

int
main(int argc, char **argv)
{
	double ours_ns = INFINITY, xgb_ns = INFINITY;
	static struct xgb x;
	struct model *m;
	struct ours o;
	char msg[512];
	float *rows;
	size_t nrows;

	if (argc != 3) {
		fprintf(stderr, "usage: forest_bench MODEL_DIR LIBXGBOOST\n");
		return (2);
	}
	if (model_load(argv[1], &m, msg, sizeof(msg)) != RES_OK)
		die("model", msg);
	o.model = m;
	xgb_open(&x, argv[2], argv[1], m->nfeatures);
	rows = calloc(ROWS_MAX, m->nfeatures * sizeof(*rows));
	if (rows == NULL)
		die("rows", "out of memory");
	nrows = fread(rows, m->nfeatures * sizeof(*rows), ROWS_MAX, stdin);
	if (nrows == 0)
		die("rows", "none on standard input");
	for (int k = 0; k < ROUNDS; k++) {
		ours_ns = fmin(
		    ours_ns, measure(our_score, &o, rows, nrows, m->nfeatures));
		xgb_ns = fmin(
		    xgb_ns, measure(xgb_score, &x, rows, nrows, m->nfeatures));
	}
	printf("%.1f %.1f %.3g\n", ours_ns, xgb_ns,
	    max_difference(&o, &x, rows, nrows));
	free(rows);
	model_destroy(&m);
	return (0);
}
