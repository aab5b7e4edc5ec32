/*
 * What the gate costs: nanoseconds for usual requests, whole and byte by
 * byte. Prints one line each; nothing is asserted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/gate.h"

#define ROUNDS 2000000

static int64_t
limit(const char *method UNUSED, const char *path UNUSED)
{
	return (65536);
}

static struct gate_rules rules = { .body_limit = limit };

static const struct {
	const char *name, *text;
} requests[] = {
	{ "GET, 5 fields",
	    "GET /v1/patients/01890000-0000-7000-8000-0000000000ab HTTP/1.1\r\n"
	    "Host: localhost:8443\r\n"
	    "Authorization: Bearer "
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
	    "Accept: application/json\r\n"
	    "Accept-Encoding: gzip, deflate\r\n"
	    "User-Agent: python-httpx/0.27.0\r\n\r\n" },
	{ "POST, 7 fields",
	    "POST /v1/predictions HTTP/1.1\r\n"
	    "Host: localhost:8443\r\n"
	    "Authorization: Bearer "
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
	    "Accept: application/json\r\n"
	    "Content-Type: application/json\r\n"
	    "Content-Length: 300\r\n"
	    "Traceparent: "
	    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
	    "User-Agent: python-httpx/0.27.0\r\n\r\n" },
	{ "GET of a browser, 16 fields",
	    "GET /v1/patients?limit=20 HTTP/1.1\r\n"
	    "Host: localhost:8443\r\n"
	    "Connection: keep-alive\r\n"
	    "sec-ch-ua: \"Chromium\";v=\"124\", \"Not-A.Brand\";v=\"99\"\r\n"
	    "sec-ch-ua-mobile: ?0\r\n"
	    "sec-ch-ua-platform: \"Linux\"\r\n"
	    "Upgrade-Insecure-Requests: 1\r\n"
	    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
	    "(KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36\r\n"
	    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,"
	    "image/avif,image/webp,image/apng,*/*;q=0.8\r\n"
	    "Sec-Fetch-Site: same-origin\r\n"
	    "Sec-Fetch-Mode: cors\r\n"
	    "Sec-Fetch-Dest: empty\r\n"
	    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
	    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
	    "Referer: https://localhost:8443/\r\n"
	    "X-CSRF-Token: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
	    "Cookie: __Host-eleusis="
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n" },
};

static void
run(const char *name, const char *text, size_t piece, unsigned rounds)
{
	size_t len = strlen(text);
	const uint8_t *p = (const uint8_t *)text;
	struct gate_request rq;
	int64_t begin;

	begin = time_mono_us();
	for (unsigned i = 0; i < rounds; i++) {
		struct gate_notes notes = { 0 };
		enum gate_verdict v = GATE_MORE;

		for (size_t n = piece; v == GATE_MORE; n += piece)
			v = gate_judge(
			    &rules, &notes, p, n < len ? n : len, &rq);
		if (v != GATE_PASS)
			abort();
	}
	printf("%-28s %4zu bytes %s %6.0f ns\n", name, len,
	    piece == len ? "at once     " : "byte by byte",
	    (double)(time_mono_us() - begin) * 1000 / rounds);
}

int
main(void)
{
	char msg[200];

	if (gate_rules_hosts(&rules, "https://localhost:8443", "", true, msg,
		sizeof(msg)) != RES_OK)
		return (1);
	for (size_t i = 0; i < NELEM(requests); i++) {
		run(requests[i].name, requests[i].text,
		    strlen(requests[i].text), ROUNDS);
		run(requests[i].name, requests[i].text, 1, ROUNDS / 20);
	}

	return (0);
}
