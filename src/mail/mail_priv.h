/*
 * Shared by the files of mail/ only (and with their tests).
 */
#ifndef MAIL_PRIV_H
#define MAIL_PRIV_H

#include "mail/mail.h"

#define MAIL_ADDRESS_MAX 254 /* RFC 5321, 4.5.3.1.3, without < and > */

/* What a mail says and to whom. */
struct mail {
	struct uuid id; /* of the outbox row, and in the Message-ID */
	enum mail_kind kind;
	const char *to, *subject, *text; /* lines end with \n */
};

/* mail_template.c (pure) */
const char *mail_kind_name(enum mail_kind);
enum mail_kind mail_kind_parse(const char *); /* MAIL_UNSET: unknown */
bool mail_kind_is_link(enum mail_kind);
/* Fills subject and text in. RES_ERR when a name of the template is not among
 * the values: *missing names it. */
enum res mail_fill(struct arena *, const char *service,
    const char *const *values, struct mail *, const char **missing);

/* mail_address.c (pure): an address as we take it (RFC 5321 without quoted
 * local parts and address literals; UTF-8 as in RFC 6531). */
bool mail_address_valid(const char *);

/* mail_compose.c (pure): what lies in the outbox; the mail's id is that of its
 * row. RES_ERR: it is not what was sealed. */
enum res mail_open(struct arena *, const void *, size_t, struct mail *);

/*
 * mail_message.c (pure): a mail in the format of RFC 5322, every line ending
 * with CRLF. RES_ERR when an address, a name or the subject holds what would
 * not stay in its header.
 */
struct mail_sender {
	const char *name, *address; /* who it is from */
	const char *host;           /* of the Message-ID */
};
enum res mail_message(struct arena *, const struct mail_sender *,
    const struct mail *, int64_t now_us, struct buf *out);
/* mail_encode.c (pure): unstructured text of a header that begins after so
 * many columns (RFC 2047), and a body in quoted-printable (RFC 2045, 6.7). */
void mail_encode_header(struct buf *, const char *, size_t column);
void mail_encode_body(struct buf *, const char *);
/* A text with its long lines broken at spaces. */
const char *mail_wrap(struct arena *, const char *);

/* mail_sink.c: one mail more in a file in mbox form. */
enum res mail_sink_open(const char *path, char *msg, size_t msglen);
enum res mail_sink_write(struct arena *, const struct buf *message,
    const char *from, int64_t now_us);
/* (pure) A message as it stands in an mbox file. */
void mail_mbox(struct buf *out, const struct buf *message, const char *from,
    int64_t now_us);

/* mail_transport.c: where mail goes, by the settings. */
enum mail_result {
	MAIL_RESULT_UNSET = 0,
	MAIL_SENT,
	MAIL_LATER,  /* it may be delivered another time */
	MAIL_REFUSED /* it never will be */
};
/* why: a word for logs and the outbox; static. */
co_fn enum mail_result
mail_deliver(struct env *, const struct mail *, const char **why);

/* mail_db.c */
struct mail_leased {
	struct uuid id;
	const char *kind;
	const void *sealed;
	size_t len;
	int32_t attempts; /* this one included */
	double age_s;
};
co_fn enum res mail_db_queue(struct env *, const struct mail_row *);
co_fn enum res mail_db_lease(struct env *, const struct uuid *lease,
    int32_t limit, int32_t seconds, struct mail_leased **, int *n);
/* held: false when the lease was another's by then. */
co_fn enum res mail_db_sent(
    struct env *, const struct uuid *id, const struct uuid *lease, bool *held);
co_fn enum res mail_db_retry(struct env *, const struct uuid *id,
    const struct uuid *lease, const char *why, double seconds, bool *held);
co_fn enum res mail_db_give_up(struct env *, const struct uuid *id,
    const struct uuid *lease, const char *why, bool *held);
co_fn enum res mail_db_sweep(struct env *, int32_t limit, int32_t *gone);

/* mail_sender.c */
void mail_wake(void); /* one was queued here, and may be committed soon */

/* mail_backoff.c (pure): seconds to wait after so many attempts. Doubles from
 * first to an hour, more or less a quarter by chance (0 to 1). */
double mail_backoff(int32_t attempts, double first_s, double chance);

#endif
