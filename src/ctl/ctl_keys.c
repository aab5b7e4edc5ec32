/*
 * eleusisctl keys: makes and checks the key files, which the server reads at
 * its start.
 */
#include <stdio.h>

#include "crypto/crypto.h"
#include "ctl/ctl.h"

enum ctl_exit
ctl_keys_create(const struct ctl_args *args UNUSED)
{
	const char *dir;
	char msg[512];

	dir = setting_str(SETTING_KEY_DIR);
	if (keyring_create(dir, msg, sizeof(msg)) != RES_OK) {
		ctl_error("%s", msg);
		return (CTL_FAILED);
	}
	/* What is there already must be good as well. */
	return (ctl_keys_check(args));
}

enum ctl_exit
ctl_keys_check(const struct ctl_args *args UNUSED)
{
	const char *dir;
	char msg[512];

	dir = setting_str(SETTING_KEY_DIR);
	if (keyring_load(dir, msg, sizeof(msg)) != RES_OK) {
		ctl_error("%s", msg);
		ctl_hint("eleusisctl keys create makes what is missing; a lost "
			 "key comes back from its backup only");
		return (CTL_FAILED);
	}
	printf("%s: good, key-encryption key version %u\n", dir,
	    keyring_kek_version());
	keyring_wipe();

	return (CTL_DONE);
}
