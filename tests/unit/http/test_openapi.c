/*
 * openapi.c: the document says of each row what the row says. With a file
 * name as argument it writes the document there, for a validator.
 */
#include <math.h>
#include <stdio.h>

#include "http_fixture.h"

static const struct field place_fields[] = {
	{ "town", FIELD_STRING, F_REQUIRED, 1, 50, NULL, NULL, "its name" },
	{ "height", FIELD_NUMBER, F_NULLABLE, -INFINITY, 8849, NULL, NULL,
	    "in metres" },
};
static const struct schema place = { "Place", "A place", place_fields, 2 };
static const struct field thing_fields[] = {
	{ "id", FIELD_UUID, F_REQUIRED | F_REPLY_ONLY, 0, 0, NULL, NULL,
	    "its id" },
	{ "version", FIELD_INTEGER, F_REPLY_ONLY, 1, 9, NULL, NULL,
	    "its version" },
	{ "name", FIELD_STRING, F_REQUIRED, 1, 100, NULL, NULL, "its name" },
	{ "kind", FIELD_ENUM, F_NULLABLE, 0, 0, "red|green", NULL, "its kind" },
	{ "count", FIELD_INTEGER, 0, 0, 10, NULL, NULL, "how many" },
	{ "on", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL, "is it on" },
	{ "day", FIELD_DATE, 0, 0, 0, NULL, NULL, "its day" },
	{ "at", FIELD_TIME, 0, 0, 0, NULL, NULL, "its time" },
	{ "place", FIELD_OBJECT, F_NULLABLE, 0, 0, NULL, &place,
	    "where it is" },
	{ "extra", FIELD_OBJECT, 0, 0, 0, NULL, NULL, "anything" },
	{ "values", FIELD_NUMBER_MAP, 0, 0, 0, NULL, NULL, "by name" },
	{ "mixed", FIELD_VALUE_MAP, 0, 0, 0, NULL, NULL, "by name" },
	{ "places", FIELD_ARRAY, 0, 0, 5, NULL, &place, "where it was" },
	{ "tags", FIELD_ARRAY, 0, 0, 0, NULL, NULL, "words" },
};
static const struct schema thing = { "Thing", "A thing", thing_fields,
	NELEM(thing_fields) };
static const struct field list_fields[] = {
	{ "items", FIELD_ARRAY, F_REQUIRED, 0, 0, NULL, &thing, "things" },
	{ "next_cursor", FIELD_STRING, F_REQUIRED | F_NULLABLE, 0, 0, NULL,
	    NULL, "of the next page" },
};
static const struct schema list = { "ThingList", "A page", list_fields, 2 };
static const struct field query_fields[] = {
	{ "limit", FIELD_INTEGER, 0, 1, 100, NULL, NULL, "rows" },
	{ "cursor", FIELD_STRING, 0, 0, 64, NULL, NULL, "where to go on" },
};
static const struct schema query = { "ThingQuery", "t", query_fields, 2 };

#define COMMON .handler = any_handler, .cost = 1, .audit = "thing.x"
static const struct endpoint table[] = {
	{ METHOD_GET, "/health", "health", "health", .auth = AUTH_PUBLIC,
	    .scope = "-", .rate = RATE_NONE, .status = 200, .text = "Is it up?",
	    COMMON },
	{ METHOD_GET, "/v1/things", "things", "things_list",
	    .auth = AUTH_SESSION, .scope = "things:read", .rate = RATE_READ,
	    .query = &query, .status = 200, .reply = &list,
	    .text = "List things", COMMON },
	{ METHOD_POST, "/v1/things", "things", "things_create",
	    .auth = AUTH_SESSION, .scope = "things:write", .rate = RATE_WRITE,
	    .body = &thing, .body_max = 1000, .status = 201, .reply = &thing,
	    .text = "Create", COMMON },
	{ METHOD_PATCH, "/v1/things/{thing_id}", "things", "things_change",
	    .auth = AUTH_SESSION, .scope = "things:write", .rate = RATE_WRITE,
	    .body = &thing, .body_max = 1000, .status = 200, .reply = &thing,
	    .flags = EP_MERGE_PATCH, .text = "Change", COMMON },
	{ METHOD_DELETE, "/v1/things/{thing_id}/parts/{part_id}", "things",
	    "parts_delete", .auth = AUTH_SESSION, .scope = "things:write",
	    .rate = RATE_WRITE, .status = 204, .text = "Remove", COMMON },
};

static struct arena *arena;
static struct jval *doc;

