/*
 * What makes a password too easy to guess (NIST SP 800-63B-4, 3.1.1.2; OWASP
 * ASVS 5.0, V6.2). Length counts characters of any kind; nothing is asked of
 * which. Words that everybody would try first, because they are about this
 * service or this person, count for nothing: so much must remain beside them.
 */
#include <ctype.h>
#include <string.h>

#include <sodium.h>

#include "account/account.h"

#define BYTES_MAX 1024
#define WORD_MIN  3 /* of a name's or an address's parts */
#define REST_MIN  8 /* characters beside such words */
#define WORD_SIZE 256

/* Documented in docs/identity.md: change both. */
static const char *const known[] = { "eleusis", "administrator", "admin",
	"clinician", "clinic", "auditor", "service", "hospital", "medical",
	"medicine", "health", "doctor", "nurse", "patient", "password",
	"passwort", "passphrase", "secret", "welcome", "letmein", "login",
	"default", "changeme", NULL };

static size_t
characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return (n);
}

/* Marks what a word covers of a password; both in lower case. */
static void
cover(const char *password, char *covered, const char *word, size_t len)
{
	if (len < WORD_MIN)
		return;
	for (const char *p = password; *p != '\0'; p++)
		if (strncmp(p, word, len) == 0)
			memset(covered + (p - password), 1, len);
}

static void
lower(char *out, const char *s, size_t size)
{
	size_t i;

	for (i = 0; s[i] != '\0' && i + 1 < size; i++)
		out[i] = (char)tolower((unsigned char)s[i]);
	out[i] = '\0';
}

/* Each word of a text: letters, digits and what lies past ASCII. */
static void
cover_words(const char *password, char *covered, const char *text)
{
	char word[WORD_SIZE];
	size_t len;

	if (text == NULL)
		return;
	lower(word, text, sizeof(word));
	for (const char *p = word; *p != '\0'; p += len == 0 ? 1 : len) {
		len = 0;
		while (isalnum((unsigned char)p[len]) ||
		       (unsigned char)p[len] >= 0x80)
			len++;
		cover(password, covered, p, len);
	}
}

static bool
made_of_words(const char *password, const char *email, const char *name)
{
	char low[BYTES_MAX + 1], covered[BYTES_MAX + 1] = "";
	size_t rest = 0;

	lower(low, password, sizeof(low));
	for (unsigned i = 0; known[i] != NULL; i++)
		cover(low, covered, known[i], strlen(known[i]));
	cover_words(low, covered, setting_str(SETTING_SERVICE_NAME));
	cover_words(low, covered, setting_str(SETTING_PASSWORD_WORDS));
	cover_words(low, covered, strstr(setting_str(SETTING_ORIGIN), "://"));
	cover_words(low, covered, email);
	cover_words(low, covered, name);
	for (size_t i = 0; low[i] != '\0'; i++)
		rest += !covered[i] && ((unsigned char)low[i] & 0xc0) != 0x80;
	sodium_memzero(low, sizeof(low));
	return (rest < REST_MIN);
}

const char *
password_mistake(const char *password, const char *email, const char *name,
    const char **code)
{
	*code = "max_length";
	if (strlen(password) > BYTES_MAX)
		return ("must have at most 1024 bytes in UTF-8");
	*code = "min_length";
	if (characters(password) < (size_t)setting_int(SETTING_PASSWORD_MIN))
		return ("is too short");
	*code = "breached";
	if (breached_has(password))
		return ("is one of those that are tried first, or was found "
			"in a breach of another service");
	*code = "context";
	if ((email != NULL && strcasestr(password, email) != NULL) ||
	    made_of_words(password, email, name))
		return ("is made of words that are about this service or this "
			"account: at least 8 characters must be left without "
			"them");
	*code = NULL;
	return (NULL);
}
