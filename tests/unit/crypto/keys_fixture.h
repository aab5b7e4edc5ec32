/*
 * A key directory of the tests' own, with the root key 00 01 02 ... 1f, so
 * that what is derived from it can be compared with known values.
 */
#ifndef KEYS_FIXTURE_H
#define KEYS_FIXTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto_priv.h"

static char keys_dir[64];
static char keys_file[80];

static inline int
keys_write(size_t len, mode_t mode)
{
	uint8_t root[64];
	size_t i;
	int fd;

	for (i = 0; i < sizeof(root); i++)
		root[i] = (uint8_t)i;
	unlink(keys_file);
	if ((fd = open(keys_file, O_WRONLY | O_CREAT | O_EXCL, 0600)) < 0)
		return (-1);
	if (write(fd, root, len) != (ssize_t)len || fchmod(fd, mode) != 0) {
		close(fd);
		return (-1);
	}

	return (close(fd));
}

static inline int
keys_setup(void **state UNUSED)
{
	char msg[256];

	snprintf(keys_dir, sizeof(keys_dir), "/tmp/eleusis-keys-XXXXXX");
	if (mkdtemp(keys_dir) == NULL)
		return (-1);
	snprintf(keys_file, sizeof(keys_file), "%s/root.key", keys_dir);
	if (keys_write(32, 0600) != 0)
		return (-1);
	if (keyring_load(keys_dir, msg, sizeof(msg)) != RES_OK) {
		fprintf(stderr, "%s\n", msg);
		return (-1);
	}

	return (0);
}

static inline int
keys_teardown(void **state UNUSED)
{
	keyring_wipe();
	unlink(keys_file);

	return (rmdir(keys_dir));
}

/* Hexadecimal of a known value to bytes. */
static inline size_t
unhex(const char *hex, uint8_t *out)
{
	size_t n;
	unsigned byte;

	for (n = 0; hex[n * 2] != '\0'; n++) {
		if (sscanf(hex + n * 2, "%2x", &byte) != 1)
			abort();
		out[n] = (uint8_t)byte;
	}

	return (n);
}

#endif
