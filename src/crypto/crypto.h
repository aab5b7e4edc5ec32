/*
 * crypto/: keys and sealing, by libsodium. Pure: no Kore, no I/O but reading
 * key files at start-up, no suspension. Secrets live in sodium_malloc memory
 * and are compared in constant time.
 *
 * Hierarchy: root secret (file, 32 bytes) -> subkeys by crypto_kdf (KEK v1,
 * session, blind index, CSRF, cursor) -> a random data key per patient, stored
 * wrapped by the KEK -> its subkey for digests in the audit log.
 */
#ifndef CRYPTO_H
#define CRYPTO_H

#include "base/base.h"

#define DATA_KEY_BYTES	32
#define TOKEN_BYTES	32		/* 256 bits */
#define TOKEN_STRLEN	43		/* base64url, no padding */
#define TOKEN_HASH_BYTES 32
#define BLIND_INDEX_BYTES 16
#define CURSOR_TAG_BYTES 8
#define DIGEST_BYTES	32

/*
 * keyring.c. keyring_load() runs in the parent before chroot. RES_ERR with a
 * message when the file is missing, not 32 bytes, or readable by others.
 */
enum res keyring_load(const char *dir, char *msg, size_t msglen);
/* Makes dir (0700) and dir/root.key (0600) unless there; never overwrites. */
enum res keyring_create(const char *dir, char *msg, size_t msglen);
/* In each worker after fork(), which drops memory locks. */
void	 keyring_worker(void);
void	 keyring_wipe(void);
uint32_t keyring_kek_version(void);	/* the one new keys are wrapped by */

/* Where a ciphertext lives: it opens nowhere else. All go into the AAD,
 * length-prefixed. */
struct seal_place {
	const char	*table, *column;
	struct uuid	 row;
	int32_t		 row_version;
};

/*
 * aead.c: XChaCha20-Poly1305, random nonce. Layout: 0x01, key version (4,
 * big-endian), nonce (24), ciphertext and tag (16).
 */
#define SEAL_OVERHEAD	(1 + 4 + 24 + 16)
void	 seal(const uint8_t key[DATA_KEY_BYTES], uint32_t key_version,
	    const struct seal_place *, const void *plain, size_t len,
	    uint8_t *out);			/* len + SEAL_OVERHEAD */
/* RES_ERR on any mismatch; out holds len - SEAL_OVERHEAD bytes. */
enum res unseal(const uint8_t key[DATA_KEY_BYTES], uint32_t key_version,
	    const struct seal_place *, const uint8_t *sealed, size_t len,
	    uint8_t *out);

/* vault.c: data keys of patients. */
struct data_key {
	struct uuid	owner;		/* the patient */
	uint32_t	version;	/* of this data key; 1, 2, ... */
	uint8_t		key[DATA_KEY_BYTES];
};
#define WRAPPED_KEY_BYTES (DATA_KEY_BYTES + SEAL_OVERHEAD)
/* A data key as the database keeps it. */
struct wrapped_key {
	uint32_t	 version;
	const uint8_t	*wrapped;	/* NULL: erased */
	size_t		 len;
};
/* A new random key for owner, and its wrapped form for the database. */
void	 vault_new_key(const struct uuid *owner, struct data_key *,
	    uint8_t wrapped[WRAPPED_KEY_BYTES]);
enum res vault_unwrap(const struct uuid *owner, uint32_t version,
	    const uint8_t *wrapped, size_t len, struct data_key *);
/* vault_cache.c: a bounded cache of keys in use; event loop only. None is
 * given out later than 5 minutes after it was put in; sweep, to be called
 * every minute or so, wipes those that are past it. */
void	 vault_cache_put(const struct data_key *);
bool	 vault_cache_get(const struct uuid *owner, struct data_key *);
void	 vault_cache_drop(const struct uuid *owner);
void	 vault_cache_sweep(void);
/* One number about the owner, kept beside the key and forgotten with it:
 * nothing is noted of an owner whose key is not there. */
