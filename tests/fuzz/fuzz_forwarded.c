/*
 * libFuzzer target of http/forwarded.c. The first byte picks the header. What
 * a client writes must never hide what a proxy appends to it: the last hop is
 * the proxy's word, or (in Forwarded only) the line as a whole is malformed.
 * And every address reads back as itself.
 *
 * build-asan/fuzz/fuzz_forwarded tests/fuzz/seeds/fuzz_forwarded
 */
#include <stdlib.h>
#include <string.h>

#include "http/http_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool truth)
{
	if (!truth)
		abort();
}

static void
check_hops(const struct hops *h)
{
	char text[NETADDR_STRLEN + 1];
	struct netaddr again;

	for (unsigned i = h->n > HOPS_MAX ? h->n - HOPS_MAX : 0; i < h->n;
	     i++) {
		const struct hop *hop = &h->hop[i % HOPS_MAX];

		must(hop->kind != HOP_UNSET);
		if (hop->kind != HOP_ADDRESS)
			continue;
		netaddr_format(&hop->who, text);
		must(netaddr_parse(text, &again) == RES_OK);
		must(memcmp(&again, &hop->who, sizeof(again)) == 0);
	}
}

static void
check_appended(void (*parse)(const char *, struct hops *), char *line,
    const char *added, bool whole)
{
	static const struct netaddr proxy = {
		.b = { [10] = 0xff, 0xff, 192, 0, 2, 1 }
	};
	const struct hop *last;
	struct hops h;

	(void)strcat(line, added);
	parse(line, &h);
	must(h.n > 0);
	last = &h.hop[(h.n - 1) % HOPS_MAX];
	if (whole && last->kind == HOP_MALFORMED)
		must(h.n == 1);
	else
		must(last->kind == HOP_ADDRESS &&
		     memcmp(&last->who, &proxy, sizeof(proxy)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool forwarded = size > 0 && data[0] % 2 == 0;
	struct hops h;
	char *line;

	if (size == 0 || memchr(data + 1, '\0', size - 1) != NULL)
		return (0);
	if ((line = malloc(size + 32)) == NULL)
		abort();
	memcpy(line, data + 1, size - 1);
	line[size - 1] = '\0';
	if (forwarded)
		forwarded_parse(line, &h);
	else
		x_forwarded_for_parse(line, &h);
	check_hops(&h);
	if (forwarded)
		check_appended(
		    forwarded_parse, line, ", for=192.0.2.1;by=_x", true);
	else
		check_appended(
		    x_forwarded_for_parse, line, ", 192.0.2.1", false);
	free(line);

	return (0);
}
