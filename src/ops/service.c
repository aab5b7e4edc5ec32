/*
 * GET /: for whoever opens the address to see what answers there. It names
 * the service and links to its description and state.
 */
#include "ops/ops.h"

#define OPENAPI "/openapi.json"
#define READY   "/health/ready"

static const struct field link_fields[] = {
	{ "openapi", FIELD_STRING, F_REQUIRED, 0, 0, NULL, NULL,
	    "the API's description" },
	{ "health", FIELD_STRING, F_REQUIRED, 0, 0, NULL, NULL,
	    "can requests be served" },
};
static const struct schema schema_links = { "ServiceLinks",
	"Paths of this service.", link_fields, NELEM(link_fields) };

static const struct field service_fields[] = {
	{ "name", FIELD_STRING, F_REQUIRED, 0, 0, NULL, NULL, "Eleusis" },
	{ "description", FIELD_STRING, F_REQUIRED, 0, 0, NULL, NULL,
	    "what it is for, in a line" },
	{ "links", FIELD_OBJECT, F_REQUIRED, 0, 0, NULL, &schema_links,
	    "where to read on" },
};
const struct schema schema_service = { "Service", "What answers here.",
	service_fields, NELEM(service_fields) };

co_fn enum res
service_get(struct ctx *cx)
{
	static const char body[] =
	    "{\"name\":\"Eleusis\",\"description\":\"Clinical risk models, "
	    "with every access on record\","
	    "\"links\":{\"openapi\":\"" OPENAPI "\",\"health\":\"" READY "\"}}";

	reply_text(cx, 200, "application/json", body, sizeof(body) - 1);

	return (RES_OK);
}
