/*
 * Prints a script of the back-off, for tests that run it in Redis by itself:
 *   lockout_lua check|settle|clear
 */
#include <stdio.h>
#include <string.h>

#include "guard/guard_priv.h"

int
main(int argc, char **argv)
{
	const struct {
		const char *name, *lua;
	} scripts[] = {
		{ "check", lockout_check_lua },
		{ "settle", lockout_settle_lua },
		{ "clear", lockout_clear_lua },
	};

	for (size_t i = 0; argc == 2 && i < NELEM(scripts); i++) {
		if (strcmp(argv[1], scripts[i].name) != 0)
			continue;
		puts(scripts[i].lua);
		return (0);
	}
	fprintf(stderr, "usage: lockout_lua check|settle|clear\n");

	return (2);
}