void	 vault_cache_note(const struct uuid *owner, int32_t);
bool	 vault_cache_noted(const struct uuid *owner, int32_t *);
/* From the cache if it is of that version, else unwrapped and put there. */
enum res vault_open_key(const struct uuid *owner, const struct wrapped_key *,
	    struct data_key *);
/* Seal and open with a data key; memory from the arena. */
void	 vault_seal(struct arena *, const struct data_key *,
	    const struct seal_place *, const void *, size_t,
	    const uint8_t **out, size_t *outlen);
enum res vault_open(struct arena *, const struct data_key *,
	    const struct seal_place *, const void *, size_t,
	    const char **out, size_t *outlen);	/* NUL-terminated copy */
/* Keyed BLAKE2b of data under a subkey of the data key: for the audit log,
 * where a plain hash of a birth date could be guessed. */
void	 vault_digest(const struct data_key *, const void *, size_t,
	    uint8_t out[DIGEST_BYTES]);

/* blindindex.c: equality lookups over encrypted fields. The text is first
 * case-folded (ASCII) and stripped of spaces; field names the column. */
void	 blind_index(const char *field, const char *text,
	    uint8_t out[BLIND_INDEX_BYTES]);

/* token.c: opaque 256-bit tokens; only their BLAKE2b hash is stored. */
struct token {
	char	text[TOKEN_STRLEN + 1];
	uint8_t	hash[TOKEN_HASH_BYTES];
};
void	 token_new(struct token *);
/* RES_ERR unless s is 43 base64url characters. */
enum res token_hash(const char *s, uint8_t out[TOKEN_HASH_BYTES]);
/* The session value, sealed under the session key with the token's hash as
 * associated data. out: len + SEAL_OVERHEAD. */
void	 session_seal(const uint8_t hash[TOKEN_HASH_BYTES], const void *,
	    size_t, uint8_t *out);
enum res session_unseal(const uint8_t hash[TOKEN_HASH_BYTES],
	    const uint8_t *, size_t, uint8_t *out);
/* CSRF token of a session: keyed hash of the token hash, base64url. */
void	 csrf_token(const uint8_t hash[TOKEN_HASH_BYTES],
	    char out[TOKEN_STRLEN + 1]);
bool	 csrf_valid(const uint8_t hash[TOKEN_HASH_BYTES], const char *);

/*
 * known_device.c: accounts under a keyed digest of their name, and the token
 * that a browser shows when it has logged in before. email: lower-cased.
 */
#define ACCOUNT_DIGEST_BYTES 16
#define DEVICE_ID_BYTES	16
#define DEVICE_EPOCH_BYTES 16
#define DEVICE_STRLEN	119		/* base64url, no padding */
struct device {
	uint8_t	id[DEVICE_ID_BYTES];
	uint8_t	account[ACCOUNT_DIGEST_BYTES];
	uint8_t	epoch[DEVICE_EPOCH_BYTES];	/* of the password */
	int64_t	issued_us;
};
void	 account_digest(const char *email, uint8_t out[ACCOUNT_DIGEST_BYTES]);
void	 device_new(struct device *);		/* a new id */
/* Of its id, account and time; the epoch is made from the hash's salt. */
void	 device_token(const struct device *, const char *password_hash,
	    char out[DEVICE_STRLEN + 1]);
/* RES_ERR unless it is a token of ours. Then only device_current() tells
 * whether the password is still the one it was made with, and the caller
 * whether it is the account's or too old. */
enum res device_open(const char *, struct device *);
bool	 device_current(const struct device *, const char *password_hash);