static int
make(void **state UNUSED)
{
	char msg[300] = "";
	const char *text;
	struct err err;
	size_t len;

	if (router_init(table, NELEM(table), msg, sizeof(msg)) != RES_OK) {
		print_error("%s\n", msg);
		return (-1);
	}
	openapi_init("https://example.org");
	openapi_init("https://eleusis.example:8443");
	text = openapi_document(&len);
	if (strlen(text) != len)
		return (-1);
	arena = arena_new();
	err_clear(&err);

	return (
	    json_parse(arena, text, len, 30, &doc, &err) == RES_OK ? 0 : -1);
}

static int
unmake(void **state UNUSED)
{
	arena_destroy(&arena);

	return (0);
}

/* Follows names, separated by '|', from the top. */
static const struct jval *
at(const char *where)
{
	const struct jval *v;
	char *name, *rest;

	v = doc;
	rest = arena_strdup(arena, where);
	while (v != NULL && (name = strsep(&rest, "|")) != NULL)
		v = json_get(v, name);

	return (v);
}

static void
text_at(const char *where, const char *text)
{
	const struct jval *v;

	if ((v = at(where)) == NULL || v->type != J_STR)
		fail_msg("no text at %s", where);
	assert_string_equal(v->s, text);
}

static bool
has_string(const struct jval *array, const char *s)
{
	const struct jval *v;

	JSON_FOREACH (v, array)
		if (v->type == J_STR && strcmp(v->s, s) == 0)
			return (true);

	return (false);
}

static void
the_top_is_right(void **state UNUSED)
{
	text_at("openapi", "3.1.0");
	text_at("info|title", "Eleusis");
	assert_string_equal(json_get_str(at("servers")->child, "url"),
	    "https://eleusis.example:8443");
	assert_int_equal(at("paths")->n, 4);
	assert_int_equal(at("paths|/v1/things")->n, 2);
}

#define LIST   "paths|/v1/things|get"
#define CREATE "paths|/v1/things|post"
#define CHANGE "paths|/v1/things/{thing_id}|patch"
#define REMOVE "paths|/v1/things/{thing_id}/parts/{part_id}|delete"

static void
operations_are_described(void **state UNUSED)
{
	text_at(LIST "|operationId", "things_list");
	text_at(LIST "|x-scope", "things:read");
	text_at(LIST "|x-rate-class", "read");
	assert_int_equal(at(LIST "|parameters")->n, 2);
	assert_int_equal(at(REMOVE "|parameters")->n, 3);
	assert_string_equal(
	    json_get_str(at(REMOVE "|parameters")->child->next, "name"),
	    "part_id");
	assert_int_equal(at(LIST "|security")->n, 2);
	assert_int_equal(at("paths|/health|get|security")->n, 0);
	assert_null(at(LIST "|requestBody"));
	assert_non_null(at(CREATE "|requestBody|content|application/json"));
	assert_null(at(CREATE "|requestBody|content|"
			      "application/merge-patch+json"));
	text_at(CHANGE "|requestBody|content|application/merge-patch+json|"
		       "schema|$ref",
	    "#/components/schemas/ThingMergePatch");
}

static void
replies_fit_the_row(void **state UNUSED)
{
	text_at(LIST "|responses|200|content|application/json|schema|$ref",
	    "#/components/schemas/ThingList");
	assert_non_null(at(LIST "|responses|200|headers|Link"));
	assert_non_null(at(CREATE "|responses|201|headers|Location"));
	assert_null(at(CREATE "|responses|201|headers|Link"));
	assert_null(at(REMOVE "|responses|204|content"));
	assert_non_null(at("paths|/health|get|responses|200|content|*/*"));
	text_at(
	    CREATE "|responses|422|$ref", "#/components/responses/Problem422");
	assert_null(at(LIST "|responses|422"));
	assert_null(at(LIST "|responses|404"));
	assert_non_null(at(REMOVE "|responses|404"));
	assert_null(at("paths|/health|get|responses|401"));
	assert_null(at("paths|/health|get|responses|429"));
	assert_non_null(at(CHANGE "|responses|412"));
	assert_non_null(at("components|responses|Problem422|content|"
			   "application/problem+json"));
}

static bool
takes_header(const char *operation, const char *name)
{
	const struct jval *v;

	JSON_FOREACH (v, json_get(at(operation), "parameters"))
		if (strcmp(json_get_str(v, "in"), "header") == 0 &&
		    strcmp(json_get_str(v, "name"), name) == 0)
			return (true);

	return (false);
}

