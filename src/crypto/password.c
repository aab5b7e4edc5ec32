/*
 * Passwords: Argon2id (RFC 9106). An unknown user costs the same as a known
 * one: the job then verifies against a dummy hash with today's parameters.
 * The jobs run on pool threads and touch nothing but their struct and what
 * password_init() set up before there were threads.
 */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

#define PASSWORD_MAX   1024
#define GENERATED_LEN  24
#define GENERATED_STEP 4 /* characters between two dashes */

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
