/*
 * Names of the counters in Redis: "l:", the factor, then what is counted. An
 * account goes by its keyed digest. The end of a name tells the kinds apart:
 *
 *	l:p:<account>:<address block>	the account from there
 *	l:p:<account>:d:<device>	the account on a known device
 *	l:p:<account>			the account from everywhere
 *	l:p:<account>:i			which of the first two there are
 *	l:p:<network>			every account from there
 */
#include "guard/guard_priv.h"

static const struct {
	char letter;
	const char *name;
} factors[LOCKOUT_FACTOR_MAX] = {
	[LOCKOUT_PASSWORD] = { 'p', "password" },
	[LOCKOUT_SECOND_FACTOR] = { '2', "second-factor" },
};

const char *
lockout_factor_name(enum lockout_factor factor)
{
	return (factors[factor].name);
}

static const char *
account_key(struct arena *arena, enum lockout_factor factor,
    const uint8_t account[ACCOUNT_DIGEST_BYTES])
{
	char hex[2 * ACCOUNT_DIGEST_BYTES + 1];

	digest_hex(account, ACCOUNT_DIGEST_BYTES, hex);

	return (arena_printf(arena, "l:%c:%s", factors[factor].letter, hex));
}

static const char *
index_key(struct arena *arena, const char *account)
{
	return (arena_printf(arena, "%s:i", account));
}

void
lockout_begin(struct lockout *lo, enum lockout_factor factor,
    const char *account, const struct device *device)
{
	*lo = (struct lockout){ .factor = factor, .device = device };
	account_digest(account, lo->account);
}

void
lockout_keys(struct arena *arena, const struct lockout *lo,
    const struct netaddr *from, struct lockout_keys *keys)
{
	char device[2 * DEVICE_ID_BYTES + 1], text[NETBLOCK_STRLEN + 1];
	struct netblock block;

	keys->account = account_key(arena, lo->factor, lo->account);
	keys->index = index_key(arena, keys->account);
	netblock_around(from, LOCKOUT_V4_BITS, LOCKOUT_V6_BITS, &block);
	netblock_format(&block, text);
	keys->here = arena_printf(arena, "%s:%s", keys->account, text);
	netblock_around(from, LOCKOUT_NET_V4_BITS, LOCKOUT_NET_V6_BITS, &block);
	netblock_format(&block, text);
	keys->network =
	    arena_printf(arena, "l:%c:%s", factors[lo->factor].letter, text);
	keys->own = keys->here;
	if (lo->device == NULL)
		return;
	digest_hex(lo->device->id, DEVICE_ID_BYTES, device);
	keys->own = arena_printf(arena, "%s:d:%s", keys->account, device);
}

void
lockout_clear_keys(struct arena *arena, const char *account,
    const char *keys[LOCKOUT_CLEAR_KEYS])
{
	uint8_t digest[ACCOUNT_DIGEST_BYTES];
	unsigned n = 0;

	_Static_assert(LOCKOUT_CLEAR_KEYS == 2 * (LOCKOUT_FACTOR_MAX - 1),
	    "two keys a factor");
	account_digest(account, digest);
	for (enum lockout_factor f = LOCKOUT_UNSET + 1; f < LOCKOUT_FACTOR_MAX;
	     f++) {
		keys[n + 1] = account_key(arena, f, digest);
		keys[n] = index_key(arena, keys[n + 1]);
		n += 2;
	}
}
