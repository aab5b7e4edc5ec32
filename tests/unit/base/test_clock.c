/*
 * clock.c: RFC 3339 texts at the edges of the calendar. Days are checked
 * against libc's timegm() and gmtime_r() over the whole range.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>

#include "base/base.h"

#define US INT64_C(1000000)

struct instant {
	const char *text;
	int64_t us;
};

static void
times_accepted(void **state UNUSED)
{
	static const struct instant rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01t00:00:00z", 0 },
		{ "1970-01-01T00:00:00.000001Z", 1 },
		{ "1970-01-01T00:00:00.1Z", 100000 },
		{ "1970-01-01T00:00:00.123456789Z", 123456 },
		{ "1969-12-31T23:59:59.999999Z", -1 },
		{ "1970-01-01T01:30:00+01:30", 0 },
		{ "1969-12-31T22:00:00-02:00", 0 },
		{ "1970-01-01T00:00:00-00:00", 0 },
		{ "2000-02-29T12:00:00Z", 951825600 * US },
		{ "2024-02-29T23:59:59.5Z", 1709251199 * US + 500000 },
		{ "1900-01-01T00:00:00Z", -2208988800 * US },
		{ "9999-12-31T23:59:59.999999Z", 253402300800 * US - 1 },
	};
	size_t i;
	int64_t us;

	for (i = 0; i < NELEM(rows); i++) {
		if (time_parse(rows[i].text, &us) != RES_OK)
			fail_msg("refused: %s", rows[i].text);
		if (us != rows[i].us)
			fail_msg("%s gave %lld", rows[i].text, (long long)us);
	}
}

static void
times_refused(void **state UNUSED)
{
	static const char *const bad[] = { "", "2026", "2026-01-01",
		"2026-01-01T00:00Z", "2026-01-01T00:00:00",
		"2026-01-01 00:00:00Z", "2026-1-01T00:00:00Z",
		"2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
		"2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z",
		"2026-04-31T00:00:00Z", "2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z", "2026-01-01T24:00:00Z",
		"2026-01-01T23:60:00Z", "2016-12-31T23:59:60Z",
		"2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z",
		"2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00+01:60", "2026-01-01T00:00:00+0100",
		"2026-01-01T00:00:00+01", "2026-01-01T00:00:00ZZ",
		"2026-01-01T00:00:00Z ", " 2026-01-01T00:00:00Z",
		"1899-12-31T23:59:59Z", "-026-01-01T00:00:00Z",
		"10000-01-01T00:00:00Z", "2026-01-01T+1:00:00Z" };
	int64_t us;
	size_t i;

	us = 42;
	for (i = 0; i < NELEM(bad); i++) {
		if (time_parse(bad[i], &us) != RES_ERR)
			fail_msg("accepted: %s", bad[i]);
	}
	assert_int_equal(us, 42);
}

static void
dates(void **state UNUSED)
{
	static const char *const bad[] = { "", "2026-02-30", "2026-02-29",
		"2100-02-29", "2026-06-31", "2026-6-01", "2026-06-1",
		"2026-06-01T", "20260601", "0000-01-01", "2026-12-32",
		"2026/01/01" };
	int32_t d;
	size_t i;

	assert_int_equal(date_parse("1970-01-01", &d), RES_OK);
	assert_int_equal(d, 0);
	assert_int_equal(date_parse("2000-02-29", &d), RES_OK);
	assert_int_equal(d, 11016);
	assert_int_equal(date_parse("0001-01-01", &d), RES_OK);
	assert_int_equal(d, -719162);
	assert_int_equal(date_parse("9999-12-31", &d), RES_OK);
	assert_int_equal(d, 2932896);
	for (i = 0; i < NELEM(bad); i++) {
		if (date_parse(bad[i], &d) != RES_ERR)
			fail_msg("accepted: %s", bad[i]);
	}
}

/* Every day from 1900 to 2200, then strides to both ends, against libc. */
static void
agrees_with_libc(void **state UNUSED)
{
	char expect[96], got[TIME_STRLEN + 1];
	struct tm tm;
	time_t t;
	int64_t back;

	for (t = -2208988800; t < 253402300799;
	     t += t < 7258118400 ? 86400 + 7 : 8640001) {
		assert_non_null(gmtime_r(&t, &tm));
		snprintf(expect, sizeof(expect),
		    "%04d-%02d-%02dT%02d:%02d:%02d.000250Z", tm.tm_year + 1900,
		    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		    tm.tm_sec);
		time_format(t * US + 250, got);
		assert_string_equal(got, expect);
		assert_int_equal(time_parse(got, &back), RES_OK);
		if (back != t * US + 250)
			fail_msg("%s came back as %lld", got, (long long)back);
	}
}

static void
format_clamps(void **state UNUSED)
{
	char text[TIME_STRLEN + 1];

	time_format(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
	time_format(INT64_MIN, text);
	assert_string_equal(text, "0000-01-01T00:00:00.000000Z");
	time_format(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
}

static int
age(const char *birth, const char *at)
{
	int32_t days;
	int64_t us;

	assert_int_equal(date_parse(birth, &days), RES_OK);
	assert_int_equal(time_parse(at, &us), RES_OK);

	return (date_age_years(days, us));
}

static void
ages(void **state UNUSED)
{
	assert_int_equal(age("1980-06-15", "2020-06-14T23:59:59Z"), 39);
	assert_int_equal(age("1980-06-15", "2020-06-15T00:00:00Z"), 40);
	assert_int_equal(age("2000-02-29", "2001-02-28T12:00:00Z"), 0);
	assert_int_equal(age("2000-02-29", "2001-03-01T00:00:00Z"), 1);
	assert_int_equal(age("2000-02-29", "2004-02-29T00:00:00Z"), 4);
	assert_int_equal(age("1950-01-01", "1969-12-31T23:59:59Z"), 19);
	assert_int_equal(age("2020-01-02", "2020-01-01T00:00:00Z"), -1);
}

static void
clocks_run(void **state UNUSED)
{
	int64_t mono, wall;
	struct timespec nap = { .tv_nsec = 5000000 };

	wall = time_now_us();
	mono = time_mono_us();
	assert_int_equal(nanosleep(&nap, NULL), 0);
	assert_true(time_mono_us() - mono >= 5000);
	assert_true(time_mono_us() / 1000 - time_mono_ms() <= 0);
	assert_true(llabs(wall / US - (int64_t)time(NULL)) <= 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_accepted),
		cmocka_unit_test(times_refused),
		cmocka_unit_test(dates),
		cmocka_unit_test(agrees_with_libc),
		cmocka_unit_test(format_clamps),
		cmocka_unit_test(ages),
		cmocka_unit_test(clocks_run),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
