/*
 * The test request of RFC 9421, B.2, and its keys (B.1.4, B.1.5): what the
 * unit tests of signatures start from.
 */
#ifndef SIGNATURE_FIXTURE_H
#define SIGNATURE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "httpsig/httpsig.h"

#define RFC_BODY "{\"hello\": \"world\"}"
#define RFC_DIGEST                                                       \
	"sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBW" \
	"nrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
#define RFC_ED25519 "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
#define RFC_SECRET                                                        \
	"uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBt" \
	"bmHhIDi6pcl8jsasjlTMtDQ=="

static const struct ctx_field rfc_fields[] = {
	{ "Date", "Tue, 20 Apr 2021 02:07:55 GMT" },
	{ "Content-Type", "application/json" },
	{ "Content-Digest", RFC_DIGEST },
	{ "Content-Length", "18" },
	{ "Host", "example.com" },
};
static const struct message rfc_request = { .method = "POST",
	.scheme = "https",
	.authority = "example.com",
	.path = "/foo",
	.query = "param=Value&Pet=dog",
	.fields = rfc_fields,
	.nfields = NELEM(rfc_fields) };

/* Base64 into at most 64 bytes; how many there are. */
static inline size_t
bytes_of(const char *base64, uint8_t out[64])
{
	size_t len;

	assert_int_equal(sodium_base642bin(out, 64, base64, strlen(base64),
			     NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL),
	    0);

	return (len);
}

/* An inner list with parameters. */
static inline const struct sfv_value *
input_of(struct arena *arena, const char *input)
{
	const struct sfv_member *first;

	assert_int_equal(
	    sfv_dictionary(arena, arena_printf(arena, "sig=%s", input), &first),
	    RES_OK);
	assert_int_equal(first->value.type, SFV_LIST);

	return (&first->value);
}

/* The base of a message under such an input; NULL: refused, for *why. */
static inline const char *
base_of(struct arena *arena, const struct message *m, const char *input,
    struct buf *out, const char **why)
{
	const struct sfv_value *list = input_of(arena, input);
	struct sig_component components[COMPONENTS_MAX];
	const struct sfv_member *item;
	struct buf params;
	unsigned n = 0;

	*why = NULL;
	for (item = list->items; item != NULL; item = item->next, n++)
		if (component_read(arena, &item->value, &components[n], why) !=
		    RES_OK)
			return (NULL);
	buf_init(&params, arena, 64);
	sfv_write(&params, list);
	if (signature_base(arena, m, components, n, params.data, out, why) !=
	    RES_OK)
		return (NULL);

	return (out->data);
}

#endif
