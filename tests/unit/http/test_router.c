/*
 * router.c and router_rows.c: what a table must say to be accepted, and
 * which row a path finds.
 */
#include "http_fixture.h"

#define ID  "01890000-0000-7000-8000-0000000000ab"
#define ID2 "01890000-0000-7000-8000-0000000000cd"

static const struct field body_fields[] = {
	{ .name = "a", .type = FIELD_STRING, .text = "a text" },
};
static const struct schema body = { "Body", "a body", body_fields, 1 };

#define ROW(m, p, r, n, ...)                                                  \
	{                                                                     \
		.method = METHOD_##m, .path = p, .resource = r, .name = n,    \
		.handler = any_handler, .auth = AUTH_SESSION,                 \
		.scope = "patients:read", .rate = RATE_READ, .cost = 1,       \
		.audit = "x.y", .status = 200, .text = "does it", __VA_ARGS__ \
	}

static const struct endpoint table[] = {
	ROW(GET, "/", "root", "root"),
	ROW(GET, "/v1/things", "things", "things_list"),
	ROW(POST, "/v1/things", "things", "things_create", .body = &body,
	    .body_max = 100),
	ROW(GET, "/v1/things/{thing_id}", "things", "things_get"),
	ROW(DELETE, "/v1/things/{thing_id}", "things", "things_delete"),
	ROW(GET, "/v1/things/{thing_id}/parts/{part_id}", "things",
	    "parts_get"),
	ROW(GET, "/v1/things/newest", "things", "things_newest"),
	ROW(GET, "/v1/other", "other", "other_get"),
	ROW(GET, "/files/{file}", "files", "files_get"),
};

static void
load(void)
{
	char msg[300] = "";

	if (router_init(table, NELEM(table), msg, sizeof(msg)) != RES_OK)
		fail_msg("%s", msg);
}

/* ---- start-up ----------------------------------------------------------- */

static void
refused(const struct endpoint *rows, unsigned n, const char *why)
{
	char msg[300] = "";

	assert_int_equal(router_init(rows, n, msg, sizeof(msg)), RES_ERR);
	if (strstr(msg, why) == NULL)
		fail_msg("said \"%s\", wanted \"%s\"", msg, why);
	assert_non_null(
	    strstr(msg, rows[n - 1].name != NULL ? rows[n - 1].name : "?"));
}

#define REFUSED(why, ...)                                                  \
	do {                                                               \
		struct endpoint row_ = ROW(GET, "/v1/a", "a", "row_name"); \
		row_ = (struct endpoint)ROW(                               \
		    GET, "/v1/a", "a", "row_name", __VA_ARGS__);           \
		refused(&row_, 1, why);                                    \
	} while (0)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static void
unset_members_stop_the_start(void **state UNUSED)
{
	REFUSED("method", .method = METHOD_UNSET);
	REFUSED("method", .method = METHOD_OPTIONS);
	REFUSED("path", .path = NULL);
	REFUSED("resource", .resource = "");
	REFUSED("name", .name = NULL);
	REFUSED("handler", .handler = NULL);
	REFUSED("auth", .auth = AUTH_UNSET);
	REFUSED("scope", .scope = NULL);
	REFUSED("rate", .rate = RATE_UNSET);
	REFUSED("cost", .cost = 0);
	REFUSED("audit", .audit = NULL);
	REFUSED("text", .text = NULL);
	REFUSED("status", .status = 0);
}

static void
contradictions_stop_the_start(void **state UNUSED)
{
	static const struct field twice[] = {
		{ .name = "a", .type = FIELD_STRING, .text = "t" },
		{ .name = "a", .type = FIELD_STRING, .text = "t" },
	};
	static const struct field untyped[] = { { .name = "a", .text = "t" } };
	static const struct field choiceless[] = {
		{ .name = "a", .type = FIELD_ENUM, .text = "t" },
	};
	static const struct field deep[] = {
		{ .name = "a", .type = FIELD_ARRAY, .text = "t" },
	};
	static const struct schema s_twice = { "S", "t", twice, 2 };
	static const struct schema s_untyped = { "S", "t", untyped, 1 };
	static const struct schema s_choiceless = { "S", "t", choiceless, 1 };
	static const struct schema s_deep = { "S", "t", deep, 1 };

	REFUSED("public", .auth = AUTH_PUBLIC);
	REFUSED("without a scope", .scope = "-");
	REFUSED("takes no body", .body = &body, .body_max = 10);
	REFUSED("body_max", .method = METHOD_POST, .body = &body);
	REFUSED("body_max", .method = METHOD_POST, .body_max = 10);
	REFUSED("merge patch", .flags = EP_MERGE_PATCH);
	REFUSED("no reply", .status = 204, .reply = &body);
	REFUSED("twice", .reply = &s_twice);
	REFUSED("no type", .reply = &s_untyped);
	REFUSED("choices", .reply = &s_choiceless);
	REFUSED("query parameter", .query = &s_deep);
}

