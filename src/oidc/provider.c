/*
 * The list of providers: OIDC_FILE, read in the parent with the secrets it
 * names, since workers can open no file. Its memory stays for good.
 */
#include <cjose/cjose.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "oidc/oidc_priv.h"

#define FILE_MAX 262144
#define DEPTH    6

static struct provider list[PROVIDERS_MAX];
static unsigned count;

struct provider *
provider_at(unsigned i)
{
	return (i < count ? &list[i] : NULL);
}

unsigned
provider_count(void)
{
	return (count);
}

struct provider *
provider_find(const char *id)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(list[i].id, id) == 0)
			return (&list[i]);
	return (NULL);
}

bool
provider_shares_redirect(const struct provider *p)
{
	for (unsigned i = 0; i < count; i++)
		if (&list[i] != p &&
		    strcmp(list[i].redirect_uri, p->redirect_uri) == 0)
			return (true);
	return (false);
}

static bool
loopback(const char *host)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1",
		"[::1]" };
	size_t n;

	for (size_t i = 0; i < NELEM(hosts); i++) {
		n = strlen(hosts[i]);
		if (strncmp(host, hosts[i], n) == 0 &&
		    strchr(":/?", host[n]) != NULL)
			return (true);
	}
	return (false);
}

bool
provider_url_ok(const char *url)
{
	bool dev = strcmp(setting_str(SETTING_ENV), "dev") == 0;
	const char *host;

	for (const char *c = url; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("#\"<>\\^`{|}", *c))
			return (false);
	if (strncmp(url, "https://", 8) == 0)
		host = url + 8;
	else if (dev && strncmp(url, "http://", 7) == 0 && loopback(url + 7))
		host = url + 7;
	else
		return (false);
	/* Nobody's name and password, and a host there must be. */
	return (strcspn(host, ":/?") > 0 &&
		memchr(host, '@', strcspn(host, "/?")) == NULL);
}

static enum res
file_read(struct arena *arena, const char *path, char **text, size_t *len,
    char *msg, size_t msglen)
{
	FILE *f = fopen(path, "re");
	char *data;

	if (f == NULL) {
		(void)snprintf(
		    msg, msglen, "cannot read %s: %s", path, strerror(errno));
		return (RES_ERR);
	}
	data = arena_alloc(arena, FILE_MAX + 1);
	*len = fread(data, 1, FILE_MAX + 1, f);
	(void)fclose(f);
	if (*len > FILE_MAX) {
		(void)snprintf(msg, msglen, "%s: it is too large", path);
		return (RES_ERR);
	}
	*text = data;
	return (RES_OK);
}

/* Two of a name, or of one issuer and client, could take each other's part. */
static enum res
check_apart(const char *file, const struct provider *p, char *msg, size_t len)
{
	for (unsigned i = 0; i < count; i++) {
		const char *what = NULL;

		if (strcmp(list[i].id, p->id) == 0)
			what = "id";
		else if (strcmp(list[i].issuer, p->issuer) == 0)
			what = "issuer";
		else if (!uuid_is_nil(&p->callback_id) &&
			 uuid_equal(&list[i].callback_id, &p->callback_id))
			what = "callback_id";
		if (what == NULL)
			continue;
		(void)snprintf(msg, len,
		    "%s: provider %s: %s: another provider has the same", file,
		    p->id, what);
		return (RES_ERR);
	}
	return (RES_OK);
}

static enum res
read_list(struct arena *arena, const char *file, const struct jval *root,
    char *msg, size_t msglen)
{
	const struct jval *v;
	struct provider *p;

	if (root->type != J_ARR || root->n > PROVIDERS_MAX) {
		(void)snprintf(msg, msglen,
		    "%s: it must be a list of at most %d providers", file,
		    PROVIDERS_MAX);
		return (RES_ERR);
	}
	JSON_FOREACH (v, root) {
		p = &list[count];
		if (provider_read(arena, file, v, p, msg, msglen) != RES_OK ||
		    check_apart(file, p, msg, msglen) != RES_OK)
			return (RES_ERR);
		count++;
	}
	return (RES_OK);
}

/* libcjose's JSON library looks for random bytes in a file when it makes its
 * first object: here, where there are files. */
static void
wake_cjose(void)
{
	cjose_header_release(cjose_header_new(NULL));
}

enum res
oidc_load(char *msg, size_t msglen)
{
	const char *file = setting_str(SETTING_OIDC_FILE);
	struct err err = { .problem = PROBLEM_UNSET };
	struct arena *arena;
	struct jval *root = NULL;
	char *text;
	size_t len;
	enum res res;

	count = 0;
	if (*file == '\0')
		return (RES_OK);
	wake_cjose();
	arena = arena_new();
	res = file_read(arena, file, &text, &len, msg, msglen);
	if (res == RES_OK &&
	    json_parse(arena, text, len, DEPTH, &root, &err) != RES_OK) {
		(void)snprintf(msg, msglen, "%s: %s", file, err.detail);
		res = RES_ERR;
	}
	if (res == RES_OK)
		res = read_list(arena, file, root, msg, msglen);
	/* Else the providers live in it, as long as the process. */
	if (res != RES_OK) {
		count = 0;
		arena_destroy(&arena);
	}
	return (res);
}
