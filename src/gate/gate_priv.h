/*
 * What the files of gate/ share among themselves.
 */
#ifndef GATE_PRIV_H
#define GATE_PRIV_H

#include "gate/gate.h"

/* A piece of the request's bytes. */
struct span {
	const char *p;
	size_t len;
};
bool span_is(struct span, const char *); /* exactly */
bool span_is_nocase(struct span, const char *);
/* Without spaces and tabs (OWS) at both ends. */
struct span span_trim(struct span);
bool is_tchar(uint8_t); /* RFC 9110, 5.6.2 */
bool all_tchar(struct span);

/* gate_host.c: the same one, by the rules' default port? */
bool gate_host_same(const struct gate_rules *, const struct gate_host *,
    const struct gate_host *);

/* gate_scan.c: bytes and lines, as they come. */
enum gate_verdict gate_scan(
    struct gate_notes *, const uint8_t *, size_t len, struct gate_request *);

/* gate_target.c: the four forms of RFC 9112, 3.2. */
struct gate_target {
	struct gate_host host; /* of an absolute target */
	bool absolute;
	bool asterisk;
	char path[GATE_TARGET_MAX + 2]; /* decoded */
};
enum gate_reason
gate_target_parse(const struct gate_rules *, struct span, struct gate_target *);

/* gate_fields.c: the header fields that say where the request ends and whom
 * it is for. */
struct gate_fields {
	struct gate_host host;
	bool has_host, has_length, has_coding, go_on;
	bool last_chunked, bad_coding;
	unsigned codings, chunked;
	uint64_t length;
};
/* One line without its CRLF. */
enum gate_reason
gate_field(struct gate_fields *, struct span line, bool http10);
/* After the last line. */
enum gate_reason
gate_framing(const struct gate_fields *, const struct gate_request *);

#endif
