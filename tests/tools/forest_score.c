/*
 * Scores CSV rows with the server's own engine, for tests against the xgboost
 * package:  forest_score MODEL_DIR < rows.csv > out.csv
 * A row holds the features in model order; an empty cell is a missing value;
 * cells past the features are ignored (heldout.csv has the label there), and
 * so is a first line that does not begin with a number. Answers
 * "probability,margin" a row, with 9 digits: exact for float32.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "predict/predict.h"

static bool
parse_row(char *line, float *x, unsigned n)
{
	char *cell, *next = line;

	for (unsigned k = 0; k < n; k++) {
		double v;

		cell = strsep(&next, ",\r\n");
		if (cell == NULL)
			return (false);
		if (cell[0] == '\0')
			x[k] = NAN;
		else if (str_to_double(cell, &v))
			x[k] = (float)v;
		else
			return (false);
	}
	return (true);
}

/* All rows of stdin, n values each; exits on a bad one. */
static float *
read_rows(unsigned n, size_t *nrows)
{
	float *rows = NULL;
	char *line = NULL;
	size_t cap = 0, lineno = 0, have = 0;

	while (getline(&line, &cap, stdin) != -1) {
		if (*nrows == have) {
			have = have == 0 ? 1024 : have * 2;
			rows = realloc(rows, have * n * sizeof(*rows));
			if (rows == NULL)
				abort();
		}
		if (parse_row(line, rows + *nrows * n, n))
			(*nrows)++;
		else if (lineno > 0) {
			fprintf(stderr, "line %zu: bad row\n", lineno + 1);
			exit(1);
		}
		lineno++;
	}
	free(line);
	return (rows);
}

static void
print_scores(const struct model *m, const float *rows, size_t nrows)
{
	for (size_t i = 0; i < nrows; i++) {
		float margin;
		double p = model_score(m, rows + i * m->nfeatures, &margin);

		printf("%.9g,%.9g\n", p, (double)margin);
	}
}

int
main(int argc, char **argv)
{
	struct model *m;
	char msg[512];
	size_t nrows = 0;
	float *rows;

	if (argc != 2) {
		fprintf(stderr, "usage: forest_score MODEL_DIR\n");
		return (2);
	}
	if (model_load(argv[1], &m, msg, sizeof(msg)) != RES_OK) {
		fprintf(stderr, "forest_score: %s\n", msg);
		return (1);
	}
	rows = read_rows(m->nfeatures, &nrows);
	if (nrows == 0) {
		fprintf(stderr, "forest_score: no rows\n");
		return (1);
	}
	print_scores(m, rows, nrows);
	free(rows);
	model_destroy(&m);
	return (0);
}
