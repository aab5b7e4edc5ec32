/*
 * The two ceremonies of WebAuthn Level 2 as a server sees them: registration
 * (7.1) and assertion (7.2). The challenge is the caller's: it was looked up
 * by what the client data say, and is gone by now. libfido2 reads the
 * authenticator data once more and verifies the signature. Pure.
 */
#include <string.h>

#include <fido.h>
#include <fido/eddsa.h>
#include <fido/es256.h>
#include <fido/rs256.h>
#include <sodium.h>

#include "webauthn/webauthn.h"

static const struct {
	const char *slug, *text;
} faults[WEBAUTHN_FAULT_MAX] = {
#define WEBAUTHN(id, slug_, text_) [WEBAUTHN_##id] = { slug_, text_ },
#include "webauthn/tbl/faults.def"
#undef WEBAUTHN
};

const char *
webauthn_fault_slug(enum webauthn_fault why)
{
	return (faults[why].slug);
}

const char *
webauthn_fault_text(enum webauthn_fault why)
{
	return (faults[why].text);
}

/* What holds for both: whose site, somebody there, and verified. */
static enum res
check_data(const struct webauthn_rp *rp, const struct webauthn_data *d,
    enum webauthn_fault *why)
{
	uint8_t hash[SHA256_BYTES];

	sha256(rp->id, strlen(rp->id), hash);
	if (sodium_memcmp(hash, d->rp_hash, sizeof(hash)) != 0)
		*why = WEBAUTHN_RP_ID;
	else if (!(d->flags & WEBAUTHN_UP))
		*why = WEBAUTHN_PRESENCE;
	else if (!(d->flags & WEBAUTHN_UV))
		*why = WEBAUTHN_VERIFICATION;
	else if ((d->flags & (WEBAUTHN_BE | WEBAUTHN_BS)) == WEBAUTHN_BS)
		*why = WEBAUTHN_BACKUP;
	else
		return (RES_OK);
	return (RES_ERR);
}

/* ---- registration ----------------------------------------------------------
 */

static bool
same(const struct bytes *a, const uint8_t *p, size_t len)
{
	return (p != NULL && a->len == len && memcmp(a->p, p, len) == 0);
}

/* A second reader of the same bytes: the two must find the same in them. */
static bool
second_opinion(const struct webauthn_rp *rp, const struct webauthn_data *d,
    const struct webauthn_key *key)
{
	const struct bytes raw = { key->raw, key->len };
	fido_cred_t *cred = fido_cred_new();
	bool agreed;

	agreed =
	    cred != NULL && fido_cred_set_type(cred, key->alg) == FIDO_OK &&
	    fido_cred_set_rp(cred, rp->id, NULL) == FIDO_OK &&
	    fido_cred_set_authdata_raw(cred, d->raw.p, d->raw.len) == FIDO_OK &&
	    fido_cred_flags(cred) == d->flags &&
	    fido_cred_sigcount(cred) == d->count &&
	    same(&d->id, fido_cred_id_ptr(cred), fido_cred_id_len(cred)) &&
	    same(&raw, fido_cred_pubkey_ptr(cred), fido_cred_pubkey_len(cred));
	fido_cred_free(&cred);
	return (agreed);
}

enum res
webauthn_register(struct arena *arena, const struct webauthn_rp *rp,
    const struct webauthn_client *client, const struct bytes *attestation,
    struct webauthn_credential *out, enum webauthn_fault *why)
{
	struct webauthn_data d;
	struct webauthn_key key;

	if (webauthn_client_check(client, "webauthn.create", rp->origin, why) !=
		RES_OK ||
	    webauthn_attestation_read(arena, attestation, &d, why) != RES_OK ||
	    check_data(rp, &d, why) != RES_OK ||
	    webauthn_key_read(arena, d.key.p, d.key.len, &key, why) != RES_OK)
		return (RES_ERR);
	if (!second_opinion(rp, &d, &key)) {
		*why = WEBAUTHN_MALFORMED;
		return (RES_ERR);
	}
	out->id = d.id;
	out->key = d.key;
	out->alg = key.alg;
	out->count = d.count;
	out->aaguid = d.aaguid;
	out->backup_eligible = d.flags & WEBAUTHN_BE;
	out->backed_up = d.flags & WEBAUTHN_BS;
	return (RES_OK);
}

