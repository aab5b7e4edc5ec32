/*
 * Admission in Redis: one script finds the session or the API key, sees that
 * a nonce is new, and charges every limit that the request counts towards, or
 * none of them when one refuses. A second one takes that back for a request
 * whose signature turns out to be false.
 *
 * Whoever shows nothing good is charged as a stranger of that network, and
 * never to a user or key that was merely named: else anybody who knows a
 * key's prefix could use up its limit. Nor may a key that is over, or bound to
 * other networks, use up its user's: whoever shows it is told who it is, and
 * charged as a stranger too. The hashes that are compared here are keyed, so
 * the time it takes tells nothing.
 *
 * Names: r:<class's letter> and u:<user's bucket>, k:<key's prefix>,
 * n:<network> (its authenticated requests), s:<network> (strangers),
 * s:<network>:<key's prefix> (false signatures of that key from there),
 * d:<account's digest> (log-ins on its known devices). Values: the instant at
 * which the bucket is whole, in microseconds since 2025-10-09, which a double
 * holds to a hundredth.
 */
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>
#include <sodium.h>

#include "auth/auth_priv.h"

#define STATE_INTS    5
#define HEAD_INTS     5  /* value, passed, missing, replayed, refused */
#define NONCE_SLACK_S 60 /* for clocks that differ */

#define LUA_CLOCK                       \
	"local t = redis.call('TIME') " \
	"local now = (t[1] - 1760000000) * 1000000 + t[2] "

/*
 * What a key's record says of itself (admit_key.c has the layout): the time at
 * that place is past, and the client is in one of its networks. An IPv4 address
 * is in the IPv6 form that begins with 96 fixed bits, and in no block that is
 * larger than all of those.
 */
#define LUA_GOOD                                                              \
	"local function over(v, at)"                                          \
	" local hi, lo = struct.unpack('>I4I4', v, at)"                       \
	" local t = hi * 4294967296 + lo"                                     \
	" return t > 0 and t <= tonumber(ARGV[15]) end "                      \
	"local function from(v)"                                              \
	" local n, a = string.byte(v, 126), ARGV[16]"                         \
	" if n == 0 then return true end"                                     \
	" for at = 127, 127 + 17 * (n - 1), 17 do"                            \
	"  local bits = string.byte(v, at)"                                   \
	"  local full, rest = math.floor(bits / 8), 2 ^ (8 - bits % 8)"       \
	"  if (ARGV[17] ~= '4' or bits >= 96) and"                            \
	"   string.sub(v, at + 1, at + full) == string.sub(a, 1, full) and"   \
	"   (rest == 256 or math.floor(string.byte(v, at + 1 + full) / rest)" \
	"   == math.floor(string.byte(a, full + 1) / rest))"                  \
	"  then return true end end"                                          \
	" return false end "

/*
 * KEYS: stored session or key, network's bucket, strangers' bucket, nonce.
 * ARGV: 1 credential: "s"ession, bearer "k"ey, key named by a si"g"nature,
 * "n"one; 2 beginning of bucket names; 3 number of the class; 4 cost;
 * 5 burst in s; 6 limit; 7 network's limit; 8 life of the stored value in s;
 * 9 keyed hash of the API key; 10 its prefix; 11 fresh record or "";
 * 12 not "": the stored one was old; "1": but by it the first run has taken the
 * nonce and charged the buckets; 13 signature's hash; 14 life of a nonce; 15
 * the time in us; 16 the client's address, 16 bytes; 17 "4": it is an IPv4 one.
 * Returns value or false, passed, missing, replayed, refused, and for each
 * bucket kind, limit, what is left, ms until whole, ms until the request
 * passes.
 */
