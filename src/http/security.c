/*
 * The security headers of every reply (tbl/security_headers.def), put
 * together once at start: a reply copies one ready block of lines.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http/http_priv.h"

#define BLOCK_SIZE 2048
#define HSTS_SIZE  64

static char hsts[HSTS_SIZE];

static const struct {
	const char *name, *value;
	unsigned when;
} rows[] = {
#define SECURITY_HEADER(name, value, when) { name, value, SECURITY_##when },
#include "http/tbl/security_headers.def"
#undef SECURITY_HEADER
};

/* By the kinds asked for: each has a bit of the index. */
static struct {
	char text[BLOCK_SIZE];
	size_t len;
} blocks[SECURITY_KINDS];

static void
make_hsts(void)
{
	(void)snprintf(hsts, sizeof(hsts), "max-age=%lld; includeSubDomains%s",
	    (long long)setting_int(SETTING_HSTS_MAX_AGE_S),
	    setting_bool(SETTING_HSTS_PRELOAD) ? "; preload" : "");
}

static void
make_block(unsigned kinds)
{
	size_t len = 0;

	for (size_t i = 0; i < NELEM(rows); i++) {
		if ((rows[i].when & ~kinds) != 0)
			continue;
		len +=
		    (size_t)snprintf(blocks[kinds].text + len, BLOCK_SIZE - len,
			"%s: %s\r\n", rows[i].name, rows[i].value);
		/* The table is fixed: it fits, or never will. */
		assert(len < BLOCK_SIZE);
	}
	blocks[kinds].len = len;
}

void
security_init(void)
{
	make_hsts();
	for (unsigned kinds = 0; kinds < SECURITY_KINDS; kinds++)
		make_block(kinds);
}

const char *
security_headers(unsigned kinds, size_t *len)
{
	assert(kinds < SECURITY_KINDS && blocks[kinds].len > 0);
	*len = blocks[kinds].len;

	return (blocks[kinds].text);
}