/* ---- assertion -------------------------------------------------------------
 */

static bool
verify_es256(const fido_assert_t *assert, const struct webauthn_key *key)
{
	es256_pk_t *pk = es256_pk_new();
	bool good;

	good = pk != NULL &&
	       es256_pk_from_ptr(pk, key->raw, key->len) == FIDO_OK &&
	       fido_assert_verify(assert, 0, COSE_ES256, pk) == FIDO_OK;
	es256_pk_free(&pk);
	return (good);
}

static bool
verify_eddsa(const fido_assert_t *assert, const struct webauthn_key *key)
{
	eddsa_pk_t *pk = eddsa_pk_new();
	bool good;

	good = pk != NULL &&
	       eddsa_pk_from_ptr(pk, key->raw, key->len) == FIDO_OK &&
	       fido_assert_verify(assert, 0, COSE_EDDSA, pk) == FIDO_OK;
	eddsa_pk_free(&pk);
	return (good);
}

static bool
verify_rs256(const fido_assert_t *assert, const struct webauthn_key *key)
{
	rs256_pk_t *pk = rs256_pk_new();
	bool good;

	good = pk != NULL &&
	       rs256_pk_from_ptr(pk, key->raw, key->len) == FIDO_OK &&
	       fido_assert_verify(assert, 0, COSE_RS256, pk) == FIDO_OK;
	rs256_pk_free(&pk);
	return (good);
}

static bool
fill(fido_assert_t *assert, const struct webauthn_rp *rp,
    const struct webauthn_client *client, const struct bytes *data,
    const struct bytes *signature)
{
	return (fido_assert_set_count(assert, 1) == FIDO_OK &&
		fido_assert_set_rp(assert, rp->id) == FIDO_OK &&
		fido_assert_set_clientdata_hash(
		    assert, client->hash, sizeof(client->hash)) == FIDO_OK &&
		fido_assert_set_up(assert, FIDO_OPT_TRUE) == FIDO_OK &&
		fido_assert_set_uv(assert, FIDO_OPT_TRUE) == FIDO_OK &&
		fido_assert_set_authdata_raw(assert, 0, data->p, data->len) ==
		    FIDO_OK &&
		fido_assert_set_sig(assert, 0, signature->p, signature->len) ==
		    FIDO_OK);
}

/* About 100 us: nothing for the thread pool. */
static bool
signature_good(const struct webauthn_rp *rp, const struct webauthn_key *key,
    const struct webauthn_client *client, const struct bytes *data,
    const struct bytes *signature)
{
	fido_assert_t *assert = fido_assert_new();
	bool good;

	good = assert != NULL &&fill(assert, rp, client, data, signature);
	if (good && key->alg == COSE_ES256)
		good = verify_es256(assert, key);
	else if (good && key->alg == COSE_EDDSA)
		good = verify_eddsa(assert, key);
	else if (good)
		good = key->alg == COSE_RS256 && verify_rs256(assert, key);
	fido_assert_free(&assert);
	return (good);
}

enum res
webauthn_assert(struct arena *arena, const struct webauthn_rp *rp,
    const struct webauthn_client *client, const struct webauthn_stored *stored,
    const struct bytes *data, const struct bytes *signature,
    struct webauthn_use *out, enum webauthn_fault *why)
{
	struct webauthn_data d;
	struct webauthn_key key;

	if (webauthn_client_check(client, "webauthn.get", rp->origin, why) !=
		RES_OK ||
	    webauthn_data_read(data, &d, why) != RES_OK ||
	    check_data(rp, &d, why) != RES_OK ||
	    webauthn_key_read(
		arena, stored->key.p, stored->key.len, &key, why) != RES_OK)
		return (RES_ERR);
	if (key.alg != stored->alg ||
	    !signature_good(rp, &key, client, data, signature)) {
		*why = WEBAUTHN_SIGNATURE;
		return (RES_ERR);
	}
	/* Only what is signed can be held against the authenticator. */
	if ((bool)(d.flags & WEBAUTHN_BE) != stored->backup_eligible) {
		*why = WEBAUTHN_BACKUP;
		return (RES_ERR);
	}
	out->count = d.count;
	out->backed_up = d.flags & WEBAUTHN_BS;
	return (RES_OK);
}
