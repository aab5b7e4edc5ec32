/*
 * ticket_keys.c: what one process makes another one opens, a key lives two
 * periods and no longer, and a writer that dies or stops takes nobody along.
 */
#include <sys/wait.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "crypto/crypto.h"

#define PERIOD 1000
#define START  50000

static int
begin(void **state UNUSED)
{
	return (ticket_keys_init(PERIOD, START) == RES_OK ? 0 : -1);
}

static int
end(void **state UNUSED)
{
	ticket_keys_forget();
	return (0);
}

static void
lifetime(void **state UNUSED)
{
	struct ticket_key first, second, k;
	bool current;

	assert_true(ticket_key_current(START, &first));
	assert_true(ticket_key_current(START + PERIOD - 1, &k));
	assert_memory_equal(&k, &first, sizeof(k));

	assert_true(ticket_key_current(START + PERIOD, &second));
	assert_memory_not_equal(second.name, first.name, sizeof(first.name));
	assert_memory_not_equal(second.mac, first.mac, sizeof(first.mac));
	assert_memory_not_equal(
	    second.cipher, first.cipher, sizeof(first.cipher));

	assert_true(ticket_key_find(first.name, START + PERIOD, &k, &current));
	assert_false(current);
	assert_memory_equal(&k, &first, sizeof(k));
	assert_true(ticket_key_find(second.name, START + PERIOD, &k, &current));
	assert_true(current);

	assert_false(
	    ticket_key_find(first.name, START + 2 * PERIOD, &k, &current));
	assert_true(
	    ticket_key_find(second.name, START + 2 * PERIOD, &k, &current));
	assert_false(current);
}

/* After a long silence neither key is used again. */
static void
silence(void **state UNUSED)
{
	struct ticket_key first, k;
	bool current;

	assert_true(ticket_key_current(START, &first));
	assert_false(
	    ticket_key_find(first.name, START + 2 * PERIOD, &k, &current));
	assert_false(
	    ticket_key_find(first.name, START + 2 * PERIOD + 1, &k, &current));
}

/* A ticket that names the empty place would be sealed under zeros. */
static void
empty_place(void **state UNUSED)
{
	static const uint8_t zeros[TICKET_NAME_BYTES];
	struct ticket_key k;
	bool current;

	assert_false(ticket_key_find(zeros, START, &k, &current));
	memset(&k, 0xff, sizeof(k));
	assert_false(ticket_key_find(k.name, START, &k, &current));
}

static void
shared(void **state UNUSED)
{
	struct ticket_key k;
	bool current;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	assert_int_not_equal(pid = fork(), -1);
	if (pid == 0) {
		randombytes_stir();
		(void)ticket_key_current(START + PERIOD, &k);
		_exit(write(fds[1], &k, sizeof(k)) != sizeof(k));
	}
	assert_int_equal(read(fds[0], &k, sizeof(k)), sizeof(k));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(ticket_key_find(k.name, START + PERIOD, &k, &current));
	assert_true(current);
	close(fds[0]);
	close(fds[1]);
}

/*
 * Processes that rotate without pause are killed at random instants. Whatever
 * they leave behind, what one takes out is whole, and keys are to be had.
 */
static void
writers_die(void **state UNUSED)
{
	struct ticket_key k, again;
	int64_t now = START;
	bool current;
	int status;
	pid_t pid;

	for (int i = 0; i < 200; i++) {
		assert_int_not_equal(pid = fork(), -1);
		for (; pid == 0; now += PERIOD)
			ticket_keys_rotate(now);
		usleep((useconds_t)randombytes_uniform(500));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		now += (int64_t)100000000 * PERIOD;
		assert_true(ticket_key_current(now, &k));
		assert_true(ticket_key_find(k.name, now, &again, &current));
		assert_true(current);
		assert_memory_equal(&k, &again, sizeof(k));
	}
}

/* One that is stopped in mid-write must not hold up the others. */
static void
writers_stop(void **state UNUSED)
{
	struct ticket_key k;
	int64_t now = START;
	int status;
	pid_t pid;

	assert_int_not_equal(pid = fork(), -1);
	for (; pid == 0; now += PERIOD)
		ticket_keys_rotate(now);
	for (int i = 0; i < 200; i++) {
		usleep((useconds_t)randombytes_uniform(200));
		assert_int_equal(kill(pid, SIGSTOP), 0);
		assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
		/* Keys or none, but at once. */
		(void)ticket_key_current(now + i, &k);
		assert_int_equal(kill(pid, SIGCONT), 0);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	now += (int64_t)100000000 * PERIOD;
	assert_true(ticket_key_current(now, &k));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lifetime, begin, end),
		cmocka_unit_test_setup_teardown(silence, begin, end),
		cmocka_unit_test_setup_teardown(empty_place, begin, end),
		cmocka_unit_test_setup_teardown(shared, begin, end),
		cmocka_unit_test_setup_teardown(writers_die, begin, end),
		cmocka_unit_test_setup_teardown(writers_stop, begin, end),
	};

	if (sodium_init() == -1)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
