/*
 * CBOR (RFC 8949) from authenticators and browsers. libcbor decodes it, but
 * reserves what a header announces before it looks whether that many bytes
 * are there, and says nothing of names that come twice. So every item is
 * measured here first: definite lengths, a bounded depth, no tags (CTAP2's
 * canonical form), and not too many of them. Pure.
 */
#include <string.h>

#include <cbor.h>

#include "webauthn/webauthn.h"

/* CTAP2 allows 4 levels, attestation statements among them. */
#define DEPTH_MAX 6
/* A statement with a chain of certificates has a few dozen; each costs an
 * allocation, on the event loop. */
#define ITEMS_MAX 256

enum major {
	MAJOR_UINT = 0,
	MAJOR_NEGINT,
	MAJOR_BYTES,
	MAJOR_TEXT,
	MAJOR_ARRAY,
	MAJOR_MAP,
	MAJOR_TAG,
	MAJOR_SIMPLE
};

struct reader {
	const uint8_t *p;
	size_t left;
	unsigned items;
};

static bool
skip(struct reader *r, uint64_t n)
{
	if (n > r->left)
		return (false);
	r->p += n;
	r->left -= (size_t)n;
	return (true);
}

/* The head of an item: its kind and its argument. */
static bool
read_head(struct reader *r, enum major *major, uint64_t *arg)
{
	unsigned info, extra;

	if (r->left == 0)
		return (false);
	*major = (enum major)(*r->p >> 5);
	info = *r->p & 0x1f;
	(void)skip(r, 1);
	*arg = info;
	if (info < 24)
		return (true);
	if (info > 27)
		return (false);
	extra = 1U << (info - 24);
	if (r->left < extra)
		return (false);
	*arg = 0;
	for (unsigned i = 0; i < extra; i++)
		*arg = *arg << 8 | r->p[i];
	return (skip(r, extra));
}

static bool skip_item(struct reader *, unsigned depth);

static bool
skip_items(struct reader *r, uint64_t n, unsigned depth)
{
	if (depth == 0 || n > r->left)
		return (false);
	while (n-- > 0)
		if (!skip_item(r, depth - 1))
			return (false);
	return (true);
}

static bool
skip_text(struct reader *r, uint64_t len)
{
	const uint8_t *text = r->p;

	return (skip(r, len) && utf8_valid(text, (size_t)len));
}

static bool
skip_item(struct reader *r, unsigned depth)
{
	enum major major;
	uint64_t arg;

	if (++r->items > ITEMS_MAX || !read_head(r, &major, &arg))
		return (false);
	switch (major) {
	case MAJOR_UINT:
	case MAJOR_NEGINT:
		return (true);
	case MAJOR_BYTES:
		return (skip(r, arg));
	case MAJOR_TEXT:
		return (skip_text(r, arg));
	case MAJOR_ARRAY:
		return (skip_items(r, arg, depth));
	case MAJOR_MAP:
		return (arg <= r->left && skip_items(r, 2 * arg, depth));
	case MAJOR_SIMPLE:
		/* false, true, null; no floating point is of use here */
		return (arg >= 20 && arg <= 22);
	default:
		return (false);
	}
}

size_t
webauthn_cbor_len(const uint8_t *data, size_t len)
{
	struct reader r = { data, len, 0 };

	return (skip_item(&r, DEPTH_MAX) ? len - r.left : 0);
}

static void
drop(void *arg)
{
	cbor_item_t *item = arg;

	cbor_decref(&item);
}

cbor_item_t *
webauthn_cbor_map(struct arena *arena, const uint8_t *data, size_t len)
{
	struct cbor_load_result result;
	cbor_item_t *item;

	if (len == 0 || webauthn_cbor_len(data, len) != len)
		return (NULL);
	item = cbor_load(data, len, &result);
	if (item == NULL)
		return (NULL);
	arena_defer(arena, drop, item);
	return (cbor_isa_map(item) && result.read == len ? item : NULL);
}

static bool
is_name(const cbor_item_t *key, const char *name)
{
	return (cbor_isa_string(key) &&
		cbor_string_length(key) == strlen(name) &&
		memcmp(cbor_string_handle(key), name, strlen(name)) == 0);
}

static bool
is_label(const cbor_item_t *key, int label)
{
	/* -1 - n is what a negative integer n stands for */
	if (label >= 0)
		return (
		    cbor_isa_uint(key) && cbor_get_int(key) == (uint64_t)label);
	return (cbor_isa_negint(key) &&
		cbor_get_int(key) == (uint64_t)(-1 - label));
}

/* name NULL: by label. NULL also when there are two. */
static cbor_item_t *
find(const cbor_item_t *map, const char *name, int label)
{
	const struct cbor_pair *pairs = cbor_map_handle(map);
	cbor_item_t *found = NULL;

	for (size_t i = 0; i < cbor_map_size(map); i++) {
		if (!(name != NULL ? is_name(pairs[i].key, name) :
				     is_label(pairs[i].key, label)))
			continue;
		if (found != NULL)
			return (NULL);
		found = pairs[i].value;
	}
	return (found);
}

cbor_item_t *
webauthn_cbor_named(const cbor_item_t *map, const char *name)
{
	return (find(map, name, 0));
}

enum res
webauthn_cbor_int(const cbor_item_t *map, int label, int *out)
{
	const cbor_item_t *item = find(map, NULL, label);
	uint64_t n;

	if (item == NULL || !cbor_is_int(item))
		return (RES_ERR);
	n = cbor_get_int(item);
	if (n > INT16_MAX)
		return (RES_ERR);
	*out = cbor_isa_uint(item) ? (int)n : -1 - (int)n;
	return (RES_OK);
}

enum res
webauthn_cbor_bytes(const cbor_item_t *map, int label, struct bytes *out)
{
	const cbor_item_t *item = find(map, NULL, label);

	if (item == NULL || !cbor_isa_bytestring(item))
		return (RES_ERR);
	out->p = cbor_bytestring_handle(item);
	out->len = cbor_bytestring_length(item);
	return (RES_OK);
}
