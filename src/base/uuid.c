/*
 * UUIDs (RFC 9562). Version 7 sorts by time: rows made one after the other
 * lie together in PostgreSQL's indexes. Within a process the values grow
 * strictly: when the clock stands still or steps back, the 60-bit time field
 * counts on from the last one. The 62 random bits make them unguessable
 * enough to be unique; they are never a secret or a permission.
 */
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/base_priv.h"

/* Milliseconds in the upper 48 bits, 1/4096 ms in the lower 12. */
static uint64_t
clock_ticks(void)
{
	struct timespec ts;
	uint64_t ms, ns;

	clock_gettime(CLOCK_REALTIME, &ts);
	ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	ns = (uint64_t)ts.tv_nsec % 1000000;

	return (ms << 12 | (ns << 12) / 1000000);
}

uint64_t
uuid_next_ticks(uint64_t now)
{
	static _Atomic uint64_t last;
	uint64_t prev, next;

	prev = atomic_load(&last);
	do {
		next = now > prev ? now : prev + 1;
	} while (!atomic_compare_exchange_weak(&last, &prev, next));

	return (next);
}

void
uuid_v7(struct uuid *u)
{
	uint64_t ticks;

	ticks = uuid_next_ticks(clock_ticks());
	put_be32(u->b, (uint32_t)(ticks >> 28));
	put_be16(u->b + 4, (uint16_t)(ticks >> 12));
	put_be16(u->b + 6, (uint16_t)(0x7000 | (ticks & 0xfff)));
	randombytes_buf(u->b + 8, 8);
	u->b[8] = (uint8_t)(0x80 | (u->b[8] & 0x3f));
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	if (c >= 'a' && c <= 'f')
		return (c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (c - 'A' + 10);

	return (-1);
}

static bool
is_dash(size_t pos)
{
	return (pos == 8 || pos == 13 || pos == 18 || pos == 23);
}

enum res
uuid_parse(const char *s, struct uuid *out)
{
	struct uuid u;
	size_t i, n;
	int high, low;

	if (strnlen(s, UUID_STRLEN + 1) != UUID_STRLEN)
		return (RES_ERR);

	for (i = 0, n = 0; i < UUID_STRLEN; n++) {
		if (is_dash(i) && s[i++] != '-')
			return (RES_ERR);
		high = hex_digit(s[i++]);
		low = hex_digit(s[i++]);
		if (high < 0 || low < 0)
			return (RES_ERR);
		u.b[n] = (uint8_t)(high << 4 | low);
	}
	*out = u;

	return (RES_OK);
}

void
uuid_format(const struct uuid *u, char out[UUID_STRLEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	size_t i, n;

	for (i = 0, n = 0; n < sizeof(u->b); n++) {
		if (is_dash(i))
			out[i++] = '-';
		out[i++] = digits[u->b[n] >> 4];
		out[i++] = digits[u->b[n] & 15];
	}
	out[i] = '\0';
}

bool
uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return (memcmp(a->b, b->b, sizeof(a->b)) == 0);
}

bool
uuid_is_nil(const struct uuid *u)
{
	static const struct uuid nil;

	return (uuid_equal(u, &nil));
}