static struct redis_script admit_script = { "admit",
	LUA_CLOCK
	"local call, mode, fresh = redis.call, ARGV[1], ARGV[11] "
	"local v, known, missing, replay, own = false, false, 0, 0, 0 "
	"local refused = 0 "
	"if mode == 's' then"
	" v = redis.pcall('GETEX', KEYS[1], 'EX', ARGV[8])"
	" if type(v) == 'table' then v = false end"
	" known = v and #v > 16 "
	"elseif mode ~= 'n' then " LUA_GOOD " v = redis.pcall('GET', KEYS[1])"
	" if type(v) == 'table' then v = false end"
	" local good = v and string.byte(v) == 75 and #v > 126"
	" good = good and #v > 126 + 17 * string.byte(v, 126)"
	" if fresh ~= '' then"
	"  if not v or (good and ARGV[12] ~= '') then"
	"   call('SET', KEYS[1], fresh, 'EX', ARGV[8]) end"
	"  v = fresh good = true end"
	" if good then"
	"  known = mode == 'g' or string.sub(v, 18, 49) == ARGV[9] or"
	"   not over(v, 118) and string.sub(v, 50, 81) == ARGV[9]"
	"  own = struct.unpack('>I4', v, 82 + 4 * ARGV[3])"
	"  if known and (over(v, 110) or not from(v)) then"
	"   known = false refused = 1 end"
	" else missing = 1 end end "
	"local cost, limit = tonumber(ARGV[4]), tonumber(ARGV[6]) "
	"local payer, again = KEYS[3], ARGV[12] == '1' "
	"if known and mode == 'g' then"
	" local name = KEYS[3] .. ':' .. ARGV[10]"
	" local w = tonumber(call('GET', name) or '')"
	" local units = math.max(math.floor(limit * ARGV[5] / 60), cost)"
	" if w and w - now + (cost - units) * 60e6 / limit > 1 then"
	"  known = false payer = name end end "
	"if known and KEYS[4] ~= '' and not again and not"
	" call('SET', KEYS[4], ARGV[13], 'NX', 'EX', ARGV[14])"
	" then known = false replay = 1 end "
	"local names, kinds, limits "
	"if not known then names, kinds, limits = {payer}, {4}, {limit} "
	"else"
	" local at = mode == 's' and 1 or 2"
	" local user = ARGV[2] .. 'u:' .. string.sub(v, at, at + 15)"
	" local all = tonumber(ARGV[7])"
	" if own == 0 then"
	"  names, kinds, limits = {user, KEYS[2]}, {1, 3}, {limit, all}"
	" else"
	"  local key = ARGV[2] .. 'k:' .. ARGV[10]"
	"  if own > limit then"
	"   names, kinds, limits = {key, KEYS[2]}, {2, 3}, {own, all}"
	"  else names, kinds, limits ="
	"   {user, key, KEYS[2]}, {1, 2, 3}, {limit, own, all} end end end "
	"if fresh ~= '' and not again and payer == KEYS[3] then"
	" local s = tonumber(call('GET', KEYS[3]) or '')"
	" if s and s > now then"
	"  call('SET', KEYS[3], s - cost * 60e6 / limit, 'KEEPTTL') end end "
	"local whole, waits = call('MGET', unpack(names)), {} "
	"local ok, floor, ceil = 1, math.floor, math.ceil "
	"for i = 1, #names do"
	" local step = 60e6 / limits[i]"
	" local units = floor(limits[i] * ARGV[5] / 60)"
	" if units < cost then units = cost end"
	" local w = tonumber(whole[i] or now) or now"
	" if again then w = w - cost * step end"
	" if w < now then w = now end"
	" local wait = w - now + (cost - units) * step"
	" if wait > 1 then ok = 0 else wait = 0 end"
	" whole[i] = w waits[i] = ceil(wait / 1000) end "
	"if ok == 0 and known and KEYS[4] ~= '' then call('DEL', KEYS[4]) end "
	"local reply, n = {(known or refused == 1) and v or false, ok, missing,"
	" replay, refused}, 5 "
	"for i = 1, #names do"
	" local step, w = 60e6 / limits[i], whole[i] - now"
	" if ok == 1 then w = w + step * cost"
	"  call('SET', names[i], now + w, 'PX', ceil(w / 1000) + 1) end"
	" local left = floor(limits[i] * ARGV[5] / 60)"
	" if left < 1 then left = 1 end"
	" left = floor(left - w / step + 1e-6)"
	" if left < 0 then left = 0 end"
	" reply[n + 1] = kinds[i] reply[n + 2] = limits[i] reply[n + 3] = left"
	" reply[n + 4] = ceil(w / 1000) reply[n + 5] = waits[i]"
	" n = n + 5 end "
	"return reply",
	"", NULL };

