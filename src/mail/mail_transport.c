/*
 * Where mail goes: to a mail server, into a file, or nowhere. MAIL_URL is
 * read in the parent; what it says wrong keeps the server from starting.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "mail/mail_priv.h"
#include "obs/obs.h"

#define HOST_MAX        253
#define MAIL_ALARMS_MAX 2000 /* of the setting */

static enum {
	WAY_NONE = 0,
	WAY_FILE,
	WAY_SMTP
} way;
static struct smtp_server server;
static struct mail_sender sender;
static char url_host[HOST_MAX + 1], own_host[HOST_MAX + 1],
    own_address[MAIL_ADDRESS_MAX + 1];

bool
mail_configured(void)
{
	return (way != WAY_NONE);
}

static enum res
    PRINTF(3, 4) mistake(char *msg, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, len, fmt, ap);
	va_end(ap);
	return (RES_ERR);
}

/* The host of the origin, which was checked when the settings were read. */
static void
read_origin(void)
{
	const char *s = strstr(setting_str(SETTING_ORIGIN), "://") + 3;
	size_t n = *s == '[' ? 0 : strcspn(s, ":/");

	/* An address is no domain of mail. */
	if (n == 0 || n > HOST_MAX || strspn(s, "0123456789.") >= n)
		(void)snprintf(own_host, sizeof(own_host), "localhost");
	else
		(void)snprintf(own_host, sizeof(own_host), "%.*s", (int)n, s);
}

static enum res
read_sender(char *msg, size_t len)
{
	const char *from = setting_str(SETTING_MAIL_FROM);

	read_origin();
	if (*from != '\0')
		(void)snprintf(own_address, sizeof(own_address), "%s", from);
	else
		(void)snprintf(own_address, sizeof(own_address),
		    "no-reply@%.*s", MAIL_ADDRESS_MAX - 9, own_host);
	sender = (struct mail_sender){ setting_str(SETTING_SERVICE_NAME),
		own_address, own_host };
	if (mail_address_valid(own_address))
		return (RES_OK);
	return (mistake(msg, len,
	    "mail_from: not an e-mail address without a display name"));
}

/* host, host:port, [address] or [address]:port, and nothing after it. */
static enum res
read_host(const char *s, int port, char *msg, size_t len)
{
	const char *end = *s == '[' ? strchr(s, ']') : s + strcspn(s, ":/");
	int64_t given = port;
	size_t n;

	s += *s == '[';
	n = end != NULL ? (size_t)(end - s) : 0;
	if (n == 0 || n > HOST_MAX || strspn(s, "/@?#%\\ ") > 0)
		return (mistake(msg, len, "mail_url: no host in it"));
	(void)snprintf(url_host, sizeof(url_host), "%.*s", (int)n, s);
	for (const char *p = url_host; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr(".-_:", *p) == NULL)
			return (mistake(msg, len,
			    "mail_url: a host and a port, nothing else"));
	end += *end == ']';
	if (*end == ':' && !str_to_int64(end + 1, 1, 65535, &given))
		return (
		    mistake(msg, len, "mail_url: the port is not a number"));
	if (*end != ':' && *end != '\0')
		return (
		    mistake(msg, len, "mail_url: nothing goes after the port"));
	server.host = url_host;
	server.port = (int)given;
	return (RES_OK);
}

static bool
is_loopback(const char *host)
{
	struct netaddr a;

	return (strcmp(host, "localhost") == 0 ||
		(netaddr_parse(host, &a) == RES_OK && netaddr_is_loopback(&a)));
}

static enum res
read_server(const char *url, char *msg, size_t len)
{
	const char *tls = setting_str(SETTING_MAIL_TLS);
	bool implicit = strncmp(url, "smtps://", 8) == 0;

	if (strcmp(tls, "require") != 0 && strcmp(tls, "none") != 0)
		return (mistake(msg, len, "mail_tls: require or none"));
	if (read_host(strstr(url, "://") + 3, implicit ? 465 : 587, msg, len) !=
	    RES_OK)
		return (RES_ERR);
	server.tls = implicit                    ? SMTP_TLS :
		     strcmp(tls, "require") == 0 ? SMTP_STARTTLS :
						   SMTP_PLAIN;
	server.user = setting_str(SETTING_MAIL_USER);
	server.hello = own_host;
	if (server.tls == SMTP_PLAIN && *server.user != '\0' &&
	    !is_loopback(server.host))
		return (mistake(msg, len,
		    "mail_user: a password does not go over a network "
		    "without TLS (mail_tls is none)"));
	way = WAY_SMTP;
	return (RES_OK);
}

/* A notice to what is no address would be dropped in silence, and these are
 * alarms. */
static enum res
check_alarms(char *msg, size_t len)
{
	char list[MAIL_ALARMS_MAX + 1], *to, *save;

	(void)snprintf(
	    list, sizeof(list), "%s", setting_str(SETTING_BREAK_GLASS_MAIL));
	for (to = strtok_r(list, " ", &save); to != NULL;
	     to = strtok_r(NULL, " ", &save))
		if (!mail_address_valid(to))
			return (mistake(msg, len,
			    "break_glass_mail: e-mail addresses without "
			    "display names, with blanks between them"));
	return (RES_OK);
}

enum res
mail_load(char *msg, size_t len)
{
	const char *url = setting_str(SETTING_MAIL_URL);

	if (read_sender(msg, len) != RES_OK || check_alarms(msg, len) != RES_OK)
		return (RES_ERR);
	if (*url == '\0') {
		log_event(LOG_LEVEL_WARN, "mail.off",
		    "mail_url is empty: nobody can be invited or get a new "
		    "password by mail, nobody is told of changes");
		return (RES_OK);
	}
	if (strncmp(url, "file:", 5) == 0) {
		if (strcmp(setting_str(SETTING_ENV), "prod") == 0)
			return (mistake(msg, len,
			    "mail_url: production does not keep mail in a "
			    "file"));
		way = WAY_FILE;
		return (mail_sink_open(url + 5, msg, len));
	}
	if (strncmp(url, "smtp://", 7) == 0 || strncmp(url, "smtps://", 8) == 0)
		return (read_server(url, msg, len));
	return (mistake(
	    msg, len, "mail_url: smtp://, smtps:// or file:, nothing else"));
}

static enum mail_result
to_file(struct env *env, const struct buf *message, const char **why)
{
	*why = "file";
	return (mail_sink_write(env->arena, message, sender.address,
		    time_now_us()) == RES_OK ?
		    MAIL_SENT :
		    MAIL_LATER);
}

static co_fn enum mail_result
to_server(struct env *env, const struct mail *mail, const struct buf *message,
    const char **why)
{
	const struct smtp_mail m = { sender.address, mail->to, message->data,
		message->len };

	switch (smtp_send(env, &server, &m, why)) {
	case SMTP_SENT:
		return (MAIL_SENT);
	case SMTP_REFUSED:
		return (MAIL_REFUSED);
	default:
		return (MAIL_LATER);
	}
}

co_fn enum mail_result
mail_deliver(struct env *env, const struct mail *mail, const char **why)
{
	struct buf message;

	buf_init(&message, env->arena, 2048);
	*why = "message";
	if (mail_message(env->arena, &sender, mail, time_now_us(), &message) !=
	    RES_OK)
		return (MAIL_REFUSED);
	if (way == WAY_FILE)
		return (to_file(env, &message, why));
	if (way == WAY_SMTP)
		return (to_server(env, mail, &message, why));
	*why = "off";
	return (MAIL_LATER);
}
