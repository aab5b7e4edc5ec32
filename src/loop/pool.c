/*
 * A few threads for CPU work and for the one blocking call we cannot avoid,
 * name resolution. Jobs live on the stack of the coroutine that waits for
 * them: a job is either still queued, and can be taken back at the deadline,
 * or running, and is waited for. Finished jobs come back through an eventfd.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <kore/kore.h>

#include "loop/loop_priv.h"

struct job {
	TAILQ_ENTRY(job) entry;
	void (*fn)(void *);
	void *arg;
	bool started;
	struct wait wait;
};
TAILQ_HEAD(jobs, job);

static struct {
	struct kore_event evt; /* must be first */
	int fd;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct jobs queue, finished;
	unsigned queued, limit, running;
	pthread_t threads[32];
	unsigned nthreads;
	bool stopping;
} pool = { .fd = -1,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.work = PTHREAD_COND_INITIALIZER };

static void *
pool_thread(void *arg UNUSED)
{
	struct job *job;
	uint64_t one = 1;

	pthread_mutex_lock(&pool.lock);
	for (;;) {
		while (
		    (job = TAILQ_FIRST(&pool.queue)) == NULL && !pool.stopping)
			pthread_cond_wait(&pool.work, &pool.lock);
		if (job == NULL)
			break;
		TAILQ_REMOVE(&pool.queue, job, entry);
		pool.queued--;
		pool.running++;
		job->started = true;
		pthread_mutex_unlock(&pool.lock);

		job->fn(job->arg);

		pthread_mutex_lock(&pool.lock);
		pool.running--;
		TAILQ_INSERT_TAIL(&pool.finished, job, entry);
		if (write(pool.fd, &one, sizeof(one)) == -1) {
			/* Only when 2^64-1 wake-ups are unread: none is lost,
			 * the counter is not zero. */
		}
	}
	pthread_mutex_unlock(&pool.lock);
	return (NULL);
}

static void
pool_event(void *arg UNUSED, int error UNUSED)
{
	struct jobs done = TAILQ_HEAD_INITIALIZER(done);
	struct job *job;
	uint64_t n;

	pool.evt.flags = 0;
	if (read(pool.fd, &n, sizeof(n)) == -1)
		return;
	pthread_mutex_lock(&pool.lock);
	TAILQ_CONCAT(&done, &pool.finished, entry);
	pthread_mutex_unlock(&pool.lock);
	while ((job = TAILQ_FIRST(&done)) != NULL) {
		TAILQ_REMOVE(&done, job, entry);
		wait_signal(&job->wait);
	}
}

void
pool_init(unsigned threads, unsigned queue)
{
	sigset_t all, old;

	TAILQ_INIT(&pool.queue);
	TAILQ_INIT(&pool.finished);
	pool.limit = queue;
	pool.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pool.fd == -1)
		fatal("pool: eventfd: %s", errno_s);
	pool.evt.handle = pool_event;
	kore_platform_event_schedule(pool.fd, EPOLLIN, 0, &pool);

	/* Signals are for the event loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (unsigned i = 0; i < threads && i < NELEM(pool.threads); i++) {
		if (pthread_create(&pool.threads[i], NULL, pool_thread, NULL) !=
		    0)
			fatal("pool: cannot start a thread");
		pool.nthreads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void
pool_stop(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.stopping = true;
	pthread_cond_broadcast(&pool.work);
	pthread_mutex_unlock(&pool.lock);
	for (unsigned i = 0; i < pool.nthreads; i++)
		pthread_join(pool.threads[i], NULL);
	pool.nthreads = 0;
}

static bool
job_submit(struct job *job)
{
	bool room;

	pthread_mutex_lock(&pool.lock);
	room = pool.queued < pool.limit && !pool.stopping;
	if (room) {
		TAILQ_INSERT_TAIL(&pool.queue, job, entry);
		pool.queued++;
		pthread_cond_signal(&pool.work);
	}
	pthread_mutex_unlock(&pool.lock);
	return (room);
}

/* True when the job had not started and is now ours again. */
static bool
job_take_back(struct job *job)
{
	bool ours;

	pthread_mutex_lock(&pool.lock);
	ours = !job->started;
	if (ours) {
		TAILQ_REMOVE(&pool.queue, job, entry);
		pool.queued--;
	}
	pthread_mutex_unlock(&pool.lock);
	return (ours);
}

co_fn enum res
pool_run(struct env *env, void (*fn)(void *), void *arg)
{
	struct job job = { .fn = fn, .arg = arg };

	wait_init(&job.wait);
	if (!job_submit(&job))
		goto busy;
	if (wait_for(&job.wait, env->deadline) == RES_OK)
		return (RES_OK);
	if (job_take_back(&job))
		goto busy;
	return (wait_for(&job.wait, DEADLINE_NONE));
busy:
	env->err.retry_after = 1;
	return (err_fail(&env->err, PROBLEM_BUSY,
	    "Too much work is waiting; try again shortly."));
}

unsigned
pool_queued(void)
{
	unsigned n;

	pthread_mutex_lock(&pool.lock);
	n = pool.queued + pool.running;
	pthread_mutex_unlock(&pool.lock);
	return (n);
}
