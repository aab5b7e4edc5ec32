/*
 * eleusisctl passwords: makes the list of breached passwords that the server
 * looks new ones up in. A list may be larger than memory (the full one of
 * Have I Been Pwned has a thousand million lines): its prefixes are gathered
 * in a file beside the new one, sorted there in a mapping, and written out.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "account/account.h"
#include "ctl/ctl.h"

#define SHA1_HEX 40
#define LEAST    8 /* no setting of password_min lets shorter ones in */

struct list {
	FILE *f; /* the prefixes, in the machine's order of bytes */
	uint64_t n, last;
	bool sorted;
};

static bool
add(struct list *l, uint64_t prefix)
{
	l->sorted &= l->n == 0 || prefix >= l->last;
	l->last = prefix;
	l->n++;
	return (fwrite(&prefix, sizeof(prefix), 1, l->f) == 1);
}

/* "<SHA-1 in hexadecimal>" or "<SHA-1>:<count>". */
static bool
is_hash(const char *line)
{
	size_t n = strspn(line, "0123456789abcdefABCDEF");

	return (n == SHA1_HEX && (line[n] == '\0' || line[n] == ':'));
}

static bool
add_hash(struct list *l, char *line)
{
	line[16] = '\0';
	return (add(l, strtoull(line, NULL, 16)));
}

/* As it is and in lower case: as the server looks for them. */
static bool
add_text(struct list *l, char *line, size_t len)
{
	bool same = true;

	if (len < LEAST || len > 1024)
		return (true);
	if (!add(l, breached_prefix(line, len)))
		return (false);
	for (size_t i = 0; i < len; i++) {
		same &= !isupper((unsigned char)line[i]);
		line[i] = (char)tolower((unsigned char)line[i]);
	}
	return (same || add(l, breached_prefix(line, len)));
}

static enum res
read_list(FILE *in, struct list *l)
{
	char *line = NULL;
	size_t size = 0, len;
	ssize_t n;
	bool ok = true;

	while (ok && (n = getline(&line, &size, in)) != -1) {
		len = strcspn(line, "\r\n");
		line[len] = '\0';
		ok = is_hash(line) ? add_hash(l, line) : add_text(l, line, len);
	}
	ok = ok && ferror(in) == 0 && fflush(l->f) == 0;
	if (!ok)
		ctl_error("the list cannot be read: %s", strerror(errno));
	free(line);

	return (ok ? RES_OK : RES_ERR);
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return ((x > y) - (x < y));
}

static uint64_t
unique(uint64_t *v, uint64_t n)
{
	uint64_t kept = 0;

	for (uint64_t i = 0; i < n; i++)
		if (i == 0 || v[i] != v[kept - 1])
			v[kept++] = v[i];
	return (kept);
}

static bool
to_file(void *arg, const void *data, size_t len)
{
	return (fwrite(data, len, 1, arg) == 1);
}

static enum res
write_list(struct list *l, FILE *out)
{
	size_t size = (size_t)l->n * sizeof(uint64_t);
	uint64_t *v, n;
	bool ok;

	if (l->n == 0 || l->n > UINT32_MAX) {
		ctl_error(
		    "the list holds no passwords, or more than %u", UINT32_MAX);
		return (RES_ERR);
	}
	v = mmap(
	    NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(l->f), 0);
	if (v == MAP_FAILED) {
		ctl_error("the list cannot be mapped: %s", strerror(errno));
		return (RES_ERR);
	}
	if (!l->sorted)
		qsort(v, (size_t)l->n, sizeof(*v), compare);
	n = unique(v, l->n);
	ok = breached_write(v, (uint32_t)n, to_file, out) && fflush(out) == 0 &&
	     fsync(fileno(out)) == 0;
	(void)munmap(v, size);
	if (!ok)
		ctl_error("the file cannot be written: %s", strerror(errno));
	else
		printf("%llu passwords\n", (unsigned long long)n);

	return (ok ? RES_OK : RES_ERR);
}

/* A file without a name, where path will be: it is gone with the process. */
static FILE *
scratch(const char *path)
{
	char name[4096];
	FILE *f = NULL;
	int fd;

	if (snprintf(name, sizeof(name), "%s.sort", path) < (int)sizeof(name) &&
	    (fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) !=
		-1) {
		(void)unlink(name);
		f = fdopen(fd, "w+");
	}
	if (f == NULL)
		ctl_error("%s.sort: %s", path, strerror(errno));

	return (f);
}

static enum res
build(FILE *in, const char *path)
{
	struct list l = { .sorted = true };
	char new[4096];
	FILE *out;
	enum res res;

	if ((l.f = scratch(path)) == NULL)
		return (RES_ERR);
	(void)snprintf(new, sizeof(new), "%s.new", path);
	res = read_list(in, &l);
	if (res == RES_OK && (out = fopen(new, "we")) != NULL) {
		res = write_list(&l, out);
		(void)fclose(out);
	} else if (res == RES_OK) {
		ctl_error("%s: %s", new, strerror(errno));
		res = RES_ERR;
	}
	(void)fclose(l.f);
	if (res == RES_OK && rename(new, path) == 0)
		return (RES_OK);
	(void)unlink(new);

	return (RES_ERR);
}

enum ctl_exit
ctl_passwords_build(const struct ctl_args *args)
{
	const char *path = ctl_value(args, "out"), *from = args->operand;
	FILE *in;
	enum res res;

	if (path == NULL || from == NULL) {
		ctl_error("LIST and --out FILE are needed");
		ctl_hint("eleusisctl passwords build --help");
		return (CTL_USAGE);
	}
	in = strcmp(from, "-") == 0 ? stdin : fopen(from, "re");
	if (in == NULL) {
		ctl_error("%s: %s", from, strerror(errno));
		return (CTL_FAILED);
	}
	res = build(in, path);
	if (in != stdin)
		(void)fclose(in);

	return (res == RES_OK ? CTL_DONE : CTL_FAILED);
}

enum ctl_exit
ctl_passwords_check(const struct ctl_args *args UNUSED)
{
	const char *mistake, *code;
	char msg[512], *text;

	if (breached_load(setting_str(SETTING_BREACHED_FILE), msg,
		sizeof(msg)) != RES_OK) {
		ctl_error("%s", msg);
		return (CTL_FAILED);
	}
	if (ctl_read_secret("-", 1024, &text) != RES_OK)
		return (CTL_FAILED);
	mistake = password_mistake(text, NULL, NULL, &code);
	sodium_free(text);
	if (mistake != NULL)
		printf("%s: it %s\n", code, mistake);
	else
		printf("good: none of %u listed ones\n", breached_count());

	return (mistake == NULL ? CTL_DONE : CTL_FAILED);
}
