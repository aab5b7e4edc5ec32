/*
 * gate/: may these bytes be a request? The grammar of RFC 9112 and 9110,
 * judged on the raw bytes before any parser makes sense of them, so that
 * nobody in front of the server or behind the gate can read another request
 * out of the same bytes. Pure: it knows neither Kore nor the other floors.
 *
 * Where the RFCs leave a choice the stricter side is taken; docs/api.md lists
 * what is refused, and with which status.
 */
#ifndef GATE_H
#define GATE_H

#include "base/base.h"

#define GATE_HEAD_MAX   16384 /* bytes of first line and header fields */
#define GATE_FIELDS_MAX 100
#define GATE_TARGET_MAX 1999 /* bytes */
#define GATE_HOSTS_MAX  32

enum gate_reason {
	GATE_UNSET = 0, /* nothing is wrong */
#define REASON(id, problem, label, detail) GATE_##id,
#include "gate/tbl/reasons.def"
#undef REASON
	GATE_REASON_MAX
};
struct gate_reason_row {
	enum problem problem;
	const char *label;
	const char *detail;
};
const struct gate_reason_row *gate_reason_row(enum gate_reason);

/* ---- gate_host.c --------------------------------------------------------- */
/* host[:port] (RFC 3986, 3.2.2), in one form: lower case, an IPv6 address as
 * number; port 0: none was given. */
#define GATE_NAME_MAX 253
struct gate_host {
	char name[GATE_NAME_MAX + 1]; /* "" for an IPv6 address */
	struct netaddr v6;
	uint16_t port;
};
enum res gate_host_parse(const char *, size_t, struct gate_host *);

/*
 * What is ours, and how much we take. body_limit: bytes of a body that the
 * operation takes, -1 when there is none of that method and (decoded) path.
 */
struct gate_rules {
	const char *scheme; /* of an absolute target, "https" */
	uint16_t default_port;
	struct gate_host hosts[GATE_HOSTS_MAX];
	unsigned nhosts;
	int64_t (*body_limit)(const char *method, const char *path);
	int64_t body_default; /* where body_limit says -1 */
};
/*
 * origin: "https://name[:port]"; more: "name[:port] ..."; loopback: also
 * localhost, 127.0.0.1 and [::1] with the origin's port. A name without a
 * port stands for the scheme's default port. RES_ERR with msg.
 */
enum res gate_rules_hosts(struct gate_rules *, const char *origin,
    const char *more, bool loopback, char *msg, size_t msglen);
/*
 * A listener with a name of its own: "name:port", and those of more with this
 * name. To be called once a port. RES_ERR with msg.
 */
enum res gate_rules_own(struct gate_rules *, const char *host, const char *more,
    char *msg, size_t msglen);
/* This name is another listener's, at every port. RES_ERR with msg: it is the
 * origin's. */
enum res gate_rules_without(
    struct gate_rules *, const char *name, char *msg, size_t msglen);
/* Is it one of ours? */
bool gate_host_ours(const struct gate_rules *, const struct gate_host *);

/* ---- gate.c ---------------------------------------------------------------
 */
/* What is remembered between reads; zero at a request's first byte. */
struct gate_notes {
	uint32_t seen;  /* bytes judged */
	uint32_t line;  /* where the line under way begins */
	uint16_t space; /* where the method ends; 0: not yet */
	uint16_t fields;
	uint32_t unused;
};
enum gate_verdict {
	GATE_VERDICT_UNSET = 0,
	GATE_MORE, /* nothing is wrong so far */
	GATE_PASS,
	GATE_REFUSE
};
struct gate_request {
	enum gate_reason reason; /* of a refusal */
	const char *method;      /* of our list; "" when it is none of it */
	bool head;               /* HEAD: no reply has a body */
	bool http10;
	size_t head_len; /* with the empty line */
	uint64_t body_len;
	bool go_on; /* the client waits for 100 Continue */
	bool known; /* there is such an operation; asked of bodies only */
};
/*
 * Judges the first len bytes of a request. To be asked again with the same
 * notes when more have come, for as long as it says GATE_MORE; no byte of the
 * header block is scanned twice before it is complete. Bytes past the header
 * block are counted, not read.
 */
enum gate_verdict gate_judge(const struct gate_rules *, struct gate_notes *,
    const uint8_t *, size_t len, struct gate_request *);

/* ---- gate_target.c --------------------------------------------------------
 */
/*
 * The path of a target that has passed, without its query: of an absolute
 * target, decoded once, in place. Where it begins; NUL-terminated as target.
 */
char *gate_target_path(char *target);

#endif
