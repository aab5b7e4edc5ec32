/*
 * The cookie of a known device. It is set by every log-in of a browser and
 * outlives its session; it logs nobody in, but what fails with it counts for
 * this browser alone (guard/lockout.c). One account a browser: the last one.
 */
#include <sodium.h>
#include <string.h>

#include "auth/auth_priv.h"

#define DAY_S INT64_C(86400)

static int64_t
lifetime_s(void)
{
	return (setting_int(SETTING_LOCKOUT_DEVICE_DAYS) * DAY_S);
}

bool
device_cookie_read(struct ctx *cx, struct device *device)
{
	const char *text = ctx_cookie(cx, DEVICE_COOKIE_NAME);

	return (text != NULL && device_open(text, device) == RES_OK &&
		cx->now_us - device->issued_us < lifetime_s() * 1000000);
}

bool
device_cookie_of(struct ctx *cx, const char *account, struct device *device)
{
	uint8_t digest[ACCOUNT_DIGEST_BYTES];

	account_digest(account, digest);

	return (device_cookie_read(cx, device) &&
		sodium_memcmp(digest, device->account, sizeof(digest)) == 0);
}

void
device_cookie_set(struct ctx *cx, struct attempt *at, const char *hash)
{
	char token[DEVICE_STRLEN + 1];

	/* The same device keeps its id, so its failures stay its own. */
	if (!at->known)
		device_new(&at->device);
	memcpy(at->device.account, at->lockout.account,
	    sizeof(at->device.account));
	at->device.issued_us = cx->now_us;
	device_token(&at->device, hash, token);
	reply_header(cx, "Set-Cookie",
	    arena_printf(cx->env.arena,
		DEVICE_COOKIE_NAME "=%s; Path=/; Secure; HttpOnly; "
				   "SameSite=Strict; Max-Age=%lld",
		token, (long long)lifetime_s()));
}
