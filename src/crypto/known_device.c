/*
 * What the back-off of log-ins needs of keys: a keyed digest of an account's
 * name, so that Redis and the audit log hold no names, and the token of a
 * device that has logged in.
 *
 * A device's token says which device, of which account and password, since
 * when; a keyed hash binds them together. It opens nothing: it is worth failed
 * log-ins of its own. It holds until the password changes, for its epoch is a
 * keyed digest of the salt of the password's hash, which is new with every
 * change and stays when the same password is hashed anew.
 *
 * Layout before base64url: version (1), device (16), account (16), issued (8,
 * big-endian, us), epoch (16), tag (32).
 */
#include <sodium.h>
#include <string.h>

#include "crypto/crypto_priv.h"

#define VERSION        1
#define AT_ID          1
#define AT_ACCOUNT     (AT_ID + DEVICE_ID_BYTES)
#define AT_ISSUED      (AT_ACCOUNT + ACCOUNT_DIGEST_BYTES)
#define AT_EPOCH       (AT_ISSUED + 8)
#define AT_TAG         (AT_EPOCH + DEVICE_EPOCH_BYTES)
#define TAG_BYTES      32
#define RAW_BYTES      (AT_TAG + TAG_BYTES)
#define BASE64_VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(
    sodium_base64_ENCODED_LEN(RAW_BYTES, BASE64_VARIANT) == DEVICE_STRLEN + 1,
    "length of a device's token");

/* The label comes first, with its end: no two uses share an input. */
static void
keyed(const char *label, const void *data, size_t len, uint8_t *out,
    size_t outlen)
{
	crypto_generichash_state st;

	crypto_generichash_init(
	    &st, keyring_subkey(SUBKEY_DEVICE), SUBKEY_BYTES, outlen);
	crypto_generichash_update(
	    &st, (const uint8_t *)label, strlen(label) + 1);
	crypto_generichash_update(&st, data, len);
	crypto_generichash_final(&st, out, outlen);
	sodium_memzero(&st, sizeof(st));
}

void
account_digest(const char *email, uint8_t out[ACCOUNT_DIGEST_BYTES])
{
	keyed("account", email, strlen(email), out, ACCOUNT_DIGEST_BYTES);
}

static void
epoch_of(const char *password_hash, uint8_t out[DEVICE_EPOCH_BYTES])
{
	size_t len;
	const char *salt = password_salt(password_hash, &len);

	keyed("epoch", salt, len, out, DEVICE_EPOCH_BYTES);
}

void
device_new(struct device *device)
{
	randombytes_buf(device->id, sizeof(device->id));
}

void
device_token(const struct device *device, const char *password_hash,
    char out[DEVICE_STRLEN + 1])
{
	uint8_t raw[RAW_BYTES];

	raw[0] = VERSION;
	memcpy(raw + AT_ID, device->id, DEVICE_ID_BYTES);
	memcpy(raw + AT_ACCOUNT, device->account, ACCOUNT_DIGEST_BYTES);
	put_be64(raw + AT_ISSUED, (uint64_t)device->issued_us);
	epoch_of(password_hash, raw + AT_EPOCH);
	keyed("device", raw, AT_TAG, raw + AT_TAG, TAG_BYTES);
	sodium_bin2base64(
	    out, DEVICE_STRLEN + 1, raw, sizeof(raw), BASE64_VARIANT);
}

enum res
device_open(const char *text, struct device *device)
{
	uint8_t raw[RAW_BYTES], tag[TAG_BYTES];
	size_t len;

	if (strnlen(text, DEVICE_STRLEN + 1) != DEVICE_STRLEN ||
	    sodium_base642bin(raw, sizeof(raw), text, DEVICE_STRLEN, NULL, &len,
		NULL, BASE64_VARIANT) != 0 ||
	    len != sizeof(raw) || raw[0] != VERSION)
		return (RES_ERR);
	keyed("device", raw, AT_TAG, tag, TAG_BYTES);
	if (sodium_memcmp(tag, raw + AT_TAG, sizeof(tag)) != 0)
		return (RES_ERR);
	memcpy(device->id, raw + AT_ID, DEVICE_ID_BYTES);
	memcpy(device->account, raw + AT_ACCOUNT, ACCOUNT_DIGEST_BYTES);
	device->issued_us = (int64_t)get_be64(raw + AT_ISSUED);
	memcpy(device->epoch, raw + AT_EPOCH, DEVICE_EPOCH_BYTES);

	return (RES_OK);
}

bool
device_current(const struct device *device, const char *password_hash)
{
	uint8_t epoch[DEVICE_EPOCH_BYTES];

	epoch_of(password_hash, epoch);

	return (sodium_memcmp(epoch, device->epoch, sizeof(epoch)) == 0);
}
