/*
 * Where log lines go: one buffer a process, written to an append-only file or
 * to standard output by whole lines. A regular file takes a whole buffer in
 * one write (O_APPEND keeps processes apart); a pipe, terminal or socket
 * takes pieces of at most PIPE_BUF, never waiting for its reader. A child
 * drops what its parent had pending: the parent writes that itself.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "obs/obs_priv.h"

#define BUFFER_BYTES 65536
#define FLUSH_BYTES  32768
#define EXIT_WAIT_MS 500 /* a slow reader's grace when we leave */

static struct {
	int fd;
	bool regular;
	enum log_level level;
	pid_t pid;        /* whose buffer this is */
	bool torn;        /* the file ends in half a line */
	uint64_t dropped; /* not yet told */
	size_t len;
	struct log_line line;
	char buf[BUFFER_BYTES];
} sink = { .fd = STDERR_FILENO, .level = LOG_LEVEL_INFO };

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

static enum log_level
level_parse(const char *name)
{
	for (unsigned i = LOG_LEVEL_DEBUG; i < NELEM(level_names); i++)
		if (strcmp(name, level_names[i]) == 0)
			return ((enum log_level)i);
	return (LOG_LEVEL_UNSET);
}

/* Standard output may be shared with a shell, so a pipe or terminal is
 * opened anew before it is made non-blocking; a socket cannot be, and is
 * only asked by poll(). A file shared with Kore's own lines gets O_APPEND. */
static int
open_stdout(void)
{
	struct stat st;
	int fd, flags;

	if (fstat(STDOUT_FILENO, &st) == -1)
		return (-1);
	if (S_ISREG(st.st_mode)) {
		flags = fcntl(STDOUT_FILENO, F_GETFL);
		if (flags == -1 ||
		    fcntl(STDOUT_FILENO, F_SETFL, flags | O_APPEND) == -1)
			return (-1);
	} else {
		fd = open("/proc/self/fd/1",
		    O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd != -1)
			return (fd);
	}
	return (fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
}

static bool
is_stdout(const char *file)
{
	return (file == NULL || *file == '\0');
}

static int
open_sink(const char *file)
{
	int flags =
	    O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

	return (is_stdout(file) ? open_stdout() : open(file, flags, 0640));
}

static void leave(void);

enum res
log_open(const char *file, const char *level, char *msg, size_t msglen)
{
	enum log_level lv = level_parse(level);
	struct stat st;
	int fd;

	if (lv == LOG_LEVEL_UNSET) {
		(void)snprintf(msg, msglen,
		    "log level \"%s\": not debug, info, warn or error", level);
		return (RES_ERR);
	}
	fd = open_sink(file);
	if (fd == -1 || fstat(fd, &st) == -1) {
		(void)snprintf(msg, msglen, "log file %s: %s",
		    is_stdout(file) ? "(standard output)" : file,
		    strerror(errno));
		if (fd != -1)
			(void)close(fd);
		return (RES_ERR);
	}
	log_flush();
	if (sink.fd != STDERR_FILENO)
		(void)close(sink.fd);
	else
		(void)atexit(leave);
	sink.fd = fd;
	sink.regular = S_ISREG(st.st_mode);
	sink.level = lv;
	return (RES_OK);
}

static void
own_buffer(void)
{
	pid_t pid = getpid();

	if (sink.pid == pid)
		return;
	sink.pid = pid;
	sink.len = 0;
	sink.dropped = 0;
	sink.torn = false;
}

static void
drop_line(void)
{
	sink.dropped++;
	metric_add(METRIC_LOG_DROPPED, 1);
}

struct log_line *
log_begin(enum log_level level)
{
	char now[TIME_STRLEN + 1];
	struct log_line *l = &sink.line;

	if (level < sink.level || level >= NELEM(level_names))
		return (NULL);
	own_buffer();
	if (sizeof(sink.buf) - sink.len < LOG_LINE_MAX) {
		log_flush();
		if (sizeof(sink.buf) - sink.len < LOG_LINE_MAX) {
			drop_line();
			return (NULL);
		}
	}
	l->p = sink.buf + sink.len;
	l->len = 0;
	time_format(time_now_us(), now);
	log_line_raw(l, "{\"@timestamp\":\"");
	log_line_raw(l, now);
	log_line_raw(l, "\"");
	log_line_str(l, "log.level", level_names[level], 8);
	return (l);
}

void
log_end(struct log_line *l)
{
	log_line_int(l, "process.pid", sink.pid);
	log_line_raw(l, ",\"service.name\":\"eleusis\",\"service.version\":"
			"\"" ELEUSIS_VERSION "\",\"ecs.version\":\"8.11\"}\n");
	sink.len += l->len;
	if (sink.len >= FLUSH_BYTES || !metrics_is_worker())
		log_flush();
}

/* How much of the n bytes at p may go in one write. */
static size_t
piece(const char *p, size_t n)
{
	size_t end = LOG_LINE_MAX;

	if (sink.regular || n <= LOG_LINE_MAX)
		return (n);
	while (end > 0 && p[end - 1] != '\n')
		end--;
	return (end);
}

/* Bytes written, 0 when the sink takes nothing now. */
static size_t
write_piece(const char *p, size_t n)
{
	struct pollfd pfd = { .fd = sink.fd, .events = POLLOUT };
	ssize_t w;

	if (!sink.regular &&
	    (poll(&pfd, 1, 0) != 1 || !(pfd.revents & POLLOUT)))
		return (0);
	do
		w = write(sink.fd, p, n);
	while (w == -1 && errno == EINTR);
	return (w > 0 ? (size_t)w : 0);
}

/* The rest of a line of which the sink took only a part is given up: other
 * processes write behind that part before we can. */
static size_t
skip_torn(size_t off)
{
	const char *end;

	if (off == 0 || sink.buf[off - 1] == '\n')
		return (off);
	sink.torn = true;
	drop_line();
	end = memchr(sink.buf + off, '\n', sink.len - off);
	return (end == NULL ? sink.len : (size_t)(end - sink.buf) + 1);
}

void
log_flush(void)
{
	size_t w, off = 0;
	uint64_t dropped;

	own_buffer();
	if (sink.len == 0 || (sink.torn && write_piece("\n", 1) == 0))
		return;
	sink.torn = false;
	while (off < sink.len) {
		w = write_piece(
		    sink.buf + off, piece(sink.buf + off, sink.len - off));
		if (w == 0)
			break;
		off += w;
	}
	off = skip_torn(off);
	sink.len -= off;
	memmove(sink.buf, sink.buf + off, sink.len);
	if (sink.dropped == 0 || sink.len != 0 || sink.torn)
		return;
	dropped = sink.dropped;
	sink.dropped = 0;
	log_event(LOG_LEVEL_WARN, "log.dropped", "%llu log lines were lost",
	    (unsigned long long)dropped);
}

/* At exit. A slow reader gets a moment more; what is then left is lost. */
static void
leave(void)
{
	const struct timespec pause = { 0, 5000000 };
	int64_t until = time_mono_ms() + EXIT_WAIT_MS;

	for (;;) {
		log_flush();
		if (sink.len == 0 || sink.regular || time_mono_ms() >= until)
			break;
		(void)nanosleep(&pause, NULL);
	}
	for (size_t i = 0; i < sink.len; i++)
		if (sink.buf[i] == '\n')
			drop_line();
	sink.len = 0;
}
