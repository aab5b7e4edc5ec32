/*
 * Reads small files whole. Some hold secrets, so all of them are kept in
 * libsodium's guarded memory, which is wiped when it is freed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"

/* Reads until the end, or one byte past max. */
static enum res
read_all(int fd, char *p, size_t max, size_t *len)
{
	ssize_t n;

	*len = 0;
	while (*len <= max) {
		n = read(fd, p + *len, max + 1 - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return (RES_ERR);
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	p[*len] = '\0';

	return (RES_OK);
}

enum res
ctl_read_file(const char *path, size_t max, char **out, size_t *len)
{
	int fd;
	bool in;
	enum res res;

	in = strcmp(path, "-") == 0;
	fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		ctl_error("%s: %s", path, strerror(errno));
		return (RES_ERR);
	}
	*out = sodium_malloc(max + 2);
	res = *out == NULL ? RES_ERR : read_all(fd, *out, max, len);
	if (res != RES_OK) {
		ctl_error("%s: %s", path, strerror(errno));
	} else if (*len > max) {
		ctl_error("%s: more than %zu bytes", path, max);
		res = RES_ERR;
	}
	if (!in)
		close(fd);
	if (res != RES_OK) {
		sodium_free(*out);
		*out = NULL;
	}

	return (res);
}

enum res
ctl_read_secret(const char *path, size_t max, char **out)
{
	size_t len, line;

	/* Room for the end of the line and what follows it. */
	if (ctl_read_file(path, max + 1024, out, &len) != RES_OK)
		return (RES_ERR);
	line = strcspn(*out, "\r\n");
	sodium_memzero(*out + line, len - line);
	if (line > 0 && line <= max)
		return (RES_OK);
	if (line == 0)
		ctl_error("%s: its first line is empty", path);
	else
		ctl_error("%s: a line of more than %zu bytes", path, max);
	sodium_free(*out);
	*out = NULL;

	return (RES_ERR);
}
