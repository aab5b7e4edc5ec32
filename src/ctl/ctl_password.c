/*
 * A user's password for the commands: read or made up, and hashed with the
 * same Argon2id parameters as the server's. It stays in guarded memory.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "account/account.h"
#include "crypto/crypto.h"
#include "ctl/ctl.h"

#define BYTES_MAX 1024 /* in UTF-8, not characters */
#define MADE_SIZE 32

static enum res
check(const char *text, const char *email, const char *name)
{
	const char *mistake, *code;
	char msg[512];

	if (!utf8_valid(text, strlen(text))) {
		ctl_error("the password is not UTF-8");
		return (RES_ERR);
	}
	if (breached_load(setting_str(SETTING_BREACHED_FILE), msg,
		sizeof(msg)) != RES_OK) {
		ctl_error("breached_file: %s", msg);
		return (RES_ERR);
	}
	mistake = password_mistake(text, email, name, &code);
	if (mistake == NULL)
		return (RES_OK);
	ctl_error("the password %s", mistake);
	if (strcmp(code, "min_length") == 0)
		ctl_hint("it needs at least %lld characters",
		    (long long)setting_int(SETTING_PASSWORD_MIN));

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
ctl_password_get(const char *file, const char *email, const char *name,
    struct ctl_password *pw)
{
	enum res res;

	memset(pw, 0, sizeof(*pw));
	if (file == NULL) {
		res = make(pw);
	} else {
		res = ctl_read_secret(file, BYTES_MAX, &pw->text);
		if (res == RES_OK)
			res = check(pw->text, email, name);
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
