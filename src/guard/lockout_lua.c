/*
 * The scripts of the back-off, one a step, so that nothing comes between
 * looking and counting. Times are Redis's own, in milliseconds.
 *
 * A counter is a hash: n failures; at, since when the next one decays; until,
 * when the next attempt is taken; ok, until when the account is known here. It
 * loses one failure each decay and expires with the last one.
 */
#include "guard/guard_priv.h"

/* load() and save() of one counter; drop() of its failures. */
#define COUNTER                                                          \
	"local t = redis.call('TIME') "                                  \
	"local now = t[1] * 1000 + math.floor(t[2] / 1000) "             \
	"local function load(key, decay)"                                \
	" local v = redis.call('HMGET', key, 'n', 'at', 'until', 'ok')"  \
	" local c = {key = key, decay = decay, n = tonumber(v[1] or 0)," \
	" at = tonumber(v[2] or now), till = tonumber(v[3] or 0),"       \
	" ok = tonumber(v[4] or 0)}"                                     \
	" local steps = math.floor((now - c.at) / decay)"                \
	" if steps > 0 then"                                             \
	" c.n = c.n - steps c.at = c.at + steps * decay end"             \
	" if c.n <= 0 then c.n = 0 c.at = now end"                       \
	" return c end "                                                 \
	"local function save(c)"                                         \
	" c.left = math.max(c.at + c.n * c.decay, c.till) - now"         \
	" if c.n > 0 then"                                               \
	" redis.call('HSET', c.key, 'n', c.n, 'at', c.at,"               \
	" 'until', c.till)"                                              \
	" else redis.call('HDEL', c.key, 'n', 'at', 'until') end"        \
	" local left = math.max(c.left, c.ok - now)"                     \
	" if left > 0 then redis.call('PEXPIRE', c.key, left)"           \
	" else redis.call('DEL', c.key) end end "

/*
 * KEYS: own, network, account, index, here.
 * ARGV: of the own counter free, first, max, decay; of the network's the same;
 * alert, 1 for a known device, the longest wait of the account as a whole (0:
 * it never waits).
 *
 * Refused: {0, ms to wait, 1 own, 2 network or 3 account}. Taken: {1, 1 when
 * the own back-off begins, 1 when the network's does, 1 to alert, failures of
 * own and account, places that have failed, the until that this attempt gave
 * own and network (-1: none), whether own, network and account counted (1) or
 * were full (0), and the until that it gave the account (-1: none)}.
 *
 * A counter that waits as long as it ever will is full: it would only take
 * longer to forget. Who is known here, or on a known device, is not held up
 * by others' failures from the network, nor by those of an account that is
 * guessed at from everywhere: there an unknown place has one try, not free
 * ones. When known, the network is charged but its end is not put off.
 */
const char lockout_check_lua[] = COUNTER
    "local a = {} for i, v in ipairs(ARGV) do a[i] = tonumber(v) end "
    "local own, net = load(KEYS[1], a[4]), load(KEYS[2], a[8]) "
    "local all = load(KEYS[3], a[4]) "
    "local known = a[10] == 1 or own.ok > now "
    "local free = a[1] "
    "if all.n >= a[9] and not known then free = 1 end "
    "local wait, by = own.till - now, 1 "
    "if not known and net.till - now > wait then"
    " wait, by = net.till - now, 2 end "
    "local most = a[11] or 0 "
    "if most > 0 and not known and all.till - now > wait then"
    " wait, by = all.till - now, 3 end "
    "if wait > 0 then return {0, wait, by} end "

    "local function count(c, free, first, max)"
    " local top = free + math.max(0,"
    " math.ceil(math.log(max / first) / math.log(2)))"
    " local quiet = c.till == 0 or c.n < free"
    " local added = c.n < top and 1 or 0"
    " c.mark = -1"
    " c.n = c.n + added"
    " if c.n < free then return false, added end"
    " c.till = now + math.min(max, first * 2 ^ math.min(c.n - free, 40))"
    " c.mark = c.till"
    " return quiet, added end "
    "local began, own1 = count(own, free, a[2], a[3]) "
    "save(own) "
    "local netbegan, till, net1 = false, net.till, 0 "
    "netbegan, net1 = count(net, a[5], a[6], a[7]) "
    "if known then net.till = till net.mark = -1 netbegan = false end "
    "save(net) "

    "local level = 0 "
    "if all.n >= a[9] / 2 then"
    " level = tonumber(redis.call('HGET', KEYS[3], 'level') or 0) end "
    "local all1 = all.n < a[9] * 16 and 1 or 0 "
    "all.n = all.n + all1 "
    "local alert = 0 "
    "while all.n >= a[9] * 2 ^ level do level = level + 1 alert = 1 end "
    "all.mark = -1 "
    "if most > 0 and not known and all.n >= a[9] then"
    " all.till = now + math.min(most, a[2] * 2 ^ math.min(all.n - a[9], 40))"
    " all.mark = all.till end "
    "save(all) "
    "redis.call('HSET', KEYS[3], 'level', level) "

    "redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now) "
    "redis.call('ZADD', KEYS[4], now + own.left, KEYS[1]) "
    "if redis.call('PTTL', KEYS[4]) < own.left then"
    " redis.call('PEXPIRE', KEYS[4], own.left) end "
    "return {1, began and 1 or 0, netbegan and 1 or 0, alert, own.n, all.n,"
    " redis.call('ZCARD', KEYS[4]), own.mark, net.mark, own1, net1, all1,"
    " all.mark}";

/*
 * What was counted before the password was looked at is given back: all of it
 * when it never was looked at; when it was right, the own counter is emptied
 * and the account is known here.
 * KEYS: as above. ARGV: decay of own and network, 1 for a success, ms to be
 * known, then until of own and network, the three that counted, and until of
 * the account, as the check returned them. An until that is another by now is
 * somebody else's.
 */
const char lockout_settle_lua[] =
    COUNTER "local a = {} for i, v in ipairs(ARGV) do a[i] = tonumber(v) end "
	    "local function back(c, till, counted)"
	    " c.n = math.max(c.n - counted, 0)"
	    " if c.till == till then c.till = 0 end"
	    " save(c) end "
	    "local own = load(KEYS[1], a[1]) "
	    "if a[3] == 1 then own.n = 0 own.till = 0 save(own)"
	    " redis.call('ZREM', KEYS[4], KEYS[1])"
	    " local here = load(KEYS[5], a[1])"
	    " here.ok = now + a[4]"
	    " redis.call('HSET', KEYS[5], 'ok', here.ok)"
	    " save(here) "
	    "else back(own, a[5], a[7]) end "
	    "back(load(KEYS[2], a[2]), a[6], a[8]) "
	    "back(load(KEYS[3], a[1]), a[10] or -1, a[9]) "
	    "return 1";

/* KEYS: index and account of each factor. That the account is known somewhere
 * is not forgotten: it is no failure. */
const char lockout_clear_lua[] =
    "for i = 1, #KEYS, 2 do"
    " for _, k in ipairs(redis.call('ZRANGE', KEYS[i], 0, -1)) do"
    " redis.call('HDEL', k, 'n', 'at', 'until') end"
    " redis.call('DEL', KEYS[i], KEYS[i + 1]) end "
    "return 1";