/*
 * KEYS: strangers' bucket, that of the key's false signatures from there,
 * nonce, then the buckets to be credited.
 * ARGV: signature's hash, price of the first two and burst in us, then the
 * amounts. Their debt stays within the burst.
 */
static struct redis_script undo_script = { "undo",
	LUA_CLOCK
	"if KEYS[3] ~= '' and redis.call('GET', KEYS[3]) == ARGV[1] then"
	" redis.call('DEL', KEYS[3]) end "
	"for i = 4, #KEYS do"
	" local w = tonumber(redis.call('GET', KEYS[i]) or '')"
	" if w and w > now then"
	"  redis.call('SET', KEYS[i], w - ARGV[i], 'KEEPTTL') end end "
	"for i = 1, 2 do"
	" local s = math.max("
	"tonumber(redis.call('GET', KEYS[i]) or '') or now, now)"
	" local to = math.max(s, math.min(s + tonumber(ARGV[2]),"
	" now + tonumber(ARGV[3])))"
	" if to > now then redis.call('SET', KEYS[i], to,"
	" 'PX', math.ceil((to - now) / 1000) + 1) end end return 1",
	"", NULL };

_Static_assert(BUCKET_STRLEN == 16 && KEY_HEAD_SECRET == 17 &&
		   KEY_HEAD_LIMITS == 81 && KEY_HEAD_TIMES == 109 &&
		   KEY_HEAD_FIXED == 126,
    "the script counts from 1");

__attribute__((constructor)) static void
admit_register(void)
{
	redis_register(&admit_script);
	redis_register(&undo_script);
}

/* ---- names ----------------------------------------------------------------
 */

static const char *
name_prefix(struct ctx *cx)
{
	return (arena_printf(
	    cx->env.arena, "r:%c", rate_class_name(cx->ep->rate)[0]));
}

/* One IPv4 address, or the /64 that one customer has. */
static const char *
network_name(struct ctx *cx, char kind)
{
	char text[NETBLOCK_STRLEN + 1];
	struct netblock block;

	netblock_around(&cx->client, 32, 64, &block);
	netblock_format(&block, text);
	return (arena_printf(
	    cx->env.arena, "%s%c:%s", name_prefix(cx), kind, text));
}

/*
 * Who logs in is nobody yet, and shares a limit with all strangers there. A
 * known device does not: somebody else at its address could use that up. It
 * is charged by account, for one can log in many devices.
 */
static const char *
stranger_name(struct ctx *cx)
{
	char hex[2 * ACCOUNT_DIGEST_BYTES + 1];
	struct device device;

	if (cx->ep->auth != AUTH_PUBLIC || cx->ep->rate != RATE_AUTH ||
	    !device_cookie_read(cx, &device))
		return (network_name(cx, 's'));
	digest_hex(device.account, ACCOUNT_DIGEST_BYTES, hex);
	return (arena_printf(cx->env.arena, "%sd:%s", name_prefix(cx), hex));
}

static const char *
user_name(struct ctx *cx, const struct principal *who)
{
	char bucket[BUCKET_STRLEN + 1];

	bucket_name(&who->user_id, bucket);
	return (arena_printf(cx->env.arena, "%su:%s", name_prefix(cx), bucket));
}

static const char *
key_name(struct ctx *cx, const char *prefix)
{
	return (arena_printf(cx->env.arena, "%sk:%s", name_prefix(cx), prefix));
}

/* The rule of the script: a key's own limit comes on top of its user's, unless
 * it is above that; then it stands in its place. */
unsigned
admit_buckets(
    struct ctx *cx, const struct principal *who, struct rate_bucket *out)
{
	int64_t limit = rate_limit(cx->ep->rate), own = 0;
	unsigned n = 0;