static void
bad_templates_stop_the_start(void **state UNUSED)
{
	REFUSED("path", .path = "v1");
	REFUSED("path", .path = "/v1/");
	REFUSED("path", .path = "/v1//a");
	REFUSED("odd", .path = "/v1/a b");
	REFUSED("odd", .path = "/v1/%41");
	REFUSED("odd", .path = "/v1/..");
	REFUSED("parameter", .path = "/v1/{a");
	REFUSED("parameter", .path = "/v1/{}");
	REFUSED("twice", .path = "/v1/{a}/{a}");
	REFUSED("too many", .path = "/{a}/{b}/{c}/{d}/{e}");
	REFUSED("path", .path = "/1/2/3/4/5/6/7/8/9/10/11/12/13");
}
#pragma GCC diagnostic pop

static void
ambiguous_rows_stop_the_start(void **state UNUSED)
{
	const struct endpoint same[] = { ROW(GET, "/a/{x}", "a", "n1"),
		ROW(GET, "/a/{y}", "a", "n2") };
	const struct endpoint renamed[] = { ROW(GET, "/a/{x}", "a", "n1"),
		ROW(DELETE, "/a/{y}", "a", "n2") };
	const struct endpoint name[] = { ROW(GET, "/a", "a", "n1"),
		ROW(GET, "/b", "b", "n1") };
	const struct endpoint resource[] = { ROW(GET, "/a", "a", "n1"),
		ROW(DELETE, "/a", "b", "n2") };
	const struct endpoint literal[] = { ROW(GET, "/a/{x}", "a", "n1"),
		ROW(GET, "/a/" ID, "a", "n2") };
	const struct endpoint file[] = { ROW(GET, "/a/{file}", "a", "n1"),
		ROW(GET, "/a/b.js", "a", "n2") };

	refused(same, 2, "matches the same paths");
	refused(renamed, 2, "written otherwise");
	refused(name, 2, "same name");
	refused(resource, 2, "another resource");
	refused(literal, 2, "matches the same paths");
	refused(file, 2, "matches the same paths");
}

/* ---- matching ----------------------------------------------------------- */

/* The name of the row found, or the slug of the problem. */
static const char *
find(enum http_method method, const char *resource, const char *path)
{
	static char found[64];
	struct fixture fx;

	fixture_start(&fx, method, path);
	if (router_match(&fx.cx, resource) == RES_OK)
		snprintf(found, sizeof(found), "%s", fx.cx.ep->name);
	else if (fx.cx.env.err.problem != PROBLEM_UNSET)
		snprintf(found, sizeof(found), "%s",
		    problem_row(fx.cx.env.err.problem)->slug);
	else
		snprintf(found, sizeof(found), "%d", fx.cx.status);
	fixture_end(&fx);

	return (found);
}

