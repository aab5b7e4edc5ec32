/*
 * UTF-8, numbers in text, big-endian packing. Numbers are read and written
 * in the C locale whatever the process has set: a decimal comma in a dose
 * would be a disaster.
 */
#include <assert.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static locale_t
locale_c(void)
{
	static _Thread_local locale_t loc;

	if (loc == (locale_t)0) {
		loc = newlocale(LC_ALL_MASK, "C", (locale_t)0);
		assert(loc != (locale_t)0);
	}

	return (loc);
}

/* Length of the well-formed sequence at s (RFC 3629, section 4); 0: none. */
static size_t
utf8_sequence(const unsigned char *s, size_t len)
{
	size_t n, i;
	unsigned char low, high;

	low = 0x80;
	high = 0xbf;
	if (s[0] < 0x80)
		return (1);
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return (0);

	/* No overlong forms, no surrogates, nothing past U+10FFFF. */
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;

	if (len < n || s[1] < low || s[1] > high)
		return (0);
	for (i = 2; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return (0);
	}

	return (n);
}

size_t
utf8_valid_prefix(const void *data, size_t len)
{
	const unsigned char *s;
	size_t i, n;
	uint64_t word;

	s = data;
	for (i = 0; i < len; i += n) {
		n = sizeof(word);
		if (len - i >= n) {
			memcpy(&word, s + i, sizeof(word));
			if ((word & 0x8080808080808080ULL) == 0)
				continue;
		}
		if ((n = utf8_sequence(s + i, len - i)) == 0)
			break;
	}

	return (i);
}

bool
utf8_valid(const void *data, size_t len)
{
	return (utf8_valid_prefix(data, len) == len);
}

static const char *
skip_digits(const char *s)
{
	while (*s >= '0' && *s <= '9')
		s++;

	return (s);
}

/* strtod() would also take "inf", "nan", hexadecimal and leading spaces. */
static bool
is_decimal(const char *s)
{
	const char *start;
	size_t digits;

	if (*s == '-' || *s == '+')
		s++;
	start = s;
	s = skip_digits(s);
	digits = (size_t)(s - start);
	if (*s == '.') {
		start = ++s;
		s = skip_digits(s);
		digits += (size_t)(s - start);
	}
	if (digits == 0)
		return (false);
	if (*s == 'e' || *s == 'E') {
		s++;
		if (*s == '-' || *s == '+')
			s++;
		start = s;
		s = skip_digits(s);
		if (s == start)
			return (false);
	}

	return (*s == '\0');
}

bool
str_to_double(const char *s, double *out)
{
	locale_t old;
	double d;

	if (!is_decimal(s))
		return (false);
	old = uselocale(locale_c());
	d = strtod(s, NULL);
	uselocale(old);
	if (!isfinite(d))
		return (false);
	*out = d;

	return (true);
}

void
str_from_double(double d, char out[DOUBLE_STRLEN + 1])
{
	locale_t old;
	int digits;

	assert(isfinite(d));

	if (d == 0)
		d = 0; /* not "-0" */
	old = uselocale(locale_c());
	for (digits = 15; digits <= 17; digits++) {
		snprintf(out, DOUBLE_STRLEN + 1, "%.*g", digits, d);
		if (strtod(out, NULL) == d)
			break;
	}
	uselocale(old);
}

bool
str_to_int64(const char *s, int64_t min, int64_t max, int64_t *out)
{
	const char *digits;
	long long v;

	digits = s[0] == '-' ? s + 1 : s;
	if (*digits == '\0' || *skip_digits(digits) != '\0')
		return (false);

	errno = 0;
	v = strtoll(s, NULL, 10);
	if (errno != 0 || v < min || v > max)
		return (false);
	*out = v;

	return (true);
}

void
put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void
put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16(p + 2, (uint16_t)v);
}

void
put_be64(uint8_t *p, uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}

uint16_t
get_be16(const uint8_t *p)
{
	return ((uint16_t)(p[0] << 8 | p[1]));
}

uint32_t
get_be32(const uint8_t *p)
{
	return ((uint32_t)get_be16(p) << 16 | get_be16(p + 2));
}

uint64_t
get_be64(const uint8_t *p)
{
	return ((uint64_t)get_be32(p) << 32 | get_be32(p + 4));
}
