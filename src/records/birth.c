/*
 * When a patient was born, for what cannot have been before. The date is
 * sealed with the rest of who she is, so it is noted beside her data key when
 * a row has been opened anyway. A note may be as old as the key in the cache:
 * good enough to let pass, never to refuse (see observations.c).
 */
#include "records/records_priv.h"

#define HOUR_US INT64_C(3600000000)

void
birth_note(const struct patient *p)
{
	const char *date = p->value[PATIENT_BIRTH_DATE];
	int32_t days;

	if (date != NULL && date_parse(date, &days) == RES_OK)
		vault_cache_note(&p->id, days);
}

/* A date has no zone: its first moment is the one at UTC+14. */
static bool
day_has_come(int32_t days, int64_t at_us)
{
	return (at_us >= (days * INT64_C(24) - 14) * HOUR_US);
}

bool
birth_before(const struct patient *p, int64_t at_us)
{
	const char *date = p->value[PATIENT_BIRTH_DATE];
	int32_t days;

	return (date != NULL && date_parse(date, &days) == RES_OK &&
		day_has_come(days, at_us));
}

bool
birth_noted_before(const struct uuid *patient, int64_t at_us)
{
	int32_t days;

	return (vault_cache_noted(patient, &days) && day_has_come(days, at_us));
}
