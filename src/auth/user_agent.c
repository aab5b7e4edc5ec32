/*
 * A name for a device by its User-Agent (RFC 9110, 10.1.5), for people who
 * look through their sessions: "Firefox on Linux", "python-httpx". Every text
 * that can come out is one of ours: what the client sent is never repeated. It
 * is a hint and no proof, since clients say what they like. Pure.
 */
#include <string.h>

#include "auth/auth_priv.h"

#define LOOK_AT 512 /* bytes; what comes later is not looked at */

struct mark {
	const char *in;   /* what is in the text */
	const char *name; /* what it is called */
};

/* The first that is found decides: browsers name those before them, too. */
static const struct mark browsers[] = {
	{ "Edg/", "Edge" },
	{ "EdgA/", "Edge" },
	{ "EdgiOS/", "Edge" },
	{ "OPR/", "Opera" },
	{ "Vivaldi/", "Vivaldi" },
	{ "SamsungBrowser/", "Samsung Internet" },
	{ "FxiOS/", "Firefox" },
	{ "Firefox/", "Firefox" },
	{ "CriOS/", "Chrome" },
	{ "HeadlessChrome/", "Chrome" },
	{ "Chromium/", "Chromium" },
	{ "Chrome/", "Chrome" },
	{ "Safari/", "Safari" },
};

static const struct mark systems[] = {
	{ "iPhone", "iPhone" },
	{ "iPad", "iPad" },
	{ "Android", "Android" },
	{ "CrOS", "ChromeOS" },
	{ "Windows", "Windows" },
	{ "Macintosh", "macOS" },
	{ "Linux", "Linux" },
	{ "FreeBSD", "FreeBSD" },
	{ "OpenBSD", "OpenBSD" },
};

/* The text begins with these. */
static const struct mark programs[] = {
	{ "python-httpx/", "python-httpx" },
	{ "python-requests/", "python-requests" },
	{ "Python-urllib/", "python-urllib" },
	{ "aiohttp/", "aiohttp" },
	{ "eleusis-client/", "eleusis-client" },
	{ "curl/", "curl" },
	{ "Wget/", "Wget" },
	{ "Go-http-client/", "Go" },
	{ "Java-http-client/", "Java" },
	{ "okhttp/", "okhttp" },
	{ "Apache-HttpClient/", "Java" },
	{ "PostmanRuntime/", "Postman" },
	{ "insomnia/", "Insomnia" },
	{ "axios/", "Node.js" },
	{ "node", "Node.js" },
	{ "undici", "Node.js" },
	{ "Deno/", "Deno" },
	{ "Bun/", "Bun" },
	{ "Dart/", "Dart" },
	{ "libwww-perl/", "Perl" },
	{ "Ruby", "Ruby" },
	{ "GuzzleHttp/", "PHP" },
	{ "PowerShell/", "PowerShell" },
};

static const char *
found(const char *text, const struct mark *marks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(text, marks[i].in) != NULL)
			return (marks[i].name);
	return (NULL);
}

static const char *
begun(const char *text, const struct mark *marks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(text, marks[i].in, strlen(marks[i].in)) == 0)
			return (marks[i].name);
	return (NULL);
}

const char *
user_agent_label(struct arena *arena, const char *header)
{
	const char *browser, *system, *program, *text;

	if (header == NULL)
		return ("Unknown device");
	text = arena_strndup(arena, header, strnlen(header, LOOK_AT));
	program = begun(text, programs, NELEM(programs));
	if (program != NULL)
		return (program);
	if (strncmp(text, "Mozilla/", 8) != 0)
		return ("Unknown device");
	browser = found(text, browsers, NELEM(browsers));
	system = found(text, systems, NELEM(systems));
	if (browser == NULL && system == NULL)
		return ("Unknown device");
	return (arena_printf(arena, "%s on %s",
	    browser != NULL ? browser : "Browser",
	    system != NULL ? system : "an unknown system"));
}
