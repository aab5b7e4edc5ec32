/*
 * The root secret and what is derived from it. The file is read once, by
 * the parent, before the chroot; only the subkeys stay, in guarded,
 * read-only memory that is neither swapped nor dumped. Whoever could read or
 * replace the file could read every record, so its permissions are checked.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto_priv.h"

#define ROOT_BYTES  crypto_kdf_KEYBYTES
#define ROOT_FILE   "root.key"
#define KEK_VERSION 1
#define PATH_SIZE   512

_Static_assert(ROOT_BYTES == 32, "the size the file format promises");

struct keyring {
	uint8_t subkeys[SUBKEY_MAX][SUBKEY_BYTES];
};

/* crypto_kdf's context and number of each subkey: never change one. */
static const struct {
	char context[crypto_kdf_CONTEXTBYTES + 1];
	uint64_t id;
} derivations[SUBKEY_MAX] = {
	[SUBKEY_KEK] = { "keyenckm", KEK_VERSION },
	[SUBKEY_SESSION] = { "sessions", 1 },
	[SUBKEY_BLIND_INDEX] = { "blindidx", 1 },
	[SUBKEY_CSRF] = { "csrftokn", 1 },
	[SUBKEY_CURSOR] = { "listcurs", 1 },
	[SUBKEY_API_KEY] = { "apikeys_", 1 },
	[SUBKEY_API_RECORD] = { "apikeys_", 2 },
	[SUBKEY_API_SIGN] = { "apikeys_", 3 },
	[SUBKEY_IDEMPOTENCY] = { "idempotn", 1 },
	[SUBKEY_DEVICE] = { "knowndev", 1 },
	[SUBKEY_BUCKET] = { "ratelims", 1 },
	[SUBKEY_ACCOUNT] = { "accounts", 1 },
	[SUBKEY_TRANSIENT] = { "transien", 1 },
};

static struct keyring *keyring;

static enum res
    PRINTF(3, 4) refuse(char *msg, size_t msglen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, msglen, fmt, ap);
	va_end(ap);

	return (RES_ERR);
}

static bool
owner_trusted(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid());
}

static enum res
check_dir(const char *dir, char *msg, size_t msglen)
{
	struct stat st;

	if (stat(dir, &st) != 0)
		return (refuse(msg, msglen, "%s: %s", dir, strerror(errno)));
	if (!S_ISDIR(st.st_mode))
		return (refuse(msg, msglen, "%s: not a directory", dir));
	if (!owner_trusted(&st))
		return (
		    refuse(msg, msglen, "%s: belongs to another user (uid %u)",
			dir, (unsigned)st.st_uid));
	if ((st.st_mode & 022) != 0)
		return (refuse(msg, msglen,
		    "%s: others may write here (mode %03o): chmod 700", dir,
		    st.st_mode & 0777));

	return (RES_OK);
}

/* On the open file, so that it cannot be exchanged after the check. */
static enum res
check_file(int fd, const char *path, char *msg, size_t msglen)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return (refuse(msg, msglen, "%s: %s", path, strerror(errno)));
	if (!S_ISREG(st.st_mode))
		return (refuse(msg, msglen, "%s: not a regular file", path));
	if (!owner_trusted(&st))
		return (
		    refuse(msg, msglen, "%s: belongs to another user (uid %u)",
			path, (unsigned)st.st_uid));
	if ((st.st_mode & 077) != 0)
		return (refuse(msg, msglen,
		    "%s: others may reach it (mode %03o): chmod 600", path,
		    st.st_mode & 0777));
	if (st.st_size != ROOT_BYTES)
		return (refuse(msg, msglen, "%s: %lld bytes instead of %u",
		    path, (long long)st.st_size, ROOT_BYTES));

	return (RES_OK);
}

static enum res
root_path(const char *dir, char path[PATH_SIZE], char *msg, size_t msglen)
{
	if (snprintf(path, PATH_SIZE, "%s/" ROOT_FILE, dir) >= PATH_SIZE)
		return (refuse(msg, msglen, "%s: the path is too long", dir));

	return (RES_OK);
}

