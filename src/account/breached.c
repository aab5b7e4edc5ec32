/*
 * The list of breached passwords: a file of hash prefixes, mapped once in the
 * parent, so that all workers share its pages and no look-up leaves the
 * machine. A password of the list is always found; another one is taken for
 * listed with a probability of at most 2^-26, in the file that is shipped
 * about 2^-28.
 *
 * Format, numbers big-endian and of 4 bytes:
 *   "ELEUSPW1"; f; n; a table of 2^f + 1 numbers; n entries.
 * Of the SHA-1 of a password (the public lists have no other; nothing here
 * rests on its strength) the first f bits name the bucket, the next 32 bits
 * are the entry. Entry table[b] is the first of bucket b, table[b + 1] the
 * first of the next; within a bucket they ascend. f is chosen for 8 to 16
 * entries a bucket on average, and is 24 at most.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/sha.h>
#include <sodium.h>

#include "account/account.h"

#define MAGIC        "ELEUSPW1"
#define MAGIC_LEN    8
#define HEADER       (MAGIC_LEN + 4 + 4)
#define BITS_MIN     4
#define BITS_MAX     24
#define BUCKET_MAX   16
#define PASSWORD_MAX 1024

static const uint8_t *file; /* NULL: no list */
static size_t file_len;
static unsigned bits;
static uint32_t count;

static uint32_t
table(uint32_t bucket)
{
	return (get_be32(file + HEADER + (size_t)bucket * 4));
}

static uint32_t
entry(uint32_t i)
{
	return (get_be32(file + HEADER + (((size_t)1 << bits) + 1 + i) * 4));
}

/* Sizes agree, and no table entry leads out of the file. */
static bool
file_sound(void)
{
	uint32_t last = 0;
	uint64_t size;

	if (file_len < HEADER || memcmp(file, MAGIC, MAGIC_LEN) != 0)
		return (false);
	bits = get_be32(file + MAGIC_LEN);
	count = get_be32(file + MAGIC_LEN + 4);
	if (bits < BITS_MIN || bits > BITS_MAX)
		return (false);
	size = HEADER + (((uint64_t)1 << bits) + 1 + count) * 4;
	if (size != file_len)
		return (false);
	for (uint32_t b = 0; b <= (uint32_t)1 << bits; b++) {
		if (table(b) < last)
			return (false);
		last = table(b);
	}
	return (table(0) == 0 && last == count);
}

static enum res
failed(const char *path, const char *why, char *msg, size_t len)
{
	(void)snprintf(msg, len, "%s: %s", path, why);
	return (RES_ERR);
}

static enum res
map(const char *path, char *msg, size_t len)
{
	struct stat st;
	void *p = MAP_FAILED;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return (failed(path, strerror(errno), msg, len));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		p = mmap(
		    NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p == MAP_FAILED)
		return (failed(path, "cannot be mapped", msg, len));
	file = p;
	file_len = (size_t)st.st_size;
	return (RES_OK);
}

enum res
breached_load(const char *path, char *msg, size_t len)
{
	if (file != NULL)
		(void)munmap((void *)(uintptr_t)file, file_len);
	file = NULL;
	count = 0;
	if (*path == '\0')
		return (RES_OK);
	if (map(path, msg, len) != RES_OK)
		return (RES_ERR);
	if (file_sound()) {
		(void)madvise((void *)(uintptr_t)file, file_len, MADV_RANDOM);
		return (RES_OK);
	}
	(void)munmap((void *)(uintptr_t)file, file_len);
	file = NULL;
	count = 0;
	return (failed(path,
	    "not a list of breached passwords, or a damaged one (eleusisctl "
	    "passwords build makes one)",
	    msg, len));
}

uint32_t
breached_count(void)
{
	return (count);
}

uint64_t
breached_prefix(const char *password, size_t len)
{
	uint8_t digest[SHA_DIGEST_LENGTH];
	uint64_t prefix;

	SHA1((const unsigned char *)password, len, digest);
	prefix = get_be64(digest);
	sodium_memzero(digest, sizeof(digest));
	return (prefix);
}

static bool
listed(uint64_t prefix)
{
	uint32_t bucket = (uint32_t)(prefix >> (64 - bits));
	uint32_t want = (uint32_t)(prefix >> (32 - bits));
	uint32_t low = table(bucket), high = table(bucket + 1), mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (entry(mid) == want)
			return (true);
		if (entry(mid) < want)
			low = mid + 1;
		else
			high = mid;
	}
	return (false);
}

bool
breached_has(const char *password)
{
	char lower[PASSWORD_MAX];
	size_t len = strnlen(password, sizeof(lower) + 1);
	bool found;

	if (file == NULL || len > sizeof(lower))
		return (false);
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)tolower((unsigned char)password[i]);
	found = listed(breached_prefix(password, len)) ||
		listed(breached_prefix(lower, len));
	sodium_memzero(lower, sizeof(lower));
	return (found);
}

static bool
put32(bool (*write)(void *, const void *, size_t), void *arg, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	return (write(arg, b, sizeof(b)));
}

bool
breached_write(const uint64_t *prefixes, uint32_t n,
    bool (*write)(void *, const void *, size_t), void *arg)
{
	unsigned f = BITS_MIN;
	uint32_t i = 0;
	bool ok;

	while (f < BITS_MAX && n >> f > BUCKET_MAX)
		f++;
	ok = write(arg, MAGIC, MAGIC_LEN) && put32(write, arg, f) &&
	     put32(write, arg, n);
	for (uint32_t b = 0; ok && b <= (uint32_t)1 << f; b++) {
		while (i < n && prefixes[i] >> (64 - f) < b)
			i++;
		ok = put32(write, arg, i);
	}
	for (i = 0; ok && i < n; i++)
		ok = put32(write, arg, (uint32_t)(prefixes[i] >> (32 - f)));
	return (ok);
}