/* apitoken.c: API keys as texts, and the seals of what is kept of them. */
#define API_PREFIX_STRLEN 20		/* "elk_" and 16 characters */
#define API_TOKEN_STRLEN  64		/* prefix, "_", 43 of base64url */
#define API_SIGN_KEY_BYTES 32		/* HMAC secret or Ed25519 public key */
#define API_SIGN_KEY_STRLEN 44		/* the same in base64 with padding */
#define API_SIGN_SEALED_BYTES (API_SIGN_KEY_BYTES + SEAL_OVERHEAD)
struct api_token {
	char	prefix[API_PREFIX_STRLEN + 1];	/* visible */
	char	text[API_TOKEN_STRLEN + 1];	/* secret: wipe it */
	uint8_t	hash[TOKEN_HASH_BYTES];
};
void	 api_token_new(struct api_token *);
/* A new secret for a prefix that is there. */
void	 api_token_renew(const char *prefix, struct api_token *);
bool	 api_prefix_form(const char *);	/* its first 20 characters are one */
bool	 api_token_form(const char *);	/* all of it is a key */
/* Keyed BLAKE2b of the whole key, which has the form of one. */
void	 api_token_hash(const char *, uint8_t out[TOKEN_HASH_BYTES]);
/* The record that Redis holds, bound to the prefix. out: len + SEAL_OVERHEAD
 * and len - SEAL_OVERHEAD. */
void	 api_record_seal(const char *prefix, const void *, size_t,
	    uint8_t *out);
enum res api_record_unseal(const char *prefix, const uint8_t *, size_t,
	    uint8_t *out);
/* The HMAC secret that PostgreSQL holds, bound to the key's row and to the
 * generation of its secrets. */
void	 api_sign_key_new(uint8_t[API_SIGN_KEY_BYTES]);
void	 api_sign_key_seal(const struct uuid *, int32_t generation,
	    const uint8_t key[API_SIGN_KEY_BYTES],
	    uint8_t out[API_SIGN_SEALED_BYTES]);
enum res api_sign_key_unseal(const struct uuid *, int32_t generation,
	    const uint8_t *, size_t, uint8_t key[API_SIGN_KEY_BYTES]);
/* RES_ERR unless it is base64 of a point that can be an Ed25519 public key. */
enum res api_public_key_read(const char *, uint8_t key[API_SIGN_KEY_BYTES]);
void	 api_sign_key_text(const uint8_t[API_SIGN_KEY_BYTES],
	    char out[API_SIGN_KEY_STRLEN + 1]);

/* cursor.c: a keyed hash of a list's path and of the row that a page begins
 * after, so that a cursor can neither be made up nor used elsewhere. */
void	 cursor_tag(const char *path, const struct uuid *row,
	    uint8_t out[CURSOR_TAG_BYTES]);

/* bucket.c: a keyed hash of a user's id, base64url: names her rate limits in
 * Redis without telling who she is. */
#define BUCKET_STRLEN	16
void	 bucket_name(const struct uuid *user, char out[BUCKET_STRLEN + 1]);

/* password.c: Argon2id (RFC 9106) in libsodium's string format. Slow by
 * design: run on the thread pool, never on the loop. */
#define PASSWORD_HASH_MAX 128
struct password_job {
	const char	*password;	/* at most 1024 bytes */
	char		 hash[PASSWORD_HASH_MAX];
	unsigned long long ops;		/* 0: as password_init() had it */
	size_t		 mem_bytes;	/* 0: likewise */
	bool		 ok;		/* out */
	bool		 rehash;	/* out: parameters are outdated */
};
void	 password_hash_job(void *);	/* struct password_job * */
void	 password_verify_job(void *);	/* hash "": a dummy, never ok */
/* The same password under today's parameters; hash: in and out. The salt is
 * kept, so that what is bound to the password (known devices) still holds. */
void	 password_rehash_job(void *);
/* The salt of a hash as text; all of it when that has no such part. A change
 * of password always makes a new one, a new hash of the same password never. */
const char *password_salt(const char *hash, size_t *len);
bool	 password_same_setting(const char *hash, const char *other);
/* 24 readable characters in groups of four, 120 bits: one-time passwords. */
void	 password_generate(char out[32]);
/* To be called once, before privileges are dropped: makes the dummy hash. */
void	 password_init(unsigned long long ops, size_t mem_bytes);

/*
 * ticket_keys.c: keys of TLS session tickets (RFC 5077, 4), shared by all
 * workers. Times are time_mono_ms(); the lifetime of a ticket is between one
 * and two periods.
 */
