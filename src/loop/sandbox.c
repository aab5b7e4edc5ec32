/*
 * The seccomp filter of a worker: what libpq, hiredis, libsodium, glibc's
 * threads and resolver need beyond Kore's own list. Everything else kills
 * the process. Kore calls kore_seccomp_hook() in each worker after dropping
 * privileges and before the filter is loaded.
 */
#include <sys/socket.h>

#include <errno.h>

#include <kore/kore.h>
#include <kore/seccomp.h>

#include "loop/loop_priv.h"

static struct sock_filter filter[] = {
	/* Threads: glibc falls back to clone() when clone3() is absent. */
	KORE_SYSCALL_DENY(clone3, ENOSYS),
	KORE_SYSCALL_ALLOW(clone),
	KORE_SYSCALL_ALLOW(set_robust_list),
	KORE_SYSCALL_ALLOW(rseq),
	KORE_SYSCALL_ALLOW(gettid),
	KORE_SYSCALL_ALLOW(sched_yield),
	KORE_SYSCALL_ALLOW(sched_getaffinity),
	KORE_SYSCALL_ALLOW(prlimit64),
	KORE_SYSCALL_ALLOW(tgkill),

	/* Memory: large realloc, sodium_malloc. */
	KORE_SYSCALL_ALLOW(mremap),
	KORE_SYSCALL_ALLOW(mlock),
	KORE_SYSCALL_ALLOW(munlock),

	/* Clients of PostgreSQL, Redis and HTTP; the resolver. */
	KORE_SYSCALL_ALLOW_ARG(socket, 0, AF_INET),
	KORE_SYSCALL_ALLOW_ARG(socket, 0, AF_INET6),
	KORE_SYSCALL_ALLOW_ARG(socket, 0, AF_UNIX),
	KORE_SYSCALL_DENY(socket, EACCES),
	KORE_SYSCALL_ALLOW(connect),
	KORE_SYSCALL_ALLOW(bind),
	KORE_SYSCALL_ALLOW(getsockopt),
	KORE_SYSCALL_ALLOW(getsockname),
	KORE_SYSCALL_ALLOW(getpeername),
	KORE_SYSCALL_ALLOW(shutdown),
	KORE_SYSCALL_ALLOW(sendmsg),
	KORE_SYSCALL_ALLOW(sendmmsg),
	KORE_SYSCALL_ALLOW(recvmsg),
	KORE_SYSCALL_ALLOW(uname),

	/* The pool's wake-up, stdio of libraries. */
	KORE_SYSCALL_ALLOW(eventfd2),
	KORE_SYSCALL_ALLOW(newfstatat),
	KORE_SYSCALL_ALLOW(pread64),
	KORE_SYSCALL_ALLOW(getppid),
	KORE_SYSCALL_ALLOW(getgid),
	KORE_SYSCALL_ALLOW(getegid),
	KORE_SYSCALL_ALLOW(restart_syscall),
};

void kore_seccomp_hook(void);

void
sandbox_extend(void)
{
	kore_seccomp_filter("eleusis", filter, KORE_FILTER_LEN(filter));
}

void
kore_seccomp_hook(void)
{
	if (worker->id == KORE_WORKER_KEYMGR)
		return;
	sandbox_extend();
}
