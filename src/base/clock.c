/*
 * The clocks, RFC 3339 texts and dates of the proleptic Gregorian calendar.
 * An instant is microseconds since 1970 UTC, a date is days since then: no
 * time zones, no struct tm, no libc tables that a chroot would hide.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"

#define US_PER_S      INT64_C(1000000)
#define US_PER_DAY    (86400 * US_PER_S)
#define DAYS_PER_ERA  146097                     /* 400 years */
#define DAYS_TO_EPOCH 719468                     /* 0000-03-01 to 1970-01-01 */
#define TIME_US_MIN   (-719528 * US_PER_DAY)     /* year 0 */
#define TIME_US_MAX   (2932897 * US_PER_DAY - 1) /* end of year 9999 */
#define TIME_YEAR_MIN 1900

struct civil {
	int year, month, day; /* month and day from 1 */
};

static int64_t
clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);

	return (ts.tv_sec * US_PER_S + ts.tv_nsec / 1000);
}

int64_t
time_now_us(void)
{
	return (clock_us(CLOCK_REALTIME));
}

int64_t
time_mono_us(void)
{
	return (clock_us(CLOCK_MONOTONIC));
}

int64_t
time_mono_ms(void)
{
	return (time_mono_us() / 1000);
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return (a / b - (a % b < 0));
}

/*
 * Years are counted from 1 March: the leap day is then the last day of the
 * year, and the days before month m (March is 0) are (153 m + 2) / 5.
 */
static int32_t
civil_to_days(const struct civil *c)
{
	int64_t year, era, of_era, of_year;

	year = c->month > 2 ? c->year : c->year - 1;
	era = floor_div(year, 400);
	year -= era * 400;
	of_year = (153 * ((c->month + 9) % 12) + 2) / 5 + c->day - 1;
	of_era = year * 365 + year / 4 - year / 100 + of_year;

	return ((int32_t)(era * DAYS_PER_ERA + of_era - DAYS_TO_EPOCH));
}

static void
days_to_civil(int64_t days, struct civil *c)
{
	int64_t era, of_era, year, of_year, month;

	days += DAYS_TO_EPOCH;
	era = floor_div(days, DAYS_PER_ERA);
	of_era = days - era * DAYS_PER_ERA;
	year =
	    (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * year + year / 4 - year / 100);
	month = (5 * of_year + 2) / 153;

	c->day = (int)(of_year - (153 * month + 2) / 5 + 1);
	c->month = (int)(month < 10 ? month + 3 : month - 9);
	c->year = (int)(year + era * 400 + (c->month <= 2));
}

