/*
 * A user's password for the commands: read or made up, and hashed with the
 * same Argon2id parameters as the server's. It stays in guarded memory.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "crypto/crypto.h"
#include "ctl/ctl.h"

/* As POST /v1/auth/password has it. */
#define CHARS_MIN 12
#define BYTES_MAX 1024 /* in UTF-8, not characters */
#define MADE_SIZE 32

static enum res
check(const char *text)
{
	size_t chars;
	const char *c;

	if (!utf8_valid(text, strlen(text))) {
		ctl_error("the password is not UTF-8");
		return (RES_ERR);
	}
	chars = 0;
	for (c = text; *c != '\0'; c++)
		chars += (*c & 0xc0) != 0x80;
	if (chars >= CHARS_MIN)
		return (RES_OK);
	ctl_error("the password is too short");
	ctl_hint("it needs at least %d characters", CHARS_MIN);

	return (RES_ERR);
}

static enum res
make(struct ctl_password *pw)
{
	pw->text = sodium_malloc(MADE_SIZE);
	if (pw->text == NULL) {
		ctl_error("out of memory");
		return (RES_ERR);
	}
	password_generate(pw->text);
	pw->generated = true;

	return (RES_OK);
}

static enum res
hash(struct ctl_password *pw)
{
	struct password_job job = {
		.password = pw->text,
		.ops = (unsigned long long)setting_int(SETTING_ARGON2_OPS),
		.mem_bytes = (size_t)setting_int(SETTING_ARGON2_MEM_KIB) * 1024,
	};

	password_hash_job(&job);
	if (!job.ok) {
		ctl_error("the password cannot be hashed");
		ctl_hint("Argon2id needs argon2_mem_kib of memory: %lld KiB",
		    (long long)setting_int(SETTING_ARGON2_MEM_KIB));
		return (RES_ERR);
	}
	snprintf(pw->hash, sizeof(pw->hash), "%s", job.hash);

	return (RES_OK);
}

enum res
ctl_password_get(const char *file, struct ctl_password *pw)
{
	enum res res;

	memset(pw, 0, sizeof(*pw));
	if (file == NULL) {
		res = make(pw);
	} else {
		res = ctl_read_secret(file, BYTES_MAX, &pw->text);
		if (res == RES_OK)
			res = check(pw->text);
	}
	if (res == RES_OK)
		res = hash(pw);
	if (res != RES_OK)
		ctl_password_wipe(pw);

	return (res);
}

void
ctl_password_wipe(struct ctl_password *pw)
{
	sodium_free(pw->text);
	sodium_memzero(pw, sizeof(*pw));
}
