/*
 * The certificate authorities that outbound TLS goes by. They are read and
 * parsed once in the parent: a worker's chroot holds no files, and parsing a
 * whole bundle anew for each connection would hold its loop up for some
 * milliseconds. Without a bundle no peer is believed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "io/io_priv.h"
#include "obs/obs.h"

#define SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt"

static X509_STORE *web, *mail;

/* Every certificate of the file; a file without one is refused. */
static enum res
read_bundle(FILE *f, X509_STORE *store)
{
	X509 *cert;
	unsigned n = 0;
	unsigned long e;

	while ((cert = PEM_read_X509(f, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	e = ERR_peek_last_error();
	ERR_clear_error();
	return (n > 0 && ERR_GET_REASON(e) == PEM_R_NO_START_LINE ? RES_OK :
								    RES_ERR);
}

static enum res
load(const char *path, X509_STORE **out, char *msg, size_t len)
{
	X509_STORE *store;
	FILE *f;
	enum res rc;

	if ((f = fopen(path, "re")) == NULL) {
		(void)snprintf(
		    msg, len, "cannot read %s: %s", path, strerror(errno));
		return (RES_ERR);
	}
	if ((store = X509_STORE_new()) == NULL)
		rc = RES_ERR;
	else
		rc = read_bundle(f, store);
	fclose(f);
	if (rc != RES_OK) {
		X509_STORE_free(store);
		(void)snprintf(msg, len,
		    "%s holds no certificates of authorities in PEM form, or "
		    "a damaged one",
		    path);
		return (RES_ERR);
	}
	/* An authority in between may be the one that is trusted. */
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	*out = store;
	return (RES_OK);
}

enum res
io_load_trust(char *msg, size_t len)
{
	const char *path = setting_str(SETTING_CA_FILE);
	const char *own = setting_str(SETTING_MAIL_CA_FILE);

	/* The default may be missing; what is asked for must be there. */
	if (strcmp(path, SYSTEM_BUNDLE) == 0 && access(path, R_OK) != 0) {
		log_event(LOG_LEVEL_WARN, "tls.no_authorities",
		    "%s is not there: no other server will be believed",
		    SYSTEM_BUNDLE);
		path = "";
	}
	if (*path != '\0' && load(path, &web, msg, len) != RES_OK)
		return (RES_ERR);
	return (*own != '\0' ? load(own, &mail, msg, len) : RES_OK);
}

static CURLcode
use_store(CURL *curl UNUSED, void *ctx, void *arg)
{
	X509_STORE *store = arg;

	if (store != NULL)
		SSL_CTX_set1_cert_store(ctx, store);
	return (CURLE_OK);
}

static void
trust(CURL *curl, X509_STORE *store)
{
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(
	    curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* Nothing of libcurl's own: there are no files to read. */
	curl_easy_setopt(curl, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, use_store);
	curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, store);
}

void
trust_web(CURL *curl)
{
	trust(curl, web);
}

void
trust_mail(CURL *curl)
{
	trust(curl, mail != NULL ? mail : web);
}
