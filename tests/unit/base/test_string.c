/*
 * string.c and uuid.c: UTF-8 at its edges, strict numbers, round trips of
 * doubles, big-endian packing, and the layout and order of UUIDs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_priv.h"

struct text {
	const char *s;
	size_t len;
};
#define TEXT(s)                  \
	{                        \
		s, sizeof(s) - 1 \
	}

static void
utf8_edges(void **state UNUSED)
{
	static const struct text good[] = { TEXT(""), TEXT("a\0b"),
		TEXT("\x7f"), TEXT("\xc2\x80"), TEXT("\xdf\xbf"),
		TEXT("\xe0\xa0\x80"), TEXT("\xed\x9f\xbf"),
		TEXT("\xee\x80\x80"), TEXT("\xef\xbf\xbf"),
		TEXT("\xf0\x90\x80\x80"), TEXT("\xf4\x8f\xbf\xbf"),
		TEXT("12345678\xe2\x82\xac"
		     "12345678") };
	static const struct text bad[] = { TEXT("\x80"), TEXT("\xbf"),
		TEXT("\xc0\x80"), TEXT("\xc1\xbf"), TEXT("\xc2"),
		TEXT("\xc2\x41"), TEXT("\xe0\x9f\xbf"), TEXT("\xe2\x82"),
		TEXT("\xe2\x82\x41"), TEXT("\xed\xa0\x80"),
		TEXT("\xed\xbf\xbf"), TEXT("\xf0\x8f\xbf\xbf"),
		TEXT("\xf0\x90\x80"), TEXT("\xf4\x90\x80\x80"),
		TEXT("\xf5\x80\x80\x80"), TEXT("\xff"),
		TEXT("12345678"
		     "1234567\xc2") };
	size_t i;

	for (i = 0; i < NELEM(good); i++) {
		if (!utf8_valid(good[i].s, good[i].len))
			fail_msg("good[%zu] refused", i);
	}
	for (i = 0; i < NELEM(bad); i++) {
		if (utf8_valid(bad[i].s, bad[i].len))
			fail_msg("bad[%zu] accepted", i);
	}
	assert_int_equal(utf8_valid_prefix("abc\xff", 4), 3);
	assert_int_equal(utf8_valid_prefix("12345678\xe2\x82", 10), 8);
}

static void
doubles_in(void **state UNUSED)
{
	static const char *const bad[] = { "", " ", "-", "+", ".", "e5", "1e",
		"1e+", " 1", "1 ", "0x10", "inf", "nan", "-infinity", "1,5",
		"1.2.3", "1e400", "-1e400", "--1", "1e5x" };
	double d;
	size_t i;

	for (i = 0; i < NELEM(bad); i++) {
		if (str_to_double(bad[i], &d))
			fail_msg("accepted: %s", bad[i]);
	}
	assert_true(str_to_double("5E-1", &d) && d == 0.5);
	assert_true(str_to_double("-12.25", &d) && d == -12.25);
	assert_true(str_to_double("+3", &d) && d == 3);
	assert_true(str_to_double(".5", &d) && d == 0.5);
	assert_true(str_to_double("1e-400", &d) && d == 0);
	assert_true(
	    str_to_double("1.7976931348623157e308", &d) && d == DBL_MAX);
}

static void
doubles_out(void **state UNUSED)
{
	static const double values[] = { 0, 1, -1.5, 0.1, 1.0 / 3, 5e-324,
		DBL_MIN, DBL_MAX, -DBL_MAX, 9007199254740993.0, 1e21,
		0.30000000000000004, 98.6 };
	char text[DOUBLE_STRLEN + 1];
	double d;
	size_t i;
	uint64_t bits;

	for (i = 0; i < NELEM(values); i++) {
		str_from_double(values[i], text);
		assert_true(str_to_double(text, &d) && d == values[i]);
	}
	srand48(20260131);
	for (i = 0; i < 100000; i++) {
		bits = (uint64_t)mrand48() << 32 | (uint32_t)mrand48();
		memcpy(&d, &bits, sizeof(d));
		if (!isfinite(d))
			continue;
		str_from_double(d, text);
		if (strtod(text, NULL) != d)
			fail_msg("%a came back as %s", d, text);
	}
	str_from_double(0.1, text);
	assert_string_equal(text, "0.1");
	str_from_double(-0.0, text);
	assert_string_equal(text, "0");
	str_from_double(37, text);
	assert_string_equal(text, "37");
}

/* A process locale with a decimal comma must change nothing. */
static void
doubles_ignore_locale(void **state UNUSED)
{
	char text[DOUBLE_STRLEN + 1];
	double d;

	if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL)
		skip();
	str_from_double(0.5, text);
	assert_string_equal(text, "0.5");
	assert_true(str_to_double("0.5", &d) && d == 0.5);
	assert_string_equal(localeconv()->decimal_point, ",");
	setlocale(LC_NUMERIC, "C");
}

