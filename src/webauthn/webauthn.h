/*
 * webauthn/: passkeys as WebAuthn Level 2 has them, seen from the server: is
 * what a browser sends a registration or an assertion for us, and does it
 * hold? Pure: no Kore, no I/O, no suspension; libfido2 and libcbor do what
 * they can. Every RES_ERR says why. Pointers lead into what was given, or into
 * the arena.
 */
#ifndef WEBAUTHN_H
#define WEBAUTHN_H

#include "crypto/crypto.h"

/* webauthn.c */
enum webauthn_fault {
	WEBAUTHN_FAULT_UNSET = 0,
#define WEBAUTHN(id, slug, text) WEBAUTHN_##id,
#include "webauthn/tbl/faults.def"
#undef WEBAUTHN
	WEBAUTHN_FAULT_MAX
};
const char *webauthn_fault_slug(enum webauthn_fault);
const char *webauthn_fault_text(enum webauthn_fault);
struct bytes {
	const uint8_t *p;
	size_t len;
};

/* webauthn_rp.c: the id for an origin; wanted: the setting, "" for the
 * origin's host. RES_ERR: no page of that origin may have it. */
#define WEBAUTHN_RP_ID_SIZE 256
enum res webauthn_rp_id(
    const char *origin, const char *wanted, char out[WEBAUTHN_RP_ID_SIZE]);

/* webauthn_cbor.c */
struct cbor_item_t; /* libcbor's */
/* Length of the first item, 0 unless it is well-formed, of definite length
 * and not too deep. */
size_t webauthn_cbor_len(const uint8_t *, size_t);
/* A map that is all of the bytes, or NULL; it lives as long as the arena. */
struct cbor_item_t *webauthn_cbor_map(struct arena *, const uint8_t *, size_t);
/* NULL, RES_ERR: not there, twice there, or of another type. */
struct cbor_item_t *
webauthn_cbor_named(const struct cbor_item_t *map, const char *name);
enum res webauthn_cbor_int(const struct cbor_item_t *map, int label, int *out);
enum res webauthn_cbor_bytes(
    const struct cbor_item_t *map, int label, struct bytes *out);

/* webauthn_key.c: a COSE_Key that is fit for use; the algorithm is libfido2's
 * COSE_ES256, COSE_EDDSA or COSE_RS256, which are IANA's numbers. */
#define WEBAUTHN_KEY_RAW_MAX 259
struct webauthn_key {
	int alg;
	uint8_t raw[WEBAUTHN_KEY_RAW_MAX]; /* as libfido2's *_pk_from_ptr() */
	size_t len;
};
enum res webauthn_key_read(struct arena *, const uint8_t *cose, size_t len,
    struct webauthn_key *, enum webauthn_fault *why);
const char *webauthn_alg_name(int alg); /* "ES256" */

/* webauthn_data.c */
#define WEBAUTHN_UP     0x01 /* user present */
#define WEBAUTHN_UV     0x04 /* user verified */
#define WEBAUTHN_BE     0x08 /* can be copied to other devices */
#define WEBAUTHN_BS     0x10 /* has been */
#define WEBAUTHN_AT     0x40 /* attested credential data are there */
#define WEBAUTHN_ED     0x80 /* extension data are there */
#define WEBAUTHN_ID_MIN 16   /* bytes of a credential's id */
#define WEBAUTHN_ID_MAX 1023
struct webauthn_data {
	struct bytes raw;
	const uint8_t *rp_hash;
	uint8_t flags;
	uint32_t count;
	struct uuid aaguid;   /* with WEBAUTHN_AT, as are those below */
	struct bytes id, key; /* key: a COSE_Key */
};
enum res webauthn_data_read(
    const struct bytes *, struct webauthn_data *, enum webauthn_fault *why);
/* The authenticator data of an attestation object; with WEBAUTHN_AT. */
enum res webauthn_attestation_read(struct arena *, const struct bytes *,
    struct webauthn_data *, enum webauthn_fault *why);

/* webauthn_client.c */
struct webauthn_client {
	const char *type, *origin;
	uint8_t challenge[TOKEN_BYTES];
	uint8_t hash[SHA256_BYTES];
	bool cross_origin, bound;
};
enum res webauthn_client_read(struct arena *, const struct bytes *json,
    struct webauthn_client *, enum webauthn_fault *why);
enum res webauthn_client_check(const struct webauthn_client *, const char *type,
    const char *origin, enum webauthn_fault *why);

/* webauthn.c: the caller has looked the challenge up, once. */
struct webauthn_rp {
	const char *id, *origin;
};
struct webauthn_credential {
	struct bytes id, key;
	int alg;
	uint32_t count;
	struct uuid aaguid;
	bool backup_eligible, backed_up;
};
enum res webauthn_register(struct arena *, const struct webauthn_rp *,
    const struct webauthn_client *, const struct bytes *attestation,
    struct webauthn_credential *, enum webauthn_fault *why);
struct webauthn_stored {
	struct bytes key;
	int alg;
	bool backup_eligible;
};
struct webauthn_use {
	uint32_t count; /* to be compared where it is kept */
	bool backed_up;
};
enum res webauthn_assert(struct arena *, const struct webauthn_rp *,
    const struct webauthn_client *, const struct webauthn_stored *,
    const struct bytes *data, const struct bytes *signature,
    struct webauthn_use *, enum webauthn_fault *why);

#endif