#define FINDS(method, resource, path, what) \
	assert_string_equal(find(METHOD_##method, resource, path), what)

static void
paths_find_their_rows(void **state UNUSED)
{
	load();
	FINDS(GET, "root", "/", "root");
	FINDS(GET, "things", "/v1/things", "things_list");
	FINDS(POST, "things", "/v1/things", "things_create");
	FINDS(GET, "things", "/v1/things/" ID, "things_get");
	FINDS(DELETE, "things", "/v1/things/" ID, "things_delete");
	FINDS(GET, "things", "/v1/things/newest", "things_newest");
	FINDS(GET, "things", "/v1/things/" ID "/parts/" ID2, "parts_get");
	FINDS(GET, NULL, "/v1/other", "other_get");
	FINDS(GET, "things", "/v1/other", "not-found");
}

static void
parameters_are_uuids(void **state UNUSED)
{
	struct uuid id, id2;
	struct fixture fx;

	load();
	fixture_start(&fx, METHOD_GET, "/v1/things/" ID "/parts/" ID2);
	assert_int_equal(router_match(&fx.cx, "things"), RES_OK);
	assert_int_equal(uuid_parse(ID, &id), RES_OK);
	assert_int_equal(uuid_parse(ID2, &id2), RES_OK);
	assert_int_equal(fx.cx.nparams, 2);
	assert_true(uuid_equal(ctx_param(&fx.cx, "thing_id"), &id));
	assert_true(uuid_equal(ctx_param(&fx.cx, "part_id"), &id2));
	assert_null(ctx_param(&fx.cx, "other_id"));
	assert_ptr_equal(router_at(5), fx.cx.ep);
	fixture_end(&fx);

	FINDS(GET, "things", "/v1/things/1", "not-found");
	FINDS(GET, "things", "/v1/things/" ID "0", "not-found");
	FINDS(GET, "things", "/v1/things/zz890000-0000-7000-8000-0000000000ab",
	    "not-found");
}

static void
files_are_names(void **state UNUSED)
{
	struct fixture fx;

	load();
	fixture_start(&fx, METHOD_GET, "/files/a-b_c.0.js");
	assert_int_equal(router_match(&fx.cx, "files"), RES_OK);
	assert_int_equal(fx.cx.nparams, 0);
	fixture_end(&fx);

	FINDS(GET, "files", "/files/" ID, "files_get");
	FINDS(GET, "files", "/files/", "not-found");
	FINDS(GET, "files", "/files/a/b", "not-found");
	FINDS(GET, "files", "/files/..", "not-found");
	FINDS(GET, "files", "/files/.a", "not-found");
	FINDS(GET, "files", "/files/-a", "not-found");
	FINDS(GET, "files", "/files/a\\b", "not-found");
	FINDS(GET, "files", "/files/a%2fb", "not-found");
	FINDS(GET, "files", "/files/\xc3\xad", "not-found");
	FINDS(GET, "files",
	    "/files/0123456789012345678901234567890123456789012345678901234567"
	    "8901234567890123456789012345678901234567890",
	    "not-found");
}

/* Rows of one path share a label, and no two labels name one path. */
static void
labels_are_paths(void **state UNUSED)
{
	unsigned i, k;

	load();
	assert_int_equal(router_labels(), 7);
	for (i = 0; i < NELEM(table); i++) {
		assert_in_range(router_label(&table[i]), 0, 6);
		assert_string_equal(
		    router_label_path(router_label(&table[i])), table[i].path);
	}
	for (i = 0; i < router_labels(); i++)
		for (k = 0; k < i; k++)
			assert_string_not_equal(
			    router_label_path(i), router_label_path(k));
	assert_null(router_label_path(7));
}

static void
odd_paths_match_nothing(void **state UNUSED)
{
	load();
	FINDS(GET, NULL, "/v1/things/", "not-found");
	FINDS(GET, NULL, "/v1//things", "not-found");
	FINDS(GET, NULL, "//v1/things", "not-found");
	FINDS(GET, NULL, "/v1/./things", "not-found");
	FINDS(GET, NULL, "/v1/x/../things", "not-found");
	FINDS(GET, NULL, "/v1/%74hings", "not-found");
	FINDS(GET, NULL, "/V1/things", "not-found");
	FINDS(GET, NULL, "/1/2/3/4/5/6/7/8/9/10/11/12/13", "not-found");
	FINDS(GET, NULL, "/v1/things%", "not-found");
	FINDS(GET, NULL, "/v1/things%2", "not-found");
	FINDS(GET, NULL, "/v1/things%zz", "not-found");
	FINDS(GET, NULL, "/v1/things%00", "not-found");
	FINDS(GET, NULL, "/v1/things\x7f", "not-found");
	FINDS(GET, NULL, "/v1/th\tings", "not-found");
	FINDS(GET, NULL, "/v1/th\xc3\xadngs", "not-found");
	FINDS(GET, NULL, "http://x/v1/things", "not-found");
	FINDS(GET, NULL, "", "not-found");
}

static void
allowed(enum http_method method, const char *path, const char *allow)
{
	struct fixture fx;

	fixture_start(&fx, method, path);
	assert_int_equal(router_match(&fx.cx, NULL), RES_ERR);
	assert_non_null(reply_value(&fx.cx, "Allow"));
	assert_string_equal(reply_value(&fx.cx, "Allow"), allow);
	assert_null(fx.cx.ep);
	reply_problem(&fx.cx);
	assert_int_equal(fx.cx.status, method == METHOD_OPTIONS ? 204 : 405);
	assert_string_equal(reply_value(&fx.cx, "Allow"), allow);
	fixture_end(&fx);
}

static void
other_methods_name_those_there_are(void **state UNUSED)
{
	load();
	FINDS(PUT, "things", "/v1/things", "method-not-allowed");
	allowed(METHOD_PUT, "/v1/things", "GET, HEAD, POST, OPTIONS");
	allowed(METHOD_PATCH, "/v1/things/" ID, "GET, HEAD, DELETE, OPTIONS");
	allowed(METHOD_OPTIONS, "/v1/things", "GET, HEAD, POST, OPTIONS");
	FINDS(OPTIONS, NULL, "/v1/things", "204");
	FINDS(OPTIONS, NULL, "/v1/nothing", "not-found");
	FINDS(DELETE, NULL, "/v1/nothing", "not-found");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unset_members_stop_the_start),
		cmocka_unit_test(contradictions_stop_the_start),
		cmocka_unit_test(bad_templates_stop_the_start),
		cmocka_unit_test(ambiguous_rows_stop_the_start),
		cmocka_unit_test(paths_find_their_rows),
		cmocka_unit_test(parameters_are_uuids),
		cmocka_unit_test(files_are_names),
		cmocka_unit_test(labels_are_paths),
		cmocka_unit_test(odd_paths_match_nothing),
		cmocka_unit_test(other_methods_name_those_there_are),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
