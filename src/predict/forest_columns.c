/*
 * The columns of the tree that is being read: six growing arrays of numbers,
 * reused from tree to tree. XGBoost writes a tree as parallel arrays, one
 * element a node; they must all have the same length.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "predict/predict_priv.h"

static const char *const column_names[COL_MAX] = {
	[COL_LEFT] = "left_children",
	[COL_RIGHT] = "right_children",
	[COL_FEATURE] = "split_indices",
	[COL_DEFAULT] = "default_left",
	[COL_VALUE] = "split_conditions",
	[COL_SPLIT_TYPE] = "split_type",
};

struct gather {
	unsigned trees;
	unsigned n[COL_MAX], cap[COL_MAX];
	int32_t *ints[COL_MAX];
	float *values;
};

struct gather *
gather_new(void)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (g == NULL)
		abort();
	return (g);
}

void
gather_destroy(struct gather **gp)
{
	struct gather *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	for (unsigned k = 0; k < COL_MAX; k++)
		free(g->ints[k]);
	free(g->values);
	free(g);
}

void
gather_reset(struct gather *g)
{
	memset(g->n, 0, sizeof(g->n));
}

static void
reserve(struct gather *g, enum column col)
{
	void **array =
	    col == COL_VALUE ? (void **)&g->values : (void **)&g->ints[col];

	if (g->n[col] < g->cap[col])
		return;
	g->cap[col] = g->cap[col] == 0 ? 64 : g->cap[col] * 2;
	*array = realloc(*array, g->cap[col] * sizeof(float));
	if (*array == NULL)
		abort();
}

static bool
parse_value(const char *text, float *out)
{
	char *end;

	/* Straight to float32: by way of a double it would round twice. */
	*out = strtof(text, &end);
	return (end != text && *end == '\0');
}

static bool
parse_integer(const char *text, int32_t *out)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || v < INT32_MIN ||
	    v > INT32_MAX)
		return (false);
	*out = (int32_t)v;
	return (true);
}

enum res
gather_append(struct gather *g, enum column col, const char *text, char *msg,
    size_t msglen)
{
	bool ok;

	if (g->n[col] == FOREST_TREE_NODES_MAX) {
		snprintf(msg, msglen, "tree %u: more than %u nodes", g->trees,
		    FOREST_TREE_NODES_MAX);
		return (RES_ERR);
	}
	reserve(g, col);
	if (col == COL_VALUE)
		ok = parse_value(text, &g->values[g->n[col]]);
	else
		ok = parse_integer(text, &g->ints[col][g->n[col]]);
	if (!ok) {
		snprintf(msg, msglen, "tree %u: %s[%u] is not a fitting number",
		    g->trees, column_names[col], g->n[col]);
		return (RES_ERR);
	}
	g->n[col]++;
	return (RES_OK);
}

static enum res
check_columns(const struct gather *g, char *msg, size_t msglen)
{
	for (unsigned k = COL_UNSET + 1; k < COL_MAX; k++) {
		if (k == COL_SPLIT_TYPE && g->n[k] == 0)
			continue;
		if (g->n[k] == g->n[COL_LEFT])
			continue;
		snprintf(msg, msglen,
		    "tree %u: %s has %u elements, "
		    "left_children %u",
		    g->trees, column_names[k], g->n[k], g->n[COL_LEFT]);
		return (RES_ERR);
	}
	for (unsigned i = 0; i < g->n[COL_SPLIT_TYPE]; i++) {
		if (g->ints[COL_SPLIT_TYPE][i] == 0)
			continue;
		snprintf(msg, msglen,
		    "tree %u: node %u is a categorical "
		    "split, which is not supported",
		    g->trees, i);
		return (RES_ERR);
	}
	return (RES_OK);
}

enum res
gather_finish(struct gather *g, struct forest *f, char *msg, size_t msglen)
{
	const struct forest_columns columns = {
		.n = g->n[COL_LEFT],
		.left = g->ints[COL_LEFT],
		.right = g->ints[COL_RIGHT],
		.feature = g->ints[COL_FEATURE],
		.default_left = g->ints[COL_DEFAULT],
		.value = g->values,
	};
	char why[128];

	if (check_columns(g, msg, msglen) != RES_OK)
		return (RES_ERR);
	if (forest_add(f, &columns, why, sizeof(why)) != RES_OK) {
		snprintf(msg, msglen, "tree %u: %s", g->trees, why);
		return (RES_ERR);
	}
	g->trees++;
	return (RES_OK);
}
