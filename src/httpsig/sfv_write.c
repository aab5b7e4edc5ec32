/*
 * Serializes structured field values in their one canonical form (RFC 9651,
 * 4.1). Signer and verifier write a signature's parameters anew from what
 * they have parsed, so spaces and leading zeros that were sent do not count.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "httpsig/httpsig.h"

static void
write_decimal(struct buf *b, int64_t thousandths)
{
	int64_t n = thousandths < 0 ? -thousandths : thousandths;
	char fraction[8];
	size_t len = 3;

	(void)snprintf(
	    fraction, sizeof(fraction), "%03u", (unsigned)(n % 1000));
	while (len > 1 && fraction[len - 1] == '0')
		len--;
	buf_printf(b, "%s%lld.%.*s", thousandths < 0 ? "-" : "",
	    (long long)(n / 1000), (int)len, fraction);
}

static void
write_string(struct buf *b, const struct sfv_value *v)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < v->len; i++) {
		if (v->s[i] == '"' || v->s[i] == '\\')
			buf_putc(b, '\\');
		buf_putc(b, v->s[i]);
	}
	buf_putc(b, '"');
}

void
sfv_write_bytes(struct buf *b, const void *data, size_t len)
{
	size_t size =
	    sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);
	char *text = arena_alloc(b->arena, size);

	sodium_bin2base64(
	    text, size, data, len, sodium_base64_VARIANT_ORIGINAL);
	buf_putc(b, ':');
	buf_append(b, text, size - 1);
	buf_putc(b, ':');
}

static void
write_bare(struct buf *b, const struct sfv_value *v)
{
	switch (v->type) {
	case SFV_INTEGER:
		buf_printf(b, "%lld", (long long)v->i);
		break;
	case SFV_DECIMAL:
		write_decimal(b, v->i);
		break;
	case SFV_STRING:
		write_string(b, v);
		break;
	case SFV_TOKEN:
		buf_append(b, v->s, v->len);
		break;
	case SFV_BYTES:
		sfv_write_bytes(b, v->s, v->len);
		break;
	case SFV_BOOLEAN:
		buf_puts(b, v->i != 0 ? "?1" : "?0");
		break;
	case SFV_LIST:
	case SFV_UNSET:
		abort(); /* the parser makes no such item */
	}
}

static void
write_params(struct buf *b, const struct sfv_member *m)
{
	for (; m != NULL; m = m->next) {
		buf_printf(b, ";%s", m->key);
		if (m->value.type == SFV_BOOLEAN && m->value.i != 0)
			continue;
		buf_putc(b, '=');
		write_bare(b, &m->value);
	}
}

void
sfv_write(struct buf *b, const struct sfv_value *v)
{
	const struct sfv_member *m;

	if (v->type != SFV_LIST) {
		write_bare(b, v);
		write_params(b, v->params);
		return;
	}
	buf_putc(b, '(');
	for (m = v->items; m != NULL; m = m->next) {
		write_bare(b, &m->value);
		write_params(b, m->value.params);
		if (m->next != NULL)
			buf_putc(b, ' ');
	}
	buf_putc(b, ')');
	write_params(b, v->params);
}
