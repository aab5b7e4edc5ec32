/*
 * records/: patients and their observations. Everything that identifies or
 * describes a person is sealed under the patient's own data key before it
 * leaves the process, and every access has its durable audit row before the
 * reply does. What is not in the actor's care does not exist (404).
 */
#ifndef RECORDS_H
#define RECORDS_H

#include "http/http.h"

/* Handlers (patients_api.c, observations_api.c) */
co_fn enum res	 patients_create(struct ctx *);
co_fn enum res	 patients_list(struct ctx *);
co_fn enum res	 patients_get(struct ctx *);
co_fn enum res	 patients_update(struct ctx *);	/* EP_MERGE_PATCH */
co_fn enum res	 observations_create(struct ctx *);
co_fn enum res	 observations_list(struct ctx *);
co_fn enum res	 observations_get(struct ctx *);

/* records_schema.c */
extern const struct schema schema_patient_new, schema_patient_patch,
    schema_patient, schema_patient_page, schema_patient_query,
    schema_observation_new, schema_observation, schema_observation_page,
    schema_observation_query;

#endif