static void
integers(void **state UNUSED)
{
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1.0",
		"1e3", "0x1", "9223372036854775808", "-9223372036854775809",
		"99999999999999999999999" };
	int64_t v;
	size_t i;

	for (i = 0; i < NELEM(bad); i++) {
		if (str_to_int64(bad[i], INT64_MIN, INT64_MAX, &v))
			fail_msg("accepted: %s", bad[i]);
	}
	assert_true(str_to_int64("9223372036854775807", 0, INT64_MAX, &v) &&
		    v == INT64_MAX);
	assert_true(str_to_int64("-9223372036854775808", INT64_MIN, 0, &v) &&
		    v == INT64_MIN);
	assert_true(str_to_int64("20", 1, 20, &v) && v == 20);
	assert_false(str_to_int64("21", 1, 20, &v));
	assert_false(str_to_int64("0", 1, 20, &v));
	assert_int_equal(v, 20);
}

static void
big_endian(void **state UNUSED)
{
	static const uint8_t expect[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
		0x07, 0xf8 };
	uint8_t b[8];

	put_be64(b, UINT64_C(0x01020304050607f8));
	assert_memory_equal(b, expect, 8);
	assert_true(get_be64(b) == UINT64_C(0x01020304050607f8));
	put_be32(b, 0xfffefdfc);
	assert_int_equal(b[0], 0xff);
	assert_true(get_be32(b) == 0xfffefdfc);
	put_be16(b, 0x8001);
	assert_int_equal(get_be16(b), 0x8001);
}

static void
uuid_text(void **state UNUSED)
{
	static const char *const bad[] = { "",
		"0190163d-8694-739b-aea5-966c26f8ad9",
		"0190163d-8694-739b-aea5-966c26f8ad911",
		"0190163d-8694-739b-aea5-966c26f8ad9g",
		"0190163d08694-739b-aea5-966c26f8ad91",
		"0190163d8694739baea5966c26f8ad91",
		"{190163d-8694-739b-aea5-966c26f8ad9}",
		"0190163d-8694-739b-aea5-966c26f8ad9 " };
	struct uuid u, v;
	char text[UUID_STRLEN + 1];
	size_t i;

	assert_int_equal(
	    uuid_parse("0190163D-8694-739B-AEA5-966C26F8AD91", &u), RES_OK);
	assert_int_equal(u.b[0], 0x01);
	assert_int_equal(u.b[15], 0x91);
	uuid_format(&u, text);
	assert_string_equal(text, "0190163d-8694-739b-aea5-966c26f8ad91");
	v = u;
	for (i = 0; i < NELEM(bad); i++) {
		if (uuid_parse(bad[i], &v) != RES_ERR)
			fail_msg("accepted: %s", bad[i]);
	}
	assert_true(uuid_equal(&u, &v));
	v.b[7] ^= 1;
	assert_false(uuid_equal(&u, &v));
	assert_false(uuid_is_nil(&u));
	memset(&u, 0, sizeof(u));
	assert_true(uuid_is_nil(&u));
}

static void
uuid_layout(void **state UNUSED)
{
	struct uuid u;
	int64_t before, after, ms;

	before = time_now_us() / 1000;
	uuid_v7(&u);
	after = time_now_us() / 1000;
	ms = (int64_t)(get_be64(u.b) >> 16);
	assert_in_range(ms, before, after);
	assert_int_equal(u.b[6] >> 4, 7);
	assert_int_equal(u.b[8] >> 6, 2);
}

static void
uuid_grows(void **state UNUSED)
{
	enum {
		COUNT = 100000
	};
	static struct uuid u[COUNT];
	size_t i;

	for (i = 0; i < COUNT; i++)
		uuid_v7(&u[i]);
	for (i = 1; i < COUNT; i++) {
		if (memcmp(u[i - 1].b, u[i].b, 8) >= 0)
			fail_msg("number %zu does not follow", i);
		if (u[i].b[6] >> 4 != 7 || u[i].b[8] >> 6 != 2)
			fail_msg("number %zu has the wrong version", i);
	}
	assert_memory_not_equal(u[0].b + 9, u[1].b + 9, 7);
}

static uint64_t
ticks_of(const struct uuid *u)
{
	uint64_t high;

	high = get_be64(u->b);

	return (high >> 16 << 12 | (high & 0xfff));
}

/* A clock that stands still or steps back; runs last, it leads the time. */
static void
uuid_grows_without_the_clock(void **state UNUSED)
{
	struct uuid u;
	uint64_t ahead;

	uuid_v7(&u);
	ahead = ticks_of(&u) + (10000 << 12 | 0xffd);
	ahead |= 0xffd;
	assert_true(uuid_next_ticks(ahead) == ahead);
	assert_true(uuid_next_ticks(ahead) == ahead + 1);
	assert_true(uuid_next_ticks(ahead - 100000) == ahead + 2);
	/* Past 12 bits the count goes on into the milliseconds. */
	uuid_v7(&u);
	assert_true(ticks_of(&u) == ahead + 3);
	uuid_v7(&u);
	assert_true(ticks_of(&u) == ahead + 4);
	assert_int_equal(u.b[6] >> 4, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_edges),
		cmocka_unit_test(doubles_in),
		cmocka_unit_test(doubles_out),
		cmocka_unit_test(doubles_ignore_locale),
		cmocka_unit_test(integers),
		cmocka_unit_test(big_endian),
		cmocka_unit_test(uuid_text),
		cmocka_unit_test(uuid_layout),
		cmocka_unit_test(uuid_grows),
		cmocka_unit_test(uuid_grows_without_the_clock),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