	if (who == NULL) {
		out[n++] = (struct rate_bucket){ RATE_KIND_STRANGER, limit,
			stranger_name(cx) };
		return (n);
	}
	if (who->key != NULL)
		own = who->key->limits[cx->ep->rate];
	if (own <= limit)
		out[n++] = (struct rate_bucket){ RATE_KIND_USER, limit,
			user_name(cx, who) };
	if (own > 0)
		out[n++] = (struct rate_bucket){ RATE_KIND_KEY, own,
			key_name(cx, who->key->prefix) };
	out[n++] = (struct rate_bucket){ RATE_KIND_NETWORK,
		rate_network_limit(cx->ep->rate), network_name(cx, 'n') };
	return (n);
}

/* ---- asking ---------------------------------------------------------------
 */

struct words {
	struct arena *arena;
	const char *v[24];
	size_t len[24];
	int n;
};

static void
word(struct words *w, const void *s, size_t len)
{
	w->v[w->n] = s;
	w->len[w->n++] = len;
}

static void
text(struct words *w, const char *s)
{
	word(w, s, strlen(s));
}

static void
number(struct words *w, int64_t i)
{
	text(w, arena_printf(w->arena, "%lld", (long long)i));
}

static void
amount(struct words *w, double us)
{
	text(w, arena_printf(w->arena, "%.2f", us));
}

static const char *
value_name(struct ctx *cx, const struct credential *c)
{
	switch (c->kind) {
	case CREDENTIAL_SESSION:
		return (session_key(cx->env.arena, c->hash));
	case CREDENTIAL_KEY:
	case CREDENTIAL_SIGNATURE:
		return (arena_printf(cx->env.arena, "k:%s", c->prefix));
	default:
		return ("");
	}
}

/* A signature without a nonce is its own: it can be used once. */
static const char *
nonce_name(struct ctx *cx, const struct credential *c)
{
	const struct signature *s = c->signature;
	uint8_t hash[16];
	char hex[33];

	if (s == NULL || c->kind == CREDENTIAL_SESSION ||
	    c->kind == CREDENTIAL_NONE)
		return ("");
	if (s->nonce != NULL)
		crypto_generichash(hash, sizeof(hash),
		    (const uint8_t *)s->nonce, strlen(s->nonce), NULL, 0);
	else
		crypto_generichash(
		    hash, sizeof(hash), s->bytes, s->len, NULL, 0);
	digest_hex(hash, sizeof(hash), hex);
	return (arena_printf(cx->env.arena, "n:%s:%s", c->prefix, hex));
}

static void
signature_word(struct ctx *cx, struct words *w, const struct signature *s)
{
	uint8_t *hash = arena_alloc(cx->env.arena, 32);

	if (s != NULL)
		crypto_generichash(hash, 32, s->bytes, s->len, NULL, 0);
	word(w, hash, 32);
}

/* Until its age alone gets the signature refused. */
static int64_t
nonce_life(const struct ctx *cx, const struct signature *s)
{
	int64_t left = 0;

	if (s != NULL)
		left = s->refused_s - cx->now_us / 1000000;
	return ((left > 0 ? left : 0) + NONCE_SLACK_S);
}

static int64_t
value_life(const struct credential *c)
{
	return (c->kind == CREDENTIAL_SESSION ? session_idle_s(c->cookie) :
						APIKEY_FRESH_S);
}

static const char *
mode(const struct credential *c)
{
	static const char *const modes[] = { "n", "n", "s", "k", "g" };

	return (modes[c->kind]);
}

static enum res
unexpected(struct ctx *cx)
{
	err_private(&cx->env.err, "admit: unexpected reply");
	return (err_fail(&cx->env.err, PROBLEM_INTERNAL,
	    "The request could not be carried out."));
}

/* Whoever has taken Redis over could answer anything. */
static bool
state_ok(redisReply *const *e)
{
	if (e[0]->integer <= RATE_KIND_UNSET || e[0]->integer >= RATE_KIND_MAX)
		return (false);
	if (e[1]->integer < 1 || e[1]->integer > UINT32_MAX)
		return (false);
	for (int i = 2; i < STATE_INTS; i++)
		if (e[i]->integer < 0 || e[i]->integer > UINT32_MAX)
			return (false);
	return (true);
}

