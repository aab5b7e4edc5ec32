/*
 * The endpoint table.
 */
#include "account/account.h"
#include "app/app.h"
#include "audit/audit.h"
#include "auth/auth.h"
#include "factor/factor.h"
#include "guard/guard.h"
#include "oidc/oidc.h"
#include "ops/ops.h"
#include "pages/pages.h"
#include "predict/predict.h"
#include "records/records.h"

#define ENDPOINT(method, path, resource, name, handler, auth, scope, rate,    \
    cost, audit, body, body_max, query, status, reply, flags, text)           \
	{ METHOD_##method, path, resource, name, handler, AUTH_##auth, scope, \
		RATE_##rate, cost, audit, body, body_max, query, status,      \
		reply, flags, text },

static const struct endpoint table[] = {
#include "app/tbl/endpoints.def"
};

const struct endpoint *
endpoints(unsigned *n)
{
	*n = NELEM(table);
	return (table);
}
