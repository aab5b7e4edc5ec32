/*
 * reply_keep.c: what is packed comes back as it was, and bytes that are cut
 * short or added to are refused.
 */
#include "http_fixture.h"

static void
fill(struct ctx *cx)
{
	reply_text(cx, 201, "application/json", "{\"a\":\"b\"}", 9);
	reply_header(cx, "Location", "/v1/x/1");
	reply_header(cx, "ETag", "\"1\"");
}

static void
a_reply_comes_back(void **state UNUSED)
{
	struct fixture first, again;
	struct buf b;

	fixture_start(&first, METHOD_POST, "/v1/x");
	fixture_start(&again, METHOD_POST, "/v1/x");
	fill(&first.cx);
	buf_init(&b, first.cx.env.arena, 16);
	reply_pack(&first.cx, &b);
	assert_int_equal(reply_unpack(&again.cx, b.data, b.len), RES_OK);
	assert_int_equal(again.cx.status, 201);
	assert_string_equal(again.cx.content_type, "application/json");
	assert_int_equal(again.cx.reply_len, 9);
	assert_memory_equal(again.cx.reply, "{\"a\":\"b\"}", 9);
	assert_string_equal(reply_value(&again.cx, "Location"), "/v1/x/1");
	assert_string_equal(reply_value(&again.cx, "ETag"), "\"1\"");
	fixture_end(&again);
	fixture_end(&first);
}

static void
an_empty_reply_comes_back(void **state UNUSED)
{
	struct fixture first, again;
	struct buf b;

	fixture_start(&first, METHOD_POST, "/v1/x");
	fixture_start(&again, METHOD_POST, "/v1/x");
	reply_empty(&first.cx, 204);
	buf_init(&b, first.cx.env.arena, 16);
	reply_pack(&first.cx, &b);
	assert_int_equal(reply_unpack(&again.cx, b.data, b.len), RES_OK);
	assert_int_equal(again.cx.status, 204);
	assert_null(again.cx.content_type);
	assert_int_equal(again.cx.reply_len, 0);
	fixture_end(&again);
	fixture_end(&first);
}

static void
other_bytes_are_refused(void **state UNUSED)
{
	struct fixture first, again;
	struct buf b;

	fixture_start(&first, METHOD_POST, "/v1/x");
	fill(&first.cx);
	buf_init(&b, first.cx.env.arena, 16);
	reply_pack(&first.cx, &b);
	for (size_t len = 0; len < b.len; len++) {
		fixture_start(&again, METHOD_POST, "/v1/x");
		assert_int_equal(reply_unpack(&again.cx, b.data, len), RES_ERR);
		fixture_end(&again);
	}
	buf_putc(&b, 'x');
	fixture_start(&again, METHOD_POST, "/v1/x");
	assert_int_equal(reply_unpack(&again.cx, b.data, b.len), RES_ERR);
	fixture_end(&again);
	fixture_end(&first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
						a_reply_comes_back),
		cmocka_unit_test(an_empty_reply_comes_back),
		cmocka_unit_test(other_bytes_are_refused) };

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
