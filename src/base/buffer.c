/*
 * A text that grows in an arena. data is always NUL-terminated past len. Old
 * halves stay in the arena until it is destroyed: at most as much again.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define BUF_CAP_MIN 64

/* Afterwards at least extra bytes and the NUL fit past len. */
static void
buf_reserve(struct buf *buf, size_t extra)
{
	char *data;
	size_t cap;

	assert(buf->arena != NULL);

	if (extra < buf->cap - buf->len)
		return;

	cap = buf->cap * 2;
	if (cap < buf->len + extra + 1)
		cap = buf->len + extra + 1;
	data = arena_alloc(buf->arena, cap);
	memcpy(data, buf->data, buf->len);
	buf->data = data;
	buf->cap = cap;
}

void
buf_init(struct buf *buf, struct arena *arena, size_t cap)
{
	if (cap < BUF_CAP_MIN)
		cap = BUF_CAP_MIN;
	buf->arena = arena;
	buf->data = arena_alloc(arena, cap);
	buf->len = 0;
	buf->cap = cap;
}

void
buf_append(struct buf *buf, const void *data, size_t len)
{
	if (len == 0)
		return;
	buf_reserve(buf, len);
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void
buf_puts(struct buf *buf, const char *s)
{
	buf_append(buf, s, strlen(s));
}

void
buf_putc(struct buf *buf, char c)
{
	buf_reserve(buf, 1);
	buf->data[buf->len++] = c;
	buf->data[buf->len] = '\0';
}

void
buf_printf(struct buf *buf, const char *fmt, ...)
{
	int len;
	size_t room;
	va_list ap;

	room = buf->cap - buf->len;
	va_start(ap, fmt);
	len = vsnprintf(buf->data + buf->len, room, fmt, ap);
	va_end(ap);
	assert(len >= 0);

	if ((size_t)len >= room) {
		buf_reserve(buf, (size_t)len);
		va_start(ap, fmt);
		vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, ap);
		va_end(ap);
	}
	buf->len += (size_t)len;
}
