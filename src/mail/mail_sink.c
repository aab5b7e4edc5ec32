/*
 * Mail into a file, for development and tests: opened by the parent, outside
 * the workers' chroot, and appended to with one write() a message, so that
 * those of several workers do not mix.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mail/mail_priv.h"

static int sink = -1;

enum res
mail_sink_open(const char *path, char *msg, size_t len)
{
	sink = open(path,
	    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
	    0600);
	if (sink != -1 && fchmod(sink, 0600) == 0)
		return (RES_OK);
	(void)snprintf(
	    msg, len, "mail_url: cannot open %s: %s", path, strerror(errno));
	return (RES_ERR);
}

enum res
mail_sink_write(struct arena *arena, const struct buf *message,
    const char *from, int64_t now_us)
{
	struct buf out;

	buf_init(&out, arena, message->len + 256);
	mail_mbox(&out, message, from, now_us);
	return (write(sink, out.data, out.len) == (ssize_t)out.len ? RES_OK :
								     RES_ERR);
}
