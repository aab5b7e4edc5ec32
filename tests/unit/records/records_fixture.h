/*
 * What the unit tests of records/ stand on: a keyring of their own for the
 * whole group, an arena for each test, and JSON from a literal.
 */
#ifndef RECORDS_FIXTURE_H
#define RECORDS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/crypto.h"

static struct arena *arena;
static char key_dir[] = "/tmp/eleusis-unit-XXXXXX";

static inline int
setup(void **state UNUSED)
{
	char msg[200];

	if (mkdtemp(key_dir) == NULL ||
	    keyring_create(key_dir, msg, sizeof(msg)) != RES_OK ||
	    keyring_load(key_dir, msg, sizeof(msg)) != RES_OK)
		return (-1);

	return (0);
}

static inline int
teardown(void **state UNUSED)
{
	char path[64];

	keyring_wipe();
	(void)snprintf(path, sizeof(path), "%s/root.key", key_dir);
	(void)unlink(path);

	return (rmdir(key_dir));
}

static inline int
begin(void **state UNUSED)
{
	arena = arena_new();

	return (0);
}

static inline int
end(void **state UNUSED)
{
	arena_destroy(&arena);

	return (0);
}

static inline const struct jval *
json(const char *text)
{
	struct err err;
	struct jval *v;

	err_clear(&err);
	assert_int_equal(
	    json_parse(arena, text, strlen(text), 10, &v, &err), RES_OK);

	return (v);
}

#endif