static enum res
read_root(const char *dir, uint8_t root[ROOT_BYTES], char *msg, size_t msglen)
{
	char path[PATH_SIZE];
	int fd;
	enum res res;

	if (root_path(dir, path, msg, msglen) != RES_OK ||
	    check_dir(dir, msg, msglen) != RES_OK)
		return (RES_ERR);
	/* Not blocking: a pipe in the file's place must not hang us. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return (refuse(msg, msglen, "%s: %s", path, strerror(errno)));

	res = check_file(fd, path, msg, msglen);
	if (res == RES_OK && read(fd, root, ROOT_BYTES) != ROOT_BYTES)
		res = refuse(msg, msglen, "%s: cannot be read", path);
	close(fd);

	return (res);
}

static void
derive(struct keyring *ring, const uint8_t root[ROOT_BYTES])
{
	int i;

	for (i = SUBKEY_UNSET + 1; i < SUBKEY_MAX; i++)
		crypto_kdf_derive_from_key(ring->subkeys[i], SUBKEY_BYTES,
		    derivations[i].id, derivations[i].context, root);
}

enum res
keyring_load(const char *dir, char *msg, size_t msglen)
{
	uint8_t *root;
	enum res res;

	if (sodium_init() < 0)
		return (refuse(msg, msglen, "libsodium does not start"));
	keyring_wipe();
	root = sodium_malloc(ROOT_BYTES);
	keyring = sodium_malloc(sizeof(*keyring));
	if (root == NULL || keyring == NULL)
		res = refuse(msg, msglen, "no memory for the keys");
	else
		res = read_root(dir, root, msg, msglen);

	if (res == RES_OK) {
		derive(keyring, root);
		sodium_mprotect_readonly(keyring);
	} else {
		keyring_wipe();
	}
	sodium_free(root);

	return (res);
}

/* Locks of memory do not survive fork(); a failure (limits) is no harm. */
void
keyring_worker(void)
{
	assert(keyring != NULL);
	sodium_mlock(keyring, sizeof(*keyring));
}

void
keyring_wipe(void)
{
	sodium_free(keyring);
	keyring = NULL;
}

uint32_t
keyring_kek_version(void)
{
	return (KEK_VERSION);
}

const uint8_t *
keyring_subkey(enum subkey which)
{
	assert(keyring != NULL);
	assert(which > SUBKEY_UNSET && which < SUBKEY_MAX);

	return (keyring->subkeys[which]);
}

static bool
write_random(int fd)
{
	uint8_t root[ROOT_BYTES];
	ssize_t n;

	crypto_kdf_keygen(root);
	n = write(fd, root, sizeof(root));
	sodium_memzero(root, sizeof(root));

	return (n == (ssize_t)sizeof(root) && fsync(fd) == 0);
}

static bool
sync_dir(const char *dir)
{
	int fd;
	bool ok;

	if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return (false);
	ok = fsync(fd) == 0;
	close(fd);

	return (ok);
}

/* Written under another name and linked into place whole: a crash leaves
 * no half key, and link() never replaces a key that is there. */
static enum res
create_root(const char *dir, const char *path, char *msg, size_t msglen)
{
	char tmp[PATH_SIZE + 16];
	int fd;
	enum res res;

	snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path);
	if ((fd = mkstemp(tmp)) < 0)
		return (refuse(msg, msglen, "%s: %s", tmp, strerror(errno)));

	res = RES_OK;
	if (fchmod(fd, 0600) != 0 || !write_random(fd))
		res = refuse(msg, msglen, "%s: %s", tmp, strerror(errno));
	else if (link(tmp, path) != 0 && errno != EEXIST)
		res = refuse(msg, msglen, "%s: %s", path, strerror(errno));
	close(fd);
	unlink(tmp);
	if (res == RES_OK && !sync_dir(dir))
		res = refuse(msg, msglen, "%s: %s", dir, strerror(errno));

	return (res);
}

enum res
keyring_create(const char *dir, char *msg, size_t msglen)
{
	char path[PATH_SIZE];
	struct stat st;

	if (sodium_init() < 0)
		return (refuse(msg, msglen, "libsodium does not start"));
	if (root_path(dir, path, msg, msglen) != RES_OK)
		return (RES_ERR);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return (refuse(msg, msglen, "%s: %s", dir, strerror(errno)));
	if (check_dir(dir, msg, msglen) != RES_OK)
		return (RES_ERR);
	if (lstat(path, &st) == 0)
		return (RES_OK);

	return (create_root(dir, path, msg, msglen));
}
