/*
 * Passwords: Argon2id (RFC 9106). An unknown user costs the same as a known
 * one: the job then verifies against a dummy hash with today's parameters.
 * The jobs run on pool threads and touch nothing but their struct and what
 * password_init() set up before there were threads.
 */
#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

#define PASSWORD_MAX   1024
#define GENERATED_LEN  24
#define GENERATED_STEP 4  /* characters between two dashes */
#define REHASH_BYTES   32 /* as crypto_pwhash_str() has it */
#define SALT_VARIANT   sodium_base64_VARIANT_ORIGINAL_NO_PADDING

_Static_assert(crypto_pwhash_STRBYTES == PASSWORD_HASH_MAX, "hash text");

static char dummy_hash[PASSWORD_HASH_MAX];
static unsigned long long default_ops;
static size_t default_mem;

/* crypto_pwhash_str() would follow libsodium's default; we name ours. */
static bool
hash_into(char out[PASSWORD_HASH_MAX], const char *password, size_t len,
    unsigned long long ops, size_t mem)
{
	return (crypto_pwhash_str_alg(out, password, len, ops, mem,
		    crypto_pwhash_ALG_ARGON2ID13) == 0);
}

void
password_init(unsigned long long ops, size_t mem_bytes)
{
	char unknown[GENERATED_LEN + 1] = "";

	if (sodium_init() < 0)
		abort();
	default_ops = ops;
	default_mem = mem_bytes;
	randombytes_buf(unknown, GENERATED_LEN);
	if (!hash_into(dummy_hash, unknown, GENERATED_LEN, ops, mem_bytes))
		abort();
	sodium_memzero(unknown, sizeof(unknown));
}

static unsigned long long
job_ops(const struct password_job *job)
{
	return (job->ops != 0 ? job->ops : default_ops);
}

static size_t
job_mem(const struct password_job *job)
{
	return (job->mem_bytes != 0 ? job->mem_bytes : default_mem);
}

void
password_hash_job(void *arg)
{
	struct password_job *job = arg;
	size_t len;

	job->rehash = false;
	len = strnlen(job->password, PASSWORD_MAX + 1);
	job->ok = len <= PASSWORD_MAX && hash_into(job->hash, job->password,
					     len, job_ops(job), job_mem(job));
	if (!job->ok)
		job->hash[0] = '\0';
}

void
password_verify_job(void *arg)
{
	struct password_job *job = arg;
	const char *hash;
	size_t len;
	bool known, equal;

	assert(dummy_hash[0] != '\0');

	job->ok = job->rehash = false;
	len = strnlen(job->password, PASSWORD_MAX + 1);
	if (len > PASSWORD_MAX ||
	    memchr(job->hash, '\0', sizeof(job->hash)) == NULL)
		return;

	known = job->hash[0] != '\0';
	hash = known ? job->hash : dummy_hash;
	equal = crypto_pwhash_str_verify(hash, job->password, len) == 0;
	job->ok = known && equal;
	if (job->ok)
		job->rehash = crypto_pwhash_str_needs_rehash(
				  hash, job_ops(job), job_mem(job)) != 0;
}

/* "$argon2id$v=19$m=65536,t=2,p=1$<salt>$<hash>": the fifth field. */
const char *
password_salt(const char *hash, size_t *len)
{
	const char *p = hash;

	for (int i = 0; i < 4 && p != NULL; i++)
		p = strchr(p + (i > 0), '$');
	if (p == NULL || hash[0] != '$') {
		*len = strlen(hash);
		return (hash);
	}
	*len = strcspn(p + 1, "$");

	return (p + 1);
}

bool
password_same_setting(const char *a, const char *b)
{
	size_t n, m;
	const char *x = password_salt(a, &n), *y = password_salt(b, &m);

	return (n == m && memcmp(x, y, n) == 0);
}

static bool
hash_with_salt(struct password_job *job, const uint8_t *salt)
{
	uint8_t key[REHASH_BYTES];
	char text[2][64];
	int n;

	if (crypto_pwhash(key, sizeof(key), job->password,
		strlen(job->password), salt, job_ops(job), job_mem(job),
		crypto_pwhash_ALG_ARGON2ID13) != 0)
		return (false);
	sodium_bin2base64(text[0], sizeof(text[0]), salt,
	    crypto_pwhash_SALTBYTES, SALT_VARIANT);
	sodium_bin2base64(
	    text[1], sizeof(text[1]), key, sizeof(key), SALT_VARIANT);
	n = snprintf(job->hash, sizeof(job->hash),
	    crypto_pwhash_STRPREFIX "v=19$m=%zu,t=%llu,p=1$%s$%s",
	    job_mem(job) / 1024, job_ops(job), text[0], text[1]);
	sodium_memzero(key, sizeof(key));

	return (n > 0 && (size_t)n < sizeof(job->hash));
}

void
password_rehash_job(void *arg)
{
	struct password_job *job = arg;
	uint8_t salt[crypto_pwhash_SALTBYTES];
	const char *text;
	size_t len, n;

	text = password_salt(job->hash, &len);
	job->ok = strnlen(job->password, PASSWORD_MAX + 1) <= PASSWORD_MAX &&
		  sodium_base642bin(salt, sizeof(salt), text, len, NULL, &n,
		      NULL, SALT_VARIANT) == 0 &&
		  n == sizeof(salt) && hash_with_salt(job, salt);
}

/* Crockford's base32: 5 bits a character, none that looks like another. */
void
password_generate(char out[32])
{
	static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
	int i;
	char *p;

	_Static_assert(sizeof(alphabet) == 32 + 1, "5 bits a character");

	p = out;
	for (i = 0; i < GENERATED_LEN; i++) {
		if (i > 0 && i % GENERATED_STEP == 0)
			*p++ = '-';
		*p++ = alphabet[randombytes_uniform(32)];
	}
	*p = '\0';
}
