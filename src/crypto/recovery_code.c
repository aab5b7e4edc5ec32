/*
 * Recovery codes: what somebody shows who has lost the authenticator app. 24
 * characters of Crockford's base 32, 120 random bits, in groups of four: so
 * many that a keyed hash is all that is stored, and no slow one is needed.
 *
 * Read from paper and typed by hand: case, dashes and blanks do not matter,
 * and the letters that look like digits are read as those.
 */
#include <sodium.h>
#include <string.h>

#include "crypto/crypto.h"

#define PURPOSE "recovery code"
#define CHARS   24

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

void
recovery_code_new(char out[RECOVERY_CODE_STRLEN + 1])
{
	char text[32];

	_Static_assert(sizeof(text) > RECOVERY_CODE_STRLEN, "room");
	password_generate(text);
	memcpy(out, text, RECOVERY_CODE_STRLEN + 1);
	sodium_memzero(text, sizeof(text));
}

/* '\0': no character of a code. */
static char
canonical(char c)
{
	if (c >= 'A' && c <= 'Z')
		c = (char)(c - 'A' + 'a');
	if (c == 'o')
		return ('0');
	if (c == 'i' || c == 'l')
		return ('1');

	return (c != '\0' && strchr(alphabet, c) != NULL ? c : '\0');
}

enum res
recovery_code_hash(
    const struct uuid *user, const char *code, uint8_t out[DIGEST_BYTES])
{
	uint8_t input[sizeof(user->b) + CHARS];
	size_t n = sizeof(user->b);
	enum res res = RES_ERR;
	char c;

	memcpy(input, user->b, sizeof(user->b));
	for (; *code != '\0'; code++) {
		if (*code == '-' || *code == ' ')
			continue;
		c = canonical(*code);
		if (c == '\0' || n == sizeof(input))
			goto out;
		input[n++] = (uint8_t)c;
	}
	if (n == sizeof(input)) {
		account_hash(PURPOSE, input, sizeof(input), out);
		res = RES_OK;
	}
out:
	sodium_memzero(input, sizeof(input));

	return (res);
}
