/*
 * mail/ tells people by e-mail what happened to their account, and sends them
 * the links that open one. A mail is queued in PostgreSQL, its recipient and
 * text sealed; a background coroutine of each worker sends what is due, with
 * retries, over SMTP or into a file. Neither logs nor metrics nor the database
 * hold an address or a text in clear.
 */
#ifndef MAIL_H
#define MAIL_H

#include "io/io.h"

/* tbl/mails.def names them all. */
enum mail_kind {
	MAIL_UNSET = 0,
#define MAIL(id, name, needed, subject, text) MAIL_##id,
#include "mail/tbl/mails.def"
#undef MAIL
	MAIL_MAX
};

/* False while MAIL_URL is empty: this server sends no mail. */
bool mail_configured(void);
/* For what cannot be done without mail, before anything else is done: RES_ERR
 * with UNAVAILABLE and clear words unless mail_configured(). */
enum res mail_required(struct env *);

/*
 * Queues a mail; joins env->tx when set, and is sent once that is committed.
 * values: name, text, ..., NULL: what the template's {name}s become; each must
 * be there, and those that it does not name are left out. Control characters
 * in a value become spaces.
 *
 * RES_ERR: not queued, env->err says why. While mail is off, or when the
 * address cannot be one, a link (an invitation, a reset) is refused, and a
 * notice is dropped with RES_OK: what it tells of happens all the same.
 */
co_fn enum res mail_send(
    struct env *, enum mail_kind, const char *to, const char *const *values);

/* An instant as people read it: "24 November 2026, 03:29 UTC"; pure. */
const char *mail_when(struct arena *, int64_t us);

/*
 * The same without queueing, for eleusisctl: pure. RES_ERR with *why in words
 * for a log: an address that could not be one, a value that is missing.
 */
struct mail_row {
	struct uuid id;
	const char *kind;
	const uint8_t *sealed;
	size_t len;
};
enum res mail_compose(struct arena *, enum mail_kind, const char *to,
    const char *const *values, struct mail_row *, const char **why);

/* In the parent: reads MAIL_URL and the files it goes with, opens the sink. */
enum res mail_load(char *msg, size_t msglen);
/* In a worker: starts the sender. */
void mail_init(void);

#endif
