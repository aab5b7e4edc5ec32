/*
 * keyring.c: a key file that others could read or exchange is refused, one
 * that is there is never overwritten, and subkeys differ.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>

#include "keys_fixture.h"

static char msg[256];

static void
assert_refused(const char *why)
{
	assert_int_equal(keyring_load(keys_dir, msg, sizeof(msg)), RES_ERR);
	if (strstr(msg, why) == NULL)
		fail_msg("expected \"%s\", was told: %s", why, msg);
}

static void
bad_files_refused(void **state UNUSED)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0610, 0601,
		0644, 0666 };
	size_t i;

	for (i = 0; i < NELEM(modes); i++) {
		assert_int_equal(keys_write(32, modes[i]), 0);
		assert_refused("others may reach it");
	}
	assert_int_equal(keys_write(31, 0600), 0);
	assert_refused("31 bytes instead of 32");
	assert_int_equal(keys_write(33, 0600), 0);
	assert_refused("33 bytes instead of 32");
	assert_int_equal(keys_write(0, 0600), 0);
	assert_refused("0 bytes");

	unlink(keys_file);
	assert_refused("No such file");
	assert_int_equal(mkfifo(keys_file, 0600), 0);
	assert_refused("not a regular file");
	unlink(keys_file);
	assert_int_equal(mkdir(keys_file, 0700), 0);
	assert_refused("not a regular file");
	assert_int_equal(rmdir(keys_file), 0);

	assert_int_equal(keys_write(32, 0400), 0);
	assert_int_equal(keyring_load(keys_dir, msg, sizeof(msg)), RES_OK);
}

static void
bad_directories_refused(void **state UNUSED)
{
	assert_int_equal(chmod(keys_dir, 0770), 0);
	assert_refused("others may write here");
	assert_int_equal(chmod(keys_dir, 0702), 0);
	assert_refused("others may write here");
	assert_int_equal(chmod(keys_dir, 0700), 0);
	assert_int_equal(keyring_load(keys_file, msg, sizeof(msg)), RES_ERR);
	assert_non_null(strstr(msg, "not a directory"));
	assert_int_equal(
	    keyring_load("/nonexistent", msg, sizeof(msg)), RES_ERR);
}

/* Only root can give a file away. */
static void
foreign_owner_refused(void **state UNUSED)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(keys_file, 65534, (gid_t)-1), 0);
	assert_refused("belongs to another user");
	assert_int_equal(chown(keys_file, 0, (gid_t)-1), 0);
	assert_int_equal(chown(keys_dir, 65534, (gid_t)-1), 0);
	assert_refused("belongs to another user");
	assert_int_equal(chown(keys_dir, 0, (gid_t)-1), 0);
}

static void
read_key(uint8_t root[32])
{
	int fd;

	fd = open(keys_file, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, root, 32), 32);
	close(fd);
}

static unsigned
files_in_dir(void)
{
	DIR *dir;
	unsigned n;

	n = 0;
	dir = opendir(keys_dir);
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);

	return (n - 2); /* . and .. */
}

static void
create_never_overwrites(void **state UNUSED)
{
	uint8_t first[32], second[32], zero[32] = { 0 };
	struct stat st;

	unlink(keys_file);
	assert_int_equal(rmdir(keys_dir), 0);
	assert_int_equal(keyring_create(keys_dir, msg, sizeof(msg)), RES_OK);
	assert_int_equal(stat(keys_dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(keys_file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(files_in_dir(), 1);
	read_key(first);
	assert_memory_not_equal(first, zero, 32);

	assert_int_equal(keyring_create(keys_dir, msg, sizeof(msg)), RES_OK);
	read_key(second);
	assert_memory_equal(first, second, 32);
	assert_int_equal(keyring_load(keys_dir, msg, sizeof(msg)), RES_OK);

	unlink(keys_file);
	assert_int_equal(keyring_create(keys_dir, msg, sizeof(msg)), RES_OK);
	read_key(second);
	assert_memory_not_equal(first, second, 32);
	assert_int_equal(
	    keyring_create("/nonexistent/keys", msg, sizeof(msg)), RES_ERR);
}

static void
subkeys_differ(void **state UNUSED)
{
	uint8_t keys[SUBKEY_MAX][SUBKEY_BYTES];
	int i, j;

	for (i = SUBKEY_UNSET + 1; i < SUBKEY_MAX; i++) {
		memcpy(keys[i], keyring_subkey((enum subkey)i), SUBKEY_BYTES);
		for (j = SUBKEY_UNSET + 1; j < i; j++)
			assert_memory_not_equal(keys[i], keys[j], SUBKEY_BYTES);
	}
	keyring_worker();
	assert_int_equal(keyring_load(keys_dir, msg, sizeof(msg)), RES_OK);
	for (i = SUBKEY_UNSET + 1; i < SUBKEY_MAX; i++)
		assert_memory_equal(
		    keys[i], keyring_subkey((enum subkey)i), SUBKEY_BYTES);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, keys_setup, keys_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bad_files_refused),
		TEST(bad_directories_refused),
		TEST(foreign_owner_refused),
		TEST(create_never_overwrites),
		TEST(subkeys_differ),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
