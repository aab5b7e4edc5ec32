/*
 * user_agent.c: what people read of their devices, whatever a client sends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "auth/auth_priv.h"

static struct arena *arena;

static void
is(const char *header, const char *label)
{
	assert_string_equal(user_agent_label(arena, header), label);
}

static void
browsers(void **state UNUSED)
{
	is("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 "
	   "Firefox/128.0",
	    "Firefox on Linux");
	is("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) "
	   "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
	   "Mobile/15E148 Safari/604.1",
	    "Safari on iPhone");
	is("Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
	   "(KHTML, like Gecko) CriOS/126.0 Mobile/15E148 Safari/604.1",
	    "Chrome on iPad");
	is("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
	   "(KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0",
	    "Edge on Windows");
	is("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1 "
	   "(KHTML, like Gecko) Version/17.5 Safari/605.1.15",
	    "Safari on macOS");
	is("Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 "
	   "(KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0 Mobile "
	   "Safari/537.36",
	    "Samsung Internet on Android");
	is("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like "
	   "Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
	    "Chrome on Linux");
	is("Mozilla/5.0 (X11; Linux x86_64) SomethingNew/1.0",
	    "Browser on Linux");
	is("Mozilla/5.0 (Plan9) Firefox/3.0", "Firefox on an unknown system");
}

static void
programs(void **state UNUSED)
{
	is("python-httpx/0.27.0", "python-httpx");
	is("python-requests/2.32.3", "python-requests");
	is("curl/7.88.1", "curl");
	is("Go-http-client/1.1", "Go");
	is("node", "Node.js");
	/* At the beginning only: a browser is no program. */
	is("Mozilla/5.0 (X11; Linux) Firefox/1 curl/8", "Firefox on Linux");
}

static void
nothing_of_the_header_is_repeated(void **state UNUSED)
{
	static const char *const odd[] = { "", "x", "\x01\x02\x1b[2J",
		"<script>alert(1)</script>", "Mozilla/", "Mozilla/5.0",
		"%s%s%n", "Mozilla/5.0 \xff\xfe", "\xe2\x80\xae" };
	static char letters[100000];

	assert_string_equal(user_agent_label(arena, NULL), "Unknown device");
	for (size_t i = 0; i < NELEM(odd); i++)
		is(odd[i], "Unknown device");
	memset(letters, 'A', sizeof(letters) - 1);
	is(letters, "Unknown device");
	/* Not looked at so far back. */
	memcpy(letters, "Mozilla/5.0 ", 12);
	memcpy(letters + 600, "Firefox/1 Linux", 15);
	is(letters, "Unknown device");
}

static void
labels_fit(void **state UNUSED)
{
	const char *longest =
	    user_agent_label(arena, "Mozilla/5.0 SamsungBrowser/1");

	assert_true(strlen(longest) <= DEVICE_LABEL_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(browsers),
		cmocka_unit_test(programs),
		cmocka_unit_test(nothing_of_the_header_is_repeated),
		cmocka_unit_test(labels_fit),
	};
	int failed;

	arena = arena_new();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_destroy(&arena);

	return (failed);
}