/* Writes n decimal digits, right to left. */
static void
put_digits(char *out, int n, int64_t v)
{
	while (n-- > 0) {
		out[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

/* An instant outside the years 0 to 9999 has no RFC 3339 form: clamped. */
void
time_format(int64_t us, char out[TIME_STRLEN + 1])
{
	struct civil c;
	int64_t days, sec;

	if (us < TIME_US_MIN)
		us = TIME_US_MIN;
	if (us > TIME_US_MAX)
		us = TIME_US_MAX;
	days = floor_div(us, US_PER_DAY);
	us -= days * US_PER_DAY;
	sec = us / US_PER_S;
	days_to_civil(days, &c);

	memcpy(out, "0000-00-00T00:00:00.000000Z", TIME_STRLEN + 1);
	put_digits(out, 4, c.year);
	put_digits(out + 5, 2, c.month);
	put_digits(out + 8, 2, c.day);
	put_digits(out + 11, 2, sec / 3600);
	put_digits(out + 14, 2, sec / 60 % 60);
	put_digits(out + 17, 2, sec % 60);
	put_digits(out + 20, 6, us % US_PER_S);
}

/* Reads exactly n digits; the text's NUL is no digit, so it stops there. */
static bool
take_digits(const char **s, int n, int *out)
{
	int v;

	v = 0;
	while (n-- > 0) {
		if (**s < '0' || **s > '9')
			return (false);
		v = v * 10 + (*(*s)++ - '0');
	}
	*out = v;

	return (true);
}

static bool
take_char(const char **s, char c)
{
	if (**s != c)
		return (false);
	(*s)++;

	return (true);
}

static int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };

	if (month == 2 &&
	    (year % 400 == 0 || (year % 4 == 0 && year % 100 != 0)))
		return (29);

	return (days[month - 1]);
}

static bool
take_date(const char **s, int year_min, int32_t *days)
{
	struct civil c;

	if (!take_digits(s, 4, &c.year) || !take_char(s, '-') ||
	    !take_digits(s, 2, &c.month) || !take_char(s, '-') ||
	    !take_digits(s, 2, &c.day))
		return (false);
	if (c.year < year_min || c.month < 1 || c.month > 12 || c.day < 1 ||
	    c.day > days_in_month(c.year, c.month))
		return (false);
	*days = civil_to_days(&c);

	return (true);
}

/* hh:mm:ss; a leap second (:60) names no instant we can store. */
static bool
take_clock(const char **s, int64_t *us)
{
	int hour, min, sec;

	if (!take_digits(s, 2, &hour) || !take_char(s, ':') ||
	    !take_digits(s, 2, &min) || !take_char(s, ':') ||
	    !take_digits(s, 2, &sec))
		return (false);
	if (hour > 23 || min > 59 || sec > 59)
		return (false);
	*us = (hour * 3600 + min * 60 + sec) * US_PER_S;

	return (true);
}

/* 1 to 9 digits after the point; what is finer than 1 us is cut off. */
static bool
take_fraction(const char **s, int64_t *us)
{
	int digit, n;
	int64_t unit;

	*us = 0;
	if (!take_char(s, '.'))
		return (true);
	unit = US_PER_S / 10;
	for (n = 0; take_digits(s, 1, &digit); n++) {
		*us += digit * unit;
		unit /= 10;
	}

	return (n >= 1 && n <= 9);
}

static bool
take_offset(const char **s, int64_t *us)
{
	int sign, hour, min;

	*us = 0;
	if (take_char(s, 'Z') || take_char(s, 'z'))
		return (true);
	if (**s != '+' && **s != '-')
		return (false);
	sign = *(*s)++ == '-' ? -1 : 1;
	if (!take_digits(s, 2, &hour) || !take_char(s, ':') ||
	    !take_digits(s, 2, &min) || hour > 23 || min > 59)
		return (false);
	*us = sign * (hour * 3600 + min * 60) * US_PER_S;

	return (true);
}

enum res
time_parse(const char *s, int64_t *us)
{
	int32_t days;
	int64_t clock, fraction, offset;

	if (!take_date(&s, TIME_YEAR_MIN, &days))
		return (RES_ERR);
	if (!take_char(&s, 'T') && !take_char(&s, 't'))
		return (RES_ERR);
	if (!take_clock(&s, &clock) || !take_fraction(&s, &fraction) ||
	    !take_offset(&s, &offset) || *s != '\0')
		return (RES_ERR);
	*us = days * US_PER_DAY + clock + fraction - offset;

	return (RES_OK);
}

enum res
date_parse(const char *s, int32_t *days)
{
	int32_t d;

	if (!take_date(&s, 1, &d) || *s != '\0')
		return (RES_ERR);
	*days = d;

	return (RES_OK);
}

/* Born on 29 February: a year older on 1 March of a common year. */
int
date_age_years(int32_t birth_days, int64_t at_us)
{
	struct civil birth, at;
	int years;

	days_to_civil(birth_days, &birth);
	days_to_civil(floor_div(at_us, US_PER_DAY), &at);
	years = at.year - birth.year;
	if (at.month < birth.month ||
	    (at.month == birth.month && at.day < birth.day))
		years--;

	return (years);
}
