/*
 * Text as mail carries it: words past ASCII in headers (RFC 2047), bodies in
 * quoted-printable (RFC 2045, 6.7), paragraphs in lines that can be read.
 */
#include <string.h>

#include "mail/mail_priv.h"

#define COLUMNS      76
#define WRAP_COLUMNS 72
#define WORD_HEAD    "=?UTF-8?Q?"
#define WORD_TAIL    "?="
#define WORD_MAX     75 /* RFC 2047, 2 */

static bool
plain(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || (unsigned char)*s >= 0x7f)
			return (false);
	return (true);
}

static bool
letter_or_digit(char c)
{
	return ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9'));
}

/* How many bytes the character at s has, which is valid UTF-8. */
static size_t
char_len(const char *s)
{
	size_t n = 1;

	while (((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return (n);
}

static void
put_hex(struct buf *b, char c)
{
	buf_printf(b, "=%02X", (unsigned)(unsigned char)c);
}

/* One character of an encoded word; those of more bytes stay together. */
static void
put_word_char(struct buf *b, const char *s, size_t n)
{
	if (n == 1 && letter_or_digit(*s))
		buf_putc(b, *s);
	else if (*s == ' ')
		buf_putc(b, '_');
	else
		for (size_t i = 0; i < n; i++)
			put_hex(b, s[i]);
}

void
mail_encode_header(struct buf *b, const char *s, size_t column)
{
	size_t n, need, room;

	if (plain(s) && strstr(s, "=?") == NULL) {
		buf_puts(b, s);
		return;
	}
	buf_puts(b, WORD_HEAD);
	room = WORD_MAX - column - strlen(WORD_HEAD) - strlen(WORD_TAIL);
	for (; *s != '\0'; s += n) {
		n = char_len(s);
		need = n == 1 && (letter_or_digit(*s) || *s == ' ') ? 1 : 3 * n;
		if (need > room) {
			buf_puts(b, WORD_TAIL "\r\n " WORD_HEAD);
			room = WORD_MAX - 1 - strlen(WORD_HEAD) -
			       strlen(WORD_TAIL);
		}
		put_word_char(b, s, n);
		room -= need;
	}
	buf_puts(b, WORD_TAIL);
}

void
mail_encode_body(struct buf *b, const char *s)
{
	size_t column = 0, need;
	bool last, quote;

	for (; *s != '\0'; s++) {
		if (*s == '\n') {
			buf_puts(b, "\r\n");
			column = 0;
			continue;
		}
		last = s[1] == '\n' || s[1] == '\0';
		quote = (unsigned char)*s < ' ' || (unsigned char)*s > '~' ||
			*s == '=' || (*s == ' ' && last);
		need = quote ? 3 : 1;
		if (column + need > COLUMNS - 1) {
			buf_puts(b, "=\r\n");
			column = 0;
		}
		if (quote)
			put_hex(b, *s);
		else
			buf_putc(b, *s);
		column += need;
	}
}

/* A line that has no space where it could be broken stays whole: a link must
 * not be torn. Columns are counted in characters. */
static void
wrap_line(struct buf *b, const char *s, size_t len)
{
	size_t column = 0, n, width;

	while (len > 0) {
		n = 0;
		while (n < len && s[n] != ' ')
			n++;
		width = 0;
		for (size_t i = 0; i < n; i++)
			width += ((unsigned char)s[i] & 0xc0) != 0x80;
		if (column > 0 && column + 1 + width > WRAP_COLUMNS) {
			buf_putc(b, '\n');
			column = 0;
		} else if (column > 0) {
			buf_putc(b, ' ');
			column++;
		}
		buf_append(b, s, n);
		column += width;
		s += n;
		len -= n;
		while (len > 0 && *s == ' ') {
			s++;
			len--;
		}
	}
}

const char *
mail_wrap(struct arena *arena, const char *text)
{
	struct buf b;
	size_t len;

	buf_init(&b, arena, strlen(text) + 64);
	for (;;) {
		len = strcspn(text, "\n");
		wrap_line(&b, text, len);
		text += len;
		if (*text == '\0')
			break;
		buf_putc(&b, *text++);
	}
	if (b.len == 0 || b.data[b.len - 1] != '\n')
		buf_putc(&b, '\n');
	return (b.data);
}
