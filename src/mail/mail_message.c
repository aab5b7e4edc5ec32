/*
 * A mail as the receiving side wants it (RFC 5322, RFC 2045). Its Message-ID
 * is that of the outbox row: should it be delivered twice, after a crash
 * between delivery and note, the receiver can tell.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mail/mail_priv.h"

#define LINE_MAX_BYTES 998 /* RFC 5322, 2.1.1 */

/* Nothing that ends a header line or is no text. */
static bool
header_safe(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return (false);
	return (true);
}

static void
put_date(struct buf *b, int64_t now_us)
{
	time_t now = (time_t)(now_us / 1000000);
	char text[64];
	struct tm tm;

	/* The C locale is the only one here: names are English. */
	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	buf_printf(b, "Date: %s\r\n", text);
}

/* A display name of atoms and spaces needs no quotes; any other is quoted, or
 * encoded when it goes past ASCII. */
static void
put_name(struct buf *b, const char *name, size_t column)
{
	bool ascii = true;

	for (const char *p = name; *p != '\0'; p++)
		ascii &= (unsigned char)*p < 0x80;
	if (!ascii) {
		mail_encode_header(b, name, column);
		return;
	}
	buf_putc(b, '"');
	for (; *name != '\0'; name++) {
		if (*name == '"' || *name == '\\')
			buf_putc(b, '\\');
		buf_putc(b, *name);
	}
	buf_putc(b, '"');
}

/* True when it can travel as it is: ASCII in lines of moderate length. */
static bool
seven_bit(const char *text)
{
	size_t column = 0;

	for (; *text != '\0'; text++) {
		if ((unsigned char)*text >= 0x7f ||
		    ((unsigned char)*text < ' ' && *text != '\n'))
			return (false);
		column = *text == '\n' ? 0 : column + 1;
		if (column > LINE_MAX_BYTES)
			return (false);
	}
	return (true);
}

static void
put_body(struct buf *b, const char *text)
{
	if (!seven_bit(text)) {
		buf_puts(b, "Content-Transfer-Encoding: quoted-printable\r\n"
			    "\r\n");
		mail_encode_body(b, text);
		return;
	}
	buf_puts(b, "Content-Transfer-Encoding: 7bit\r\n\r\n");
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			buf_putc(b, '\r');
		buf_putc(b, *text);
	}
}

enum res
mail_message(struct arena *arena, const struct mail_sender *from,
    const struct mail *mail, int64_t now_us, struct buf *b)
{
	char id[UUID_STRLEN + 1];

	if (!mail_address_valid(from->address) ||
	    !mail_address_valid(mail->to) || !header_safe(from->name) ||
	    !header_safe(from->host) || !header_safe(mail->subject))
		return (RES_ERR);
	uuid_format(&mail->id, id);
	put_date(b, now_us);
	buf_puts(b, "From: ");
	put_name(b, from->name, strlen("From: "));
	buf_printf(
	    b, " <%s>\r\nTo: <%s>\r\nSubject: ", from->address, mail->to);
	mail_encode_header(b, mail->subject, strlen("Subject: "));
	buf_printf(b,
	    "\r\nMessage-ID: <%s@%s>\r\n"
	    "Auto-Submitted: auto-generated\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n",
	    id, from->host);
	put_body(b, mail_wrap(arena, mail->text));
	return (RES_OK);
}