#define TICKET_NAME_BYTES 16
struct ticket_key {
	uint8_t	name[TICKET_NAME_BYTES];	/* goes into the ticket */
	uint8_t	cipher[32];			/* AES-256-CBC */
	uint8_t	mac[32];			/* HMAC-SHA-256 */
};
/* In the parent, before it forks. RES_ERR: no shared memory. */
enum res ticket_keys_init(int64_t period_ms, int64_t now_ms);
/* Unmaps them in this process only. */
void	 ticket_keys_forget(void);
/* Replaces the current key when its time is over; costs nothing before. */
void	 ticket_keys_rotate(int64_t now_ms);
/* False: no key is to be had now; the caller wipes out. */
bool	 ticket_key_current(int64_t now_ms, struct ticket_key *out);
/* current: false when it is the one before. */
bool	 ticket_key_find(const uint8_t *name, int64_t now_ms,
	    struct ticket_key *out, bool *current);

/* kept.c: replies kept for a repeated request. The hash is keyed, and no two
 * lists of parts look alike; the key seals what is about no patient. */
struct kept_part {
	const void *data;
	size_t len;
};
void	 kept_hash(const struct kept_part *, unsigned n,
	    uint8_t out[DIGEST_BYTES]);
void	 kept_key(struct data_key *);

/*
 * account_secret.c: what belongs to a user and must be read again (secrets of
 * authenticator apps, queued mail), sealed to its place; and keyed hashes of
 * tokens that are shown once. purpose keeps the uses apart.
 */
void	 account_seal(struct arena *, const struct seal_place *, const void *,
	    size_t, const uint8_t **out, size_t *outlen);
enum res account_open(struct arena *, const struct seal_place *, const void *,
	    size_t, const char **out, size_t *outlen);	/* NUL-terminated */
void	 account_hash(const char *purpose, const void *, size_t,
	    uint8_t out[DIGEST_BYTES]);
/* Values of minutes, in Redis or a cookie: bound to a purpose and a name of at
 * most 64 bytes. out: len + SEAL_OVERHEAD and len - SEAL_OVERHEAD. */
#define TRANSIENT_NAME_MAX 64
void	 transient_seal(const char *purpose, const void *name, size_t namelen,
	    const void *, size_t, uint8_t *out);
enum res transient_unseal(const char *purpose, const void *name,
	    size_t namelen, const uint8_t *, size_t, uint8_t *out);

/* digest.c */
void	 digest_hex(const uint8_t *, size_t, char *out);	/* 2n+1 */
#define SHA256_BYTES	32
#define SHA512_BYTES	64
void	 sha256(const void *, size_t, uint8_t out[SHA256_BYTES]);
void	 sha512(const void *, size_t, uint8_t out[SHA512_BYTES]);

/*
 * totp.c: codes of authenticator apps (RFC 6238 over RFC 4226): SHA-1, 6
 * digits, 30 s.
 */
#define TOTP_SECRET_BYTES 20
#define TOTP_SECRET_STRLEN 32		/* in base32, no padding */
#define TOTP_DIGITS	6
#define TOTP_STEP_S	30
#define TOTP_DRIFT	1		/* steps, before and after */
/* The 31 bits of RFC 4226, 5.3, of which a code is the last digits. */
uint32_t hotp(const uint8_t *key, size_t, uint64_t counter);
void	 totp_secret_new(uint8_t[TOTP_SECRET_BYTES]);
void	 totp_secret_text(const uint8_t[TOTP_SECRET_BYTES],
	    char out[TOTP_SECRET_STRLEN + 1]);
/* True when the code is that of a step around now that comes after the last
 * one used; which, so that it is the last one from then on. */
bool	 totp_find(const uint8_t[TOTP_SECRET_BYTES], const char *code,
	    int64_t now_s, int64_t last_step, int64_t *step);

/* recovery_code.c: 120 random bits as six groups of four characters. */
#define RECOVERY_CODE_STRLEN 29
void	 recovery_code_new(char out[RECOVERY_CODE_STRLEN + 1]);
/* Keyed, and another one for every user; RES_ERR: it has no code's form. */
enum res recovery_code_hash(const struct uuid *user, const char *,
	    uint8_t out[DIGEST_BYTES]);

#endif