static void
headers_are_described(void **state UNUSED)
{
	static const char *const problems[] = { "429", "503" };
	char where[80];

	assert_true(takes_header(CHANGE, "If-Match"));
	assert_false(takes_header(CREATE, "If-Match"));
	assert_true(takes_header(CHANGE, "X-CSRF-Token"));
	assert_true(takes_header(CREATE, "X-CSRF-Token"));
	assert_true(takes_header(REMOVE, "X-CSRF-Token"));
	assert_false(takes_header(LIST, "X-CSRF-Token"));
	assert_int_equal(at("paths|/health|get|parameters")->n, 0);
	assert_non_null(at(CREATE "|responses|201|headers|ETag"));
	assert_non_null(at(CHANGE "|responses|200|headers|ETag"));
	assert_null(at(CHANGE "|responses|200|headers|Location"));
	assert_null(at(LIST "|responses|200|headers|ETag"));
	assert_non_null(at(REMOVE "|responses|204|headers|RateLimit"));
	assert_null(at("paths|/health|get|responses|200|headers|RateLimit"));
	assert_non_null(at(LIST "|responses|406"));
	assert_null(at(REMOVE "|responses|406"));
	for (size_t i = 0; i < NELEM(problems); i++) {
		(void)snprintf(where, sizeof(where),
		    "components|responses|Problem%s|headers|Retry-After",
		    problems[i]);
		assert_non_null(at(where));
	}
	assert_non_null(
	    at("components|responses|Problem429|headers|RateLimit"));
	assert_null(at("components|responses|Problem406|headers|RateLimit"));
	assert_non_null(at("components|headers|ETag"));
}

#define THING "components|schemas|Thing"
#define PROP  THING "|properties|"

static void
schemas_say_what_is_checked(void **state UNUSED)
{
	assert_int_equal(at(THING "|additionalProperties")->b, false);
	assert_true(has_string(at(THING "|required"), "name"));
	assert_false(has_string(at(THING "|required"), "kind"));
	assert_null(at("components|schemas|ThingMergePatch|required"));
	assert_int_equal(at(PROP "name|minLength")->i, 1);
	assert_int_equal(at(PROP "name|maxLength")->i, 100);
	assert_int_equal(at(PROP "count|minimum")->i, 0);
	assert_int_equal(at(PROP "count|maximum")->i, 10);
	assert_true(at(PROP "id|readOnly")->b);
	text_at(PROP "id|format", "uuid");
	text_at(PROP "day|format", "date");
	text_at(PROP "at|format", "date-time");
	assert_int_equal(at(PROP "kind|enum")->n, 3);
	assert_int_equal(at(PROP "kind|enum")->last->type, J_NULL);
	assert_true(has_string(at(PROP "kind|type"), "null"));
	assert_int_equal(at(PROP "place|anyOf")->n, 2);
	assert_int_equal(at(PROP "places|maxItems")->i, 5);
	text_at(PROP "places|items|$ref", "#/components/schemas/Place");
	text_at(PROP "tags|items|type", "string");
	assert_int_equal(at(PROP "values|maxProperties")->i, 256);
	assert_int_equal(at(PROP "values|additionalProperties|type")->n, 2);
	assert_int_equal(at(PROP "mixed|maxProperties")->i, 256);
	assert_int_equal(at(PROP "mixed|additionalProperties|type")->n, 4);
	assert_true(
	    has_string(at(PROP "mixed|additionalProperties|type"), "boolean"));
	assert_null(at("components|schemas|Place|properties|height|minimum"));
	assert_int_equal(at("components|schemas|Place|properties|height|"
			    "maximum")
			     ->d,
	    8849);
	assert_non_null(at("components|schemas|Problem"));
	assert_non_null(at("components|schemas|ProblemError"));
}

static int
dump(const char *path)
{
	const char *text;
	size_t len;
	FILE *f;

	text = openapi_document(&len);
	if ((f = fopen(path, "w")) == NULL)
		return (1);
	fwrite(text, 1, len, f);

	return (fclose(f) == 0 ? 0 : 1);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_top_is_right),
		cmocka_unit_test(operations_are_described),
		cmocka_unit_test(replies_fit_the_row),
		cmocka_unit_test(headers_are_described),
		cmocka_unit_test(schemas_say_what_is_checked),
	};
	int failed;

	failed = cmocka_run_group_tests(tests, make, unmake);
	if (failed == 0 && argc > 1)
		return (dump(argv[1]));

	return (failed);
}
