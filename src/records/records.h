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

/* Care, emergencies, accesses (care_api.c, break_glass_api.c,
 * accesses_api.c); their schemas: care_schema.c */
co_fn enum res	 patient_care_list(struct ctx *);
co_fn enum res	 patient_care_grant(struct ctx *);
co_fn enum res	 patient_care_end(struct ctx *);
co_fn enum res	 glass_open(struct ctx *);
co_fn enum res	 glass_end(struct ctx *);
co_fn enum res	 glass_list(struct ctx *);
co_fn enum res	 glass_get(struct ctx *);
co_fn enum res	 glass_review(struct ctx *);
co_fn enum res	 patient_accesses(struct ctx *);
extern const struct schema schema_care_new, schema_care, schema_care_page,
    schema_care_query, schema_glass_new, schema_glass_opened, schema_glass,
    schema_glass_read, schema_glass_page, schema_glass_query,
    schema_glass_review, schema_accesses_page, schema_accesses_query;

/* break_glass_watch.c: keeps the gauge of emergencies that wait for a review;
 * in one worker. RES_ERR: no coroutine. */
enum res	 break_glass_watch(void);

#endif
