/*
 * Authenticator data (WebAuthn 6.1), alone or in an attestation object (6.5):
 * where its parts are. Nothing may be left over at the end of either. Pure.
 *
 *     rpIdHash 32 | flags 1 | signCount 4
 *     [AT: aaguid 16 | length 2 | credential id | COSE_Key]
 *     [ED: a CBOR map of extension outputs]
 */
#include <string.h>

#include <cbor.h>

#include "webauthn/webauthn.h"

#define HEAD_BYTES    37
#define AAGUID_BYTES  16
#define CREDENTIAL_AT (HEAD_BYTES + AAGUID_BYTES + 2)

/* Attested credential data; what follows it in *rest. */
static enum res
read_attested(
    struct webauthn_data *d, const uint8_t **rest, enum webauthn_fault *why)
{
	const uint8_t *end = d->raw.p + d->raw.len;
	size_t len;

	if (d->raw.len < CREDENTIAL_AT)
		return (RES_ERR);
	memcpy(d->aaguid.b, d->raw.p + HEAD_BYTES, AAGUID_BYTES);
	len = get_be16(d->raw.p + HEAD_BYTES + AAGUID_BYTES);
	if (len < WEBAUTHN_ID_MIN || len > WEBAUTHN_ID_MAX) {
		*why = WEBAUTHN_CREDENTIAL;
		return (RES_ERR);
	}
	if (d->raw.len - CREDENTIAL_AT < len)
		return (RES_ERR);
	d->id = (struct bytes){ d->raw.p + CREDENTIAL_AT, len };
	d->key.p = d->id.p + len;
	d->key.len = webauthn_cbor_len(d->key.p, (size_t)(end - d->key.p));
	if (d->key.len == 0)
		return (RES_ERR);
	*rest = d->key.p + d->key.len;
	return (RES_OK);
}

static bool
read_extensions(const uint8_t *p, const uint8_t **rest, const uint8_t *end)
{
	size_t len = webauthn_cbor_len(p, (size_t)(end - p));

	*rest = p + len;
	return (len > 0 && (*p >> 5) == 5 /* a map */);
}

enum res
webauthn_data_read(
    const struct bytes *raw, struct webauthn_data *d, enum webauthn_fault *why)
{
	const uint8_t *end = raw->p + raw->len, *rest;

	memset(d, 0, sizeof(*d));
	*why = WEBAUTHN_MALFORMED;
	if (raw->len < HEAD_BYTES)
		return (RES_ERR);
	d->raw = *raw;
	d->rp_hash = raw->p;
	d->flags = raw->p[32];
	d->count = get_be32(raw->p + 33);
	rest = raw->p + HEAD_BYTES;
	if ((d->flags & WEBAUTHN_AT) && read_attested(d, &rest, why) != RES_OK)
		return (RES_ERR);
	if ((d->flags & WEBAUTHN_ED) && !read_extensions(rest, &rest, end))
		return (RES_ERR);
	return (rest == end ? RES_OK : RES_ERR);
}

static bool
is_text(const cbor_item_t *item, const char *text)
{
	return (cbor_string_length(item) == strlen(text) &&
		memcmp(cbor_string_handle(item), text, strlen(text)) == 0);
}

/*
 * The statement about the authenticator's make is not looked at: we ask for
 * none ("none" conveyance), so that any authenticator is as good as another
 * (7.1, steps 19 to 21: self attestation and none are accepted, and a
 * statement that was sent unasked makes it no worse). Only "none" with a
 * statement contradicts itself.
 */
static bool
statement_fits(const cbor_item_t *fmt, const cbor_item_t *statement)
{
	return (fmt != NULL && cbor_isa_string(fmt) && statement != NULL &&
		cbor_isa_map(statement) &&
		(!is_text(fmt, "none") || cbor_map_size(statement) == 0));
}

enum res
webauthn_attestation_read(struct arena *arena, const struct bytes *object,
    struct webauthn_data *d, enum webauthn_fault *why)
{
	const cbor_item_t *map, *data;
	struct bytes raw;

	*why = WEBAUTHN_MALFORMED;
	map = webauthn_cbor_map(arena, object->p, object->len);
	if (map == NULL || !statement_fits(webauthn_cbor_named(map, "fmt"),
			       webauthn_cbor_named(map, "attStmt")))
		return (RES_ERR);
	data = webauthn_cbor_named(map, "authData");
	if (data == NULL || !cbor_isa_bytestring(data))
		return (RES_ERR);
	raw.p = cbor_bytestring_handle(data);
	raw.len = cbor_bytestring_length(data);
	if (webauthn_data_read(&raw, d, why) != RES_OK)
		return (RES_ERR);
	return (d->flags & WEBAUTHN_AT ? RES_OK : RES_ERR);
}
