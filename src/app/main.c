/*
 * Kore's hooks: what happens in the parent before it forks, in each worker
 * when it starts and stops. Everything that can be checked is checked in the
 * parent, where a mistake still ends in a readable line on the terminal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <kore/kore.h>
#include <kore/http.h>
#include <kore/hooks.h>

#include "account/account.h"
#include "app/app.h"
#include "audit/audit.h"
#include "auth/auth.h"
#include "crypto/crypto.h"
#include "factor/factor.h"
#include "guard/guard.h"
#include "io/io.h"
#include "mail/mail.h"
#include "obs/obs.h"
#include "oidc/oidc.h"
#include "ops/ops.h"
#include "pages/pages.h"
#include "predict/predict.h"
#include "records/records.h"

#define FLUSH_MS    50
#define SWEEP_TURNS 1200 /* of FLUSH_MS: a minute */

int eleusis_onload(int);
void kore_worker_teardown(void);

static struct timer flush_timer;

/* SIGHUP would reload the module under suspended coroutines. */
int
eleusis_onload(int action)
{
	return (
	    action == KORE_MODULE_UNLOAD ? KORE_RESULT_ERROR : KORE_RESULT_OK);
}

/* The key manager is forked from the parent as well. It unloads the module at
 * once, and the patients' keys go with it. */
__attribute__((destructor)) static void
forget_keys(void)
{
	keyring_wipe();
	ticket_keys_forget();
}

static void
load_settings(void)
{
	const char *file = getenv("ELEUSIS_CONFIG");
	const char *env = getenv("ELEUSIS_ENV");
	static char path[256], msg[2048];

	if (file == NULL) {
		(void)snprintf(path, sizeof(path), "conf/%s.conf",
		    env != NULL ? env : "dev");
		file = path;
	}
	if (settings_load(file, msg, sizeof(msg)) != RES_OK)
		fatalx("settings:\n%s", msg);
}

static void
load_routes(void)
{
	static const char *names[128]; /* obs/ keeps the pointers */
	const struct endpoint *rows;
	char msg[512];
	unsigned n;

	rows = endpoints(&n);
	if (router_init(rows, n, msg, sizeof(msg)) != RES_OK ||
	    routes_share(msg, sizeof(msg)) != RES_OK ||
	    routes_check(msg, sizeof(msg)) != RES_OK ||
	    signed_operations_check(msg, sizeof(msg)) != RES_OK)
		fatalx("endpoint table: %s", msg);
	if (router_labels() > NELEM(names))
		fatalx("endpoint table: more paths than metric labels");
	for (unsigned i = 0; i < router_labels(); i++)
		names[i] = router_label_path(i);
	metrics_init(worker_count > 0 ? worker_count : cpu_count, names,
	    router_labels());
	openapi_init(setting_str(SETTING_ORIGIN));
}

void
kore_parent_configure(int argc UNUSED, char *argv[] UNUSED)
{
	char msg[1024];

	/* ChaCha20 in user space, stirred anew in each worker: a system call
	 * for every identifier and nonce was 2 % of a request. */
	randombytes_set_implementation(&randombytes_internal_implementation);
	if (sodium_init() == -1)
		fatalx("libsodium cannot be started");
	load_settings();
	if (log_open(setting_str(SETTING_LOG_FILE),
		setting_str(SETTING_LOG_LEVEL), msg, sizeof(msg)) != RES_OK)
		fatalx("log: %s", msg);
	if (keyring_load(setting_str(SETTING_KEY_DIR), msg, sizeof(msg)) !=
	    RES_OK)
		fatalx("keys: %s", msg);
	if (registry_load(setting_str(SETTING_MODELS_DIR), msg, sizeof(msg)) !=
	    RES_OK)
		fatalx("models: %s", msg);
	if (proxies_load(msg, sizeof(msg)) != RES_OK)
		fatalx("proxies: %s", msg);
	if (io_load_secrets(msg, sizeof(msg)) != RES_OK)
		fatalx("secrets: %s", msg);
	if (io_load_trust(msg, sizeof(msg)) != RES_OK)
		fatalx("ca_file, mail_ca_file: %s", msg);
	if (breached_load(
		setting_str(SETTING_BREACHED_FILE), msg, sizeof(msg)) != RES_OK)
		fatalx("breached_file: %s", msg);
	if (passkey_init(msg, sizeof(msg)) != RES_OK)
		fatalx("passkeys: %s", msg);
	if (mail_load(msg, sizeof(msg)) != RES_OK)
		fatalx("mail: %s", msg);
	if (ops_init(msg, sizeof(msg)) != RES_OK)
		fatalx("%s", msg);
	if (oidc_load(msg, sizeof(msg)) != RES_OK)
		fatalx("OpenID Connect: %s", msg);
	password_init((unsigned long long)setting_int(SETTING_ARGON2_OPS),
	    (size_t)setting_int(SETTING_ARGON2_MEM_KIB) * 1024);
	if (tls_init() != RES_OK)
		fatalx("no shared memory for the keys of TLS sessions");
	security_init();
	cors_init();
	load_routes();
	if (pages_load(setting_str(SETTING_ASSETS_DIR), msg, sizeof(msg)) !=
	    RES_OK)
		fatalx("pages: %s", msg);
	rate_alone_init(worker_count > 0 ? worker_count : cpu_count);
	if (door_init(msg, sizeof(msg)) != RES_OK)
		fatalx("hosts: %s", msg);
	log_event(LOG_LEVEL_INFO, "server.start",
	    "starting in %s with %u endpoints", setting_str(SETTING_ENV),
	    router_count());
	log_flush();
}

static void
periodic(void *arg UNUSED)
{
	static unsigned turns;

	log_flush();
	ops_gauges();
	tls_periodic();
	if (turns++ % SWEEP_TURNS == 0)
		vault_cache_sweep();
	timer_set(&flush_timer, time_mono_ms() + FLUSH_MS, periodic, NULL);
}

void
kore_worker_configure(void)
{
	/* libpq looks for a home directory; the chroot has none. */
	setenv("HOME", "/", 1);
	randombytes_stir(); /* the parent's stream ends at the fork */
	keyring_worker();
	metrics_worker(worker->id - 1);
	timer_init();
	co_init((size_t)setting_int(SETTING_COROUTINE_STACK_KB) * 1024,
	    (unsigned)setting_int(SETTING_COROUTINES_MAX));
	drain_init(setting_int(SETTING_DRAIN_TIMEOUT_MS));
	pool_init((unsigned)setting_int(SETTING_POOL_THREADS),
	    (unsigned)setting_int(SETTING_POOL_QUEUE));
	io_connect();
	audit_init();
	apikey_init();
	if (idempotency_init() != RES_OK)
		fatal("the sweeping of kept replies cannot start");
	denials_init();
	rate_denied_init();
	iplist_init();
	revocations_init();
	mail_init();
	oidc_init();
	/* One of them: the gauges of all are summed. */
	if (worker->id == 1 && break_glass_watch() != RES_OK)
		fatal("the watch over emergencies cannot start");
	periodic(NULL);
}

void
kore_worker_teardown(void)
{
	pool_stop();
	ops_gauges();
	log_event(LOG_LEVEL_INFO, "worker.stop", "worker %d stops", worker->id);
	log_flush();
	keyring_wipe();
}
