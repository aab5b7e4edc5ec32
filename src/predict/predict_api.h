/*
 * The HTTP side of predict/: predictions about patients, and the models that
 * make them. Inputs come from the request, else from the patient's record;
 * what was used, where it came from and what the model said are sealed under
 * the patient's data key, and the prediction's audit row is of the same
 * statement. The pure side (files and numbers) is predict/predict.h.
 */
#ifndef PREDICT_API_H
#define PREDICT_API_H

#include "http/http.h"

/* Handlers (predict_api.c) */
co_fn enum res	 predictions_create(struct ctx *);
co_fn enum res	 predictions_get(struct ctx *);
enum res	 models_list(struct ctx *);

/* predict_schema.c */
extern const struct schema schema_prediction_new, schema_prediction,
    schema_models;

#endif
