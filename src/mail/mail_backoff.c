/*
 * How long a mail waits after an attempt that failed: longer each time, and
 * not as long as others that failed with it, which would all come back at once.
 */
#include "mail/mail_priv.h"

#define MAX_S 3600.0

double
mail_backoff(int32_t attempts, double first_s, double chance)
{
	double wait = first_s;

	for (int32_t i = 1; i < attempts && wait < MAX_S; i++)
		wait *= 2;
	if (wait > MAX_S)
		wait = MAX_S;
	return (wait * (0.75 + chance / 2));
}
