/*
 * libFuzzer target of the gate. The first byte says how the rest comes in:
 * in pieces of so many bytes, 0: at once. The verdict must be the same; what
 * passes is read again by a small checker of another make, which must agree
 * that it is one request and where it ends; what is refused has a reason.
 *
 * make fuzz; build-asan/fuzz/fuzz_gate -max_total_time=60
 * tests/fuzz/corpus/gate
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct gate_rules rules;

static void
must(bool truth)
{
	if (!truth)
		abort();
}

/* Paths it is asked about are decoded and have nothing left to hide. */
static int64_t
limit(const char *method, const char *path)
{
	char padded[4096];

	must(method[0] != '\0' && path[0] == '/');
	must(utf8_valid(path, strlen(path)));
	must(strpbrk(path, "\r\n\\\x7f") == NULL);
	(void)snprintf(padded, sizeof(padded), "%s/", path);
	must(strstr(padded, "/../") == NULL && strstr(padded, "/./") == NULL);

	return (path[1] == 'k' ? 1000 : -1);
}

static void
start(void)
{
	char msg[200];

	rules.body_limit = limit;
	rules.body_default = 10;
	must(gate_rules_hosts(&rules, "https://a:1", "b c:2", true, msg,
		 sizeof(msg)) == RES_OK);
}

static bool
ours(const char *value)
{
	static const char *const names[] = { "a:1", "b", "b:", "b:443", "c:2",
		"localhost:1", "127.0.0.1:1" };
	const char *digits = strrchr(value, ':');
	char plain[300];

	/* Every spelling of an IPv6 address, and zeros before a port. */
	if (value[0] == '[')
		return (true);
	(void)snprintf(plain, sizeof(plain), "%s", value);
	if (digits != NULL)
		(void)snprintf(plain + (digits - value) + 1,
		    sizeof(plain) - (size_t)(digits - value) - 1, "%s",
		    digits + 1 + strspn(digits + 1, "0"));
	for (size_t i = 0; i < NELEM(names); i++)
		if (strcasecmp(plain, names[i]) == 0)
			return (true);

	return (false);
}

/* One field line, NUL-terminated. */
static void
check_field(char *line, unsigned *hosts, unsigned *lengths, uint64_t *length)
{
	char *value = strchr(line, ':'), *end;

	must(value != NULL && value > line);
	*value++ = '\0';
	must(strpbrk(line, " \t\"(),/:;<=>?@[\\]{}") == NULL);
	value += strspn(value, " \t");
	must(strcasecmp(line, "transfer-encoding") != 0);
	if (strcasecmp(line, "host") == 0) {
		for (end = value + strlen(value);
		     end > value && (end[-1] == ' ' || end[-1] == '\t');)
			*--end = '\0';
		must(++*hosts == 1 && ours(value));
	}
	if (strcasecmp(line, "content-length") == 0) {
		must(++*lengths == 1 && value[0] >= '0' && value[0] <= '9');
		*length = strtoull(value, &end, 10);
		must(*end == '\0');
	}
}

/* The header block, cut at its line ends; nothing else may end a line. */
static void
check_passed(const uint8_t *data, size_t size, const struct gate_request *rq)
{
	unsigned hosts = 0, lengths = 0, fields = 0;
	uint64_t length = 0;
	char *text, *line, *next;

	must(rq->head_len >= 4 && rq->head_len <= size &&
	     rq->head_len <= GATE_HEAD_MAX);
	must(memcmp(data + rq->head_len - 4, "\r\n\r\n", 4) == 0);
	must(memchr(data, '\0', rq->head_len) == NULL);
	must((text = malloc(rq->head_len + 1)) != NULL);
	memcpy(text, data, rq->head_len);
	text[rq->head_len - 2] = '\0'; /* without the empty line */
	must(strstr(text, "\r\n\r\n") == NULL);
	for (line = text; *line != '\0'; line = next + 2) {
		must((next = strstr(line, "\r\n")) != NULL);
		*next = '\0';
		must(*line != '\0' && strpbrk(line, "\r\n") == NULL);
		must(*line != ' ' && *line != '\t');
		if (line == text)
			must(strncmp(line, rq->method, strlen(rq->method)) ==
				 0 &&
			     strstr(line, " HTTP/1.") != NULL);
		else
			check_field(line, &hosts, &lengths, &length);
		fields += line != text;
	}
	must(hosts == 1 && lengths <= 1 && fields <= GATE_FIELDS_MAX);
	must(length == rq->body_len && length <= 1000);
	must(length == 0 || size - rq->head_len <= length);
	if (strcmp(rq->method, "GET") == 0 || rq->head)
		must(length == 0);
	free(text);
}

static enum gate_verdict
in_pieces(
    const uint8_t *data, size_t size, size_t piece, struct gate_request *rq)
{
	struct gate_notes notes = { 0 };
	enum gate_verdict v = GATE_MORE;

	for (size_t n = piece; v == GATE_MORE; n += piece) {
		v = gate_judge(&rules, &notes, data, n < size ? n : size, rq);
		if (n >= size)
			break;
	}

	return (v);
}

/* What comes behind the body is seen or not, as it happens to be there. */
static bool
agree(const struct gate_request *a, const struct gate_request *b)
{
	return (a->reason == b->reason || a->reason == GATE_SURPLUS ||
		b->reason == GATE_SURPLUS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gate_request whole, rq;
	enum gate_verdict v;
	size_t piece;

	if (rules.nhosts == 0)
		start();
	if (size < 2)
		return (0);
	piece = *data++;
	if (--size > GATE_HEAD_MAX + 1000)
		size = GATE_HEAD_MAX + 1000;

	v = in_pieces(data, size, size, &whole);
	must(v != GATE_VERDICT_UNSET);
	must((v == GATE_REFUSE) == (whole.reason != GATE_UNSET));
	if (v == GATE_PASS)
		check_passed(data, size, &whole);
	if (piece > 0) {
		v = in_pieces(data, size, piece, &rq);
		must(agree(&whole, &rq));
		must(rq.head == whole.head);
	}

	return (0);
}