static enum res
read_verdict(struct ctx *cx, const redisReply *r, struct verdict *v)
{
	redisReply *const *e = r->element;

	memset(v, 0, sizeof(*v));
	if (r->type != REDIS_REPLY_ARRAY ||
	    r->elements < HEAD_INTS + STATE_INTS ||
	    r->elements > HEAD_INTS + RATE_BUCKETS_MAX * STATE_INTS ||
	    (r->elements - HEAD_INTS) % STATE_INTS != 0)
		return (unexpected(cx));
	for (size_t i = 1; i < r->elements; i++)
		if (e[i]->type != REDIS_REPLY_INTEGER)
			return (unexpected(cx));
	if (e[0]->type == REDIS_REPLY_STRING) {
		v->value = e[0]->str;
		v->len = (size_t)e[0]->len;
	}
	v->missing = e[2]->integer == 1;
	v->replayed = e[3]->integer == 1;
	v->refused = e[4]->integer == 1;
	for (e += HEAD_INTS; e < r->element + r->elements; e += STATE_INTS) {
		if (!state_ok(e))
			return (unexpected(cx));
		v->states[v->nstates++] = (struct rate_state){
			.kind = (enum rate_kind)e[0]->integer,
			.limit = e[1]->integer,
			.left = e[2]->integer,
			.reset_ms = e[3]->integer,
			.wait_ms = e[4]->integer,
		};
	}
	return (RES_OK);
}

co_fn enum res
admit_ask(struct ctx *cx, struct admission *ad, const void *fresh, size_t len,
    bool stale)
{
	const struct credential *c = &ad->credential;
	struct words w = { .arena = cx->env.arena };
	redisReply *r;

	text(&w, value_name(cx, c));
	text(&w, network_name(cx, 'n'));
	text(&w, stranger_name(cx));
	text(&w, nonce_name(cx, c));
	text(&w, mode(c));
	text(&w, name_prefix(cx));
	number(&w, cx->ep->rate);
	number(&w, ad->cost);
	number(&w, setting_int(SETTING_RATE_BURST_S));
	number(&w, rate_limit(cx->ep->rate));
	number(&w, rate_network_limit(cx->ep->rate));
	number(&w, value_life(c));
	word(&w, c->hash, sizeof(c->hash));
	text(&w, c->prefix);
	word(&w, fresh != NULL ? fresh : "", len);
	text(&w, !stale ? "" : ad->verdict.refused ? "r" : "1");
	signature_word(cx, &w, c->signature);
	number(&w, nonce_life(cx, c->signature));
	number(&w, cx->now_us);
	word(&w, cx->client.b, sizeof(cx->client.b));
	text(&w, netaddr_is_v4(&cx->client) ? "4" : "6");
	if (redis_eval(&cx->env, &admit_script, 4, w.n, w.v, w.len, &r) !=
	    RES_OK)
		return (RES_ERR);
	return (read_verdict(cx, r, &ad->verdict));
}

co_fn enum res
admit_undo(
    struct ctx *cx, const struct admission *ad, const struct principal *who)
{
	const struct credential *c = &ad->credential;
	struct rate_bucket buckets[RATE_BUCKETS_MAX];
	double step = 60e6 / (double)rate_limit(cx->ep->rate);
	bool named = c->kind == CREDENTIAL_SIGNATURE;
	struct words w = { .arena = cx->env.arena };
	const char *strangers = stranger_name(cx);
	unsigned n = named ? admit_buckets(cx, who, buckets) : 0;
	redisReply *r;

	text(&w, strangers);
	text(&w, arena_printf(cx->env.arena, "%s:%s", strangers, c->prefix));
	text(&w, nonce_name(cx, c));
	for (unsigned i = 0; i < n; i++)
		text(&w, buckets[i].name);
	signature_word(cx, &w, c->signature);
	amount(&w, named ? step * ad->cost : 0);
	amount(&w, step * (double)rate_quota(rate_limit(cx->ep->rate)));
	for (unsigned i = 0; i < n; i++)
		amount(&w, 60e6 / (double)buckets[i].limit * ad->cost);
	return (redis_eval(
	    &cx->env, &undo_script, (int)(3 + n), w.n, w.v, w.len, &r));
}
