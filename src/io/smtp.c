/*
 * One message to a mail server (RFC 5321) through Kore's curl integration.
 * The transfer lives in the caller's arena: at the deadline it is cancelled,
 * never left behind. Each message has a connection of its own: mails are few,
 * and a connection that was kept may be dead.
 *
 * Neither libcurl's words nor the server's are passed on: they may repeat the
 * address.
 */
#include <stdio.h>
#include <string.h>

#include <kore/kore.h>
#include <kore/curl.h>

#include "io/io_priv.h"

struct transfer {
	struct kore_curl curl;
	struct wait wait;
	struct curl_slist *to, *addresses;
	const char *text; /* what is left of the message */
	size_t len;
};

static void
transfer_done(struct kore_curl *curl UNUSED, void *arg)
{
	struct transfer *t = arg;

	wait_signal(&t->wait);
}

static size_t
transfer_read(char *out, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * n < t->len ? size * n : t->len;

	memcpy(out, t->text, len);
	t->text += len;
	t->len -= len;
	return (len);
}

/* What the server said decides where libcurl's result does not: 5yz is for
 * good (RFC 5321, 4.2.1), but that of a log-in or of missing TLS is ours to
 * mend. */
static enum smtp_result
by_reply(long code, const char **why)
{
	if (code / 100 == 5 && code / 10 != 53) {
		*why = "rejected";
		return (SMTP_REFUSED);
	}
	*why = code / 100 == 4 ? "deferred" :
	       code / 10 == 53 ? "login" :
				 "broken-off";
	return (SMTP_LATER);
}

static enum smtp_result
by_result(CURLcode rc, long code, const char **why)
{
	static const struct {
		CURLcode rc;
		const char *why;
	} words[] = {
		{ CURLE_COULDNT_RESOLVE_HOST, "no-such-host" },
		{ CURLE_COULDNT_CONNECT, "no-connection" },
		{ CURLE_OPERATION_TIMEDOUT, "timeout" },
		{ CURLE_USE_SSL_FAILED, "no-starttls" },
		{ CURLE_PEER_FAILED_VERIFICATION, "certificate" },
		{ CURLE_SSL_CONNECT_ERROR, "tls" },
		{ CURLE_LOGIN_DENIED, "login" },
		{ CURLE_REMOTE_ACCESS_DENIED, "greeting" },
	};

	if (rc == CURLE_OK) {
		*why = "";
		return (SMTP_SENT);
	}
	for (size_t i = 0; i < NELEM(words); i++) {
		if (words[i].rc == rc) {
			*why = words[i].why;
			return (SMTP_LATER);
		}
	}
	return (by_reply(code, why));
}

/* "<address>", as MAIL and RCPT have it. */
static const char *
angled(struct env *env, const char *address)
{
	return (arena_printf(env->arena, "<%s>", address));
}

static void
set_mail(struct env *env, struct transfer *t, const struct smtp_mail *mail)
{
	CURL *c = t->curl.handle;

	t->text = mail->text;
	t->len = mail->len;
	t->to = curl_slist_append(NULL, angled(env, mail->to));
	curl_easy_setopt(c, CURLOPT_MAIL_FROM, angled(env, mail->from));
	curl_easy_setopt(c, CURLOPT_MAIL_RCPT, t->to);
	curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(c, CURLOPT_READFUNCTION, transfer_read);
	curl_easy_setopt(c, CURLOPT_READDATA, t);
	curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)mail->len);
}

static void
set_server(struct transfer *t, const struct smtp_server *server, long left)
{
	CURL *c = t->curl.handle;

	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_USE_SSL,
	    (long)(server->tls == SMTP_PLAIN ? CURLUSESSL_NONE :
					       CURLUSESSL_ALL));
	trust_mail(c);
	if (*server->user != '\0') {
		curl_easy_setopt(c, CURLOPT_USERNAME, server->user);
		curl_easy_setopt(c, CURLOPT_PASSWORD, io_mail_password());
	}
	curl_easy_setopt(c, CURLOPT_RESOLVE, t->addresses);
	curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, left);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, left);
}

/* The name after the slash is what the server is greeted with. */
static const char *
url_of(struct env *env, const struct smtp_server *server)
{
	bool v6 = strchr(server->host, ':') != NULL;

	return (arena_printf(env->arena, "%s://%s%s%s:%d/%s",
	    server->tls == SMTP_TLS ? "smtps" : "smtp", v6 ? "[" : "",
	    server->host, v6 ? "]" : "", server->port, server->hello));
}

static co_fn enum smtp_result
run(struct env *env, struct transfer *t, const char **why)
{
	/* Kore asks for the server's last code of these alone. */
	t->curl.type = KORE_CURL_TYPE_HTTP_CLIENT;
	wait_init(&t->wait);
	kore_curl_bind_callback(&t->curl, transfer_done, t);
	kore_curl_run(&t->curl);
	loop_kick(); /* curl's first step runs at the loop's next turn */
	if (wait_for(&t->wait, env->deadline) != RES_OK) {
		*why = "timeout";
		return (SMTP_LATER);
	}
	return (by_result(t->curl.result, t->curl.http.status, why));
}

co_fn enum smtp_result
smtp_send(struct env *env, const struct smtp_server *server,
    const struct smtp_mail *mail, const char **why)
{
	struct transfer *t = arena_alloc(env->arena, sizeof(*t));
	enum smtp_result result = SMTP_LATER;
	struct curl_slist *addresses;
	int64_t left;

	*why = "no-such-host";
	if (outbound_pin(env, server->host,
		arena_printf(env->arena, "%d", server->port),
		&addresses) != RES_OK)
		return (SMTP_LATER);
	left = env->deadline - time_mono_ms();
	*why = "timeout";
	if (left > 0 &&
	    kore_curl_init(&t->curl, url_of(env, server), KORE_CURL_ASYNC)) {
		set_mail(env, t, mail);
		t->addresses = addresses;
		set_server(t, server, (long)left);
		result = run(env, t, why);
		kore_curl_cleanup(&t->curl);
	}
	curl_slist_free_all(t->to);
	curl_slist_free_all(addresses);
	return (result);
}
