/*
 * What verifying a signed request costs on the event loop: reading
 * Signature-Input, the base, the signature, and the digest of the body.
 * Argument: how many requests of each kind (20,000).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "crypto/crypto.h"
#include "httpsig/httpsig.h"

#define INPUT                                                             \
	"sig1=(\"@method\" \"@authority\" \"@path\" \"@query\" "          \
	"\"content-digest\");created=1700000000;keyid="                   \
	"\"elk_0123456789abcdef\";nonce=\"dGhpcyBpcyBhIG5vbmNlIG9mIDMy\"" \
	";alg=\"hmac-sha256\""

static char *body;
static char digest[128];
static const struct ctx_field fields[] = {
	{ "user-agent", "bench/1.0" },
	{ "content-type", "application/json" },
	{ "content-digest", digest },
	{ "host", "api.example.org" },
};
static const struct message message = { .method = "POST",
	.scheme = "https",
	.authority = "api.example.org",
	.path = "/v1/predictions",
	.fields = fields,
	.nfields = NELEM(fields) };

static void
must(bool truth)
{
	if (!truth)
		abort();
}

static void
make_body(size_t len)
{
	uint8_t hash[SHA256_BYTES];
	char text[64];

	body = realloc(body, len + 1);
	must(body != NULL);
	memset(body, 'x', len);
	sha256(body, len, hash);
	sodium_bin2base64(text, sizeof(text), hash, sizeof(hash),
	    sodium_base64_VARIANT_ORIGINAL);
	(void)snprintf(digest, sizeof(digest), "sha-256=:%s:", text);
}

static void
make_base(struct arena *arena, struct buf *base)
{
	struct sig_component c[COMPONENTS_MAX];
	const struct sfv_member *first, *item;
	const char *why;
	struct buf params;
	unsigned n = 0;

	must(sfv_dictionary(arena, INPUT, &first) == RES_OK);
	for (item = first->value.items; item != NULL; item = item->next)
		must(component_read(arena, &item->value, &c[n++], &why) ==
		     RES_OK);
	buf_init(&params, arena, 256);
	sfv_write(&params, &first->value);
	must(signature_base(arena, &message, c, n, params.data, base, &why) ==
	     RES_OK);
}

/* One request, as auth_signature() does it. */
static void
verify(enum signature_alg alg, const uint8_t key[32], const uint8_t *sig,
    size_t siglen, size_t len)
{
	struct arena *arena = arena_new();
	struct buf base;

	make_base(arena, &base);
	must(signature_holds(alg, key, 32, &base, sig, siglen));
	must(digest_header_check(arena, digest, body, len) == DIGEST_MATCHES);
	arena_destroy(&arena);
}

static void
measure(enum signature_alg alg, size_t len, unsigned times)
{
	uint8_t key[32], secret[64], sig[64];
	struct arena *arena = arena_new();
	size_t siglen = 32;
	int64_t start;
	struct buf base;

	make_body(len);
	make_base(arena, &base);
	crypto_sign_ed25519_keypair(key, secret);
	if (alg == SIGNATURE_HMAC_SHA256) {
		crypto_auth_hmacsha256(
		    sig, (const uint8_t *)base.data, base.len, key);
	} else {
		crypto_sign_ed25519_detached(
		    sig, NULL, (const uint8_t *)base.data, base.len, secret);
		siglen = 64;
	}
	start = time_mono_us();
	for (unsigned i = 0; i < times; i++)
		verify(alg, key, sig, siglen, len);
	printf("%-12s %6zu bytes  %8.2f us\n", signature_alg_name(alg), len,
	    (double)(time_mono_us() - start) / times);
	arena_destroy(&arena);
}

int
main(int argc, char **argv)
{
	static const size_t sizes[] = { 0, 1024, 65536 };
	unsigned times =
	    argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20000;

	if (times == 0 || sodium_init() < 0) {
		fprintf(stderr, "usage: signature_bench [requests]\n");
		return (1);
	}
	for (size_t i = 0; i < NELEM(sizes); i++) {
		measure(SIGNATURE_HMAC_SHA256, sizes[i], times);
		measure(SIGNATURE_ED25519, sizes[i], times);
	}
	free(body);

	return (0);
}
