/*
 * libFuzzer target of what authenticators and browsers send: the first byte
 * says what the rest is. Authenticator data that are accepted must lie within
 * what was given and leave nothing over; a key that is accepted must have the
 * length that libfido2 reads; an attestation object must be accepted in the
 * same way through a registration, or refused for a reason.
 */
#include <stdlib.h>
#include <string.h>

#include <fido.h>

#include "webauthn/webauthn.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool truth)
{
	if (!truth)
		abort();
}

static bool
within(const struct bytes *part, const struct bytes *whole)
{
	return (part->p >= whole->p && part->len <= whole->len &&
		(size_t)(part->p - whole->p) <= whole->len - part->len);
}

static void
check_data(const struct webauthn_data *d, const struct bytes *raw)
{
	must(within(&d->raw, raw));
	if (!(d->flags & WEBAUTHN_AT))
		return;
	must(within(&d->id, &d->raw) && within(&d->key, &d->raw));
	must(d->id.len >= WEBAUTHN_ID_MIN && d->id.len <= WEBAUTHN_ID_MAX);
	must(webauthn_cbor_len(d->key.p, d->key.len) == d->key.len);
	must((d->flags & WEBAUTHN_ED) ||
	     d->key.p + d->key.len == d->raw.p + d->raw.len);
}

static void
fuzz_data(const struct bytes *raw)
{
	enum webauthn_fault why = WEBAUTHN_FAULT_UNSET;
	struct webauthn_data d;

	if (webauthn_data_read(raw, &d, &why) == RES_OK)
		check_data(&d, raw);
	else
		must(why != WEBAUTHN_FAULT_UNSET);
}

static void
fuzz_key(struct arena *arena, const struct bytes *raw)
{
	enum webauthn_fault why = WEBAUTHN_FAULT_UNSET;
	struct webauthn_key key;

	if (webauthn_key_read(arena, raw->p, raw->len, &key, &why) != RES_OK)
		must(why != WEBAUTHN_FAULT_UNSET);
	else if (key.alg == COSE_ES256)
		must(key.len == 64);
	else if (key.alg == COSE_EDDSA)
		must(key.len == 32);
	else
		must(key.alg == COSE_RS256 && key.len == 259);
}

/* With the hash of our site put in, so that more than that is looked at. */
static void
fuzz_object(struct arena *arena, const struct bytes *raw)
{
	static const struct webauthn_rp rp = { "example.org",
		"https://example.org" };
	const struct webauthn_client client = { .type = "webauthn.create",
		.origin = "https://example.org" };
	enum webauthn_fault why = WEBAUTHN_FAULT_UNSET;
	struct webauthn_credential made;
	struct webauthn_data d;

	if (webauthn_attestation_read(arena, raw, &d, &why) == RES_OK)
		must(d.flags & WEBAUTHN_AT);
	else
		must(why != WEBAUTHN_FAULT_UNSET);
	why = WEBAUTHN_FAULT_UNSET;
	if (webauthn_register(arena, &rp, &client, raw, &made, &why) != RES_OK)
		must(why != WEBAUTHN_FAULT_UNSET);
	else
		must(made.key.len > 0 && made.id.len >= WEBAUTHN_ID_MIN);
}

static void
fuzz_client(struct arena *arena, const struct bytes *raw)
{
	enum webauthn_fault why = WEBAUTHN_FAULT_UNSET;
	struct webauthn_client c;

	if (webauthn_client_read(arena, raw, &c, &why) == RES_OK)
		must(c.type != NULL && c.origin != NULL);
	else
		must(why == WEBAUTHN_MALFORMED);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena;
	struct bytes raw;

	if (size == 0)
		return (0);
	arena = arena_new();
	raw = (struct bytes){ data + 1, size - 1 };
	switch (data[0]) {
	case 'd':
		fuzz_data(&raw);
		break;
	case 'k':
		fuzz_key(arena, &raw);
		break;
	case 'o':
		fuzz_object(arena, &raw);
		break;
	default:
		fuzz_client(arena, &raw);
	}
	arena_destroy(&arena);
	return (0);
}
