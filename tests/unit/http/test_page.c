/*
 * page.c: a cursor comes back as the row it was made for, and only that one,
 * only for its own list; links keep the other parameters.
 */
#include <stdio.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "http_fixture.h"

static const struct field fields[] = {
	{ "limit", FIELD_INTEGER, 0, 1, 1000, NULL, NULL, "t" },
	{ "cursor", FIELD_STRING, 0, 0, 100, NULL, NULL, "t" },
	{ "mrn", FIELD_STRING, 0, 0, 0, NULL, NULL, "t" },
};
static const struct schema schema = { "Query", "t", fields, NELEM(fields) };
static const struct endpoint list = { .method = METHOD_GET, .query = &schema };

static char dir[] = "/tmp/eleusis-page-XXXXXX";

static int
make_keys(void **state UNUSED)
{
	char msg[300] = "";

	if (mkdtemp(dir) == NULL)
		return (-1);
	if (keyring_create(dir, msg, sizeof(msg)) != RES_OK ||
	    keyring_load(dir, msg, sizeof(msg)) != RES_OK) {
		print_error("%s\n", msg);
		return (-1);
	}

	return (0);
}

static int
remove_keys(void **state UNUSED)
{
	char path[64];

	keyring_wipe();
	snprintf(path, sizeof(path), "%s/root.key", dir);
	unlink(path);

	return (rmdir(dir));
}

static void
start(struct fixture *fx, const char *path, const char *query)
{
	fixture_start(fx, METHOD_GET, path);
	fx->cx.ep = &list;
	fx->cx.query_string = query;
	assert_int_equal(ctx_read_query(&fx->cx), RES_OK);
}

/* A cursor as the server writes it; buf holds the whole reply. */
static void
make_cursor(const char *path, const char *query, const struct uuid *last,
    char cursor[100], char link[300])
{
	struct fixture fx;
	struct json_out *out;
	const char *text;
	size_t len;

	start(&fx, path, query);
	out = json_out_new(fx.cx.env.arena);
	json_obj(out);
	page_write(&fx.cx, out, true, last);
	json_obj_end(out);
	json_finish(out, &text, &len);
	strcpy(cursor,
	    json_get_str(parse_json(fx.cx.env.arena, text), "next_cursor"));
	strcpy(link, reply_value(&fx.cx, "Link"));
	fixture_end(&fx);
}

static enum res
read_cursor(const char *path, const char *cursor, struct uuid *after)
{
	char query[200];
	struct fixture fx;
	struct page page;
	enum res res;

	snprintf(query, sizeof(query), "cursor=%s", cursor);
	start(&fx, path, query);
	res = page_read(&fx.cx, 20, 100, &page);
	if (res == RES_OK) {
		assert_true(page.has_after);
		*after = page.after;
	} else {
		assert_int_equal(fx.cx.env.err.problem, PROBLEM_INVALID_QUERY);
		assert_mistake(&fx.cx.env.err, "?cursor", "format");
	}
	fixture_end(&fx);

	return (res);
}

static void
cursors_come_back(void **state UNUSED)
{
	char cursor[100], link[300];
	struct uuid id, after;

	for (int i = 0; i < 50; i++) {
		uuid_v7(&id);
		make_cursor("/v1/a", "", &id, cursor, link);
		assert_int_equal(read_cursor("/v1/a", cursor, &after), RES_OK);
		assert_true(uuid_equal(&id, &after));
	}
}

static void
changed_cursors_are_refused(void **state UNUSED)
{
	static const char *const bad[] = { "", "x", "AAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "%2500", "++++" };
	char cursor[100], link[300], other[200];
	struct uuid id, after;

	uuid_v7(&id);
	make_cursor("/v1/a", "", &id, cursor, link);
	for (size_t i = 0; i < strlen(cursor); i++) {
		strcpy(other, cursor);
		other[i] = other[i] == 'A' ? 'B' : 'A';
		assert_int_equal(read_cursor("/v1/a", other, &after), RES_ERR);
	}
	snprintf(other, sizeof(other), "%sAAAA", cursor);
	assert_int_equal(read_cursor("/v1/a", other, &after), RES_ERR);
	cursor[strlen(cursor) - 1] = '\0';
	assert_int_equal(read_cursor("/v1/a", cursor, &after), RES_ERR);
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(read_cursor("/v1/a", bad[i], &after), RES_ERR);
}

static void
a_cursor_belongs_to_its_list(void **state UNUSED)
{
	char cursor[100], link[300];
	struct uuid id, after;

	uuid_v7(&id);
	make_cursor("/v1/a", "", &id, cursor, link);
	assert_int_equal(read_cursor("/v1/b", cursor, &after), RES_ERR);
}

static void
links_keep_the_other_parameters(void **state UNUSED)
{
	char cursor[100], link[300], wanted[300];
	struct uuid id;

	uuid_v7(&id);
	make_cursor("/v1/a", "limit=7&mrn=A%26b%3D+%C3%A4", &id, cursor, link);
	snprintf(wanted, sizeof(wanted),
	    "</v1/a?limit=7&mrn=A%%26b%%3D%%20%%C3%%A4&cursor=%s>; "
	    "rel=\"next\"",
	    cursor);
	assert_string_equal(link, wanted);
	/* The next page's link names one cursor: its own. */
	snprintf(wanted, sizeof(wanted), "cursor=%s", cursor);
	make_cursor("/v1/a", wanted, &id, cursor, link);
	snprintf(
	    wanted, sizeof(wanted), "</v1/a?cursor=%s>; rel=\"next\"", cursor);
	assert_string_equal(link, wanted);
}

static void
the_last_page_has_no_link(void **state UNUSED)
{
	struct fixture fx;
	struct json_out *out;
	const char *text;
	size_t len;

	start(&fx, "/v1/a", "");
	out = json_out_new(fx.cx.env.arena);
	json_obj(out);
	page_write(&fx.cx, out, false, NULL);
	json_obj_end(out);
	json_finish(out, &text, &len);
	assert_string_equal(text, "{\"next_cursor\":null}");
	assert_null(fx.cx.headers);
	fixture_end(&fx);
}

static void
limits_are_bounded(void **state UNUSED)
{
	struct fixture fx;
	struct page page;

	start(&fx, "/v1/a", "");
	assert_int_equal(page_read(&fx.cx, 20, 100, &page), RES_OK);
	assert_int_equal(page.limit, 20);
	assert_false(page.has_after);
	fixture_end(&fx);

	start(&fx, "/v1/a", "limit=100");
	assert_int_equal(page_read(&fx.cx, 20, 100, &page), RES_OK);
	assert_int_equal(page.limit, 100);
	fixture_end(&fx);

	start(&fx, "/v1/a", "limit=101");
	assert_int_equal(page_read(&fx.cx, 20, 100, &page), RES_ERR);
	assert_mistake(&fx.cx.env.err, "?limit", "max");
	fixture_end(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cursors_come_back),
		cmocka_unit_test(changed_cursors_are_refused),
		cmocka_unit_test(a_cursor_belongs_to_its_list),
		cmocka_unit_test(links_keep_the_other_parameters),
		cmocka_unit_test(the_last_page_has_no_link),
		cmocka_unit_test(limits_are_bounded),
	};

	return (cmocka_run_group_tests(tests, make_keys, remove_keys));
}
