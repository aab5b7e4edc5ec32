/*
 * One provider of OIDC_FILE: members, defaults, what must fit together. The
 * shape is a schema like those of bodies; each mistake names file, provider
 * and member.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "oidc/oidc_priv.h"

#define SECRET_MAX  1024
#define SECRET_MIN  8
#define ROLES_MAX   64
#define CALLBACK    "/v1/auth/oidc/callback"
#define DEFAULT_ALG "RS256"

static const struct field mfa_fields[] = {
	{ "acr", FIELD_ARRAY, 0, 0, 16, NULL, NULL, "values of acr" },
	{ "amr", FIELD_ARRAY, 0, 0, 16, NULL, NULL, "values of amr" },
};
static const struct schema schema_mfa = { "Mfa", "", mfa_fields,
	NELEM(mfa_fields) };

static const struct field fields[] = {
	{ "id", FIELD_STRING, F_REQUIRED, 1, 32, NULL, NULL, "" },
	{ "name", FIELD_STRING, F_REQUIRED, 1, 80, NULL, NULL, "" },
	{ "issuer", FIELD_STRING, F_REQUIRED, 8, 400, NULL, NULL, "" },
	{ "client_id", FIELD_STRING, F_REQUIRED, 1, 256, NULL, NULL, "" },
	{ "client_secret_file", FIELD_STRING, 0, 1, 400, NULL, NULL, "" },
	{ "auth_method", FIELD_ENUM, 0, 0, 0,
	    "client_secret_basic|client_secret_post|none", NULL, "" },
	{ "scopes", FIELD_ARRAY, 0, 1, 16, NULL, NULL, "" },
	{ "algs", FIELD_ARRAY, 0, 1, PROVIDER_ALGS - 1, NULL, NULL, "" },
	{ "link", FIELD_ENUM, 0, 0, 0, "email_verified|none", NULL, "" },
	{ "trust_email", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL, "" },
	{ "provision", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL, "" },
	{ "role_claim", FIELD_STRING, 0, 1, 200, NULL, NULL, "" },
	{ "roles", FIELD_OBJECT, 0, 0, 0, NULL, NULL, "" },
	{ "default_role", FIELD_STRING, F_NULLABLE, 1, 32, NULL, NULL, "" },
	{ "mfa", FIELD_OBJECT, 0, 0, 0, NULL, &schema_mfa, "" },
	{ "max_age", FIELD_INTEGER, 0, 1, 31536000, NULL, NULL, "" },
	{ "callback_id", FIELD_UUID, 0, 0, 0, NULL, NULL, "" },
};
static const struct schema schema_provider = { "Provider", "", fields,
	NELEM(fields) };

/* Where a mistake is told. */
struct place {
	const char *file, *id;
	char *msg;
	size_t len;
};

static enum res PRINTF(3, 4)
    mistake(const struct place *at, const char *member, const char *fmt, ...)
{
	char what[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	(void)snprintf(at->msg, at->len, "%s: provider %s: %s: %s", at->file,
	    at->id, member, what);
	return (RES_ERR);
}

/* Slugs stand in the audit log, in URLs and in sealed sessions. */
static bool
slug_ok(const char *s)
{
	return (s[0] != '-' &&
		s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0');
}

static bool
flag(const struct jval *v, const char *name)
{
	const struct jval *m = json_get(v, name);

	return (m != NULL && m->b);
}

static const char *
text_or(const struct jval *v, const char *name, const char *def)
{
	const char *s = json_get_str(v, name);

	return (s != NULL ? s : def);
}

/* A list of texts, to a NULL; empty when the member is not there. */
static enum res
read_texts(struct arena *arena, const struct place *at, const struct jval *v,
    const char *name, const char *const **out)
{
	const struct jval *m, *member = json_get(v, name);
	const char **texts;
	unsigned n = 0;

	texts = arena_alloc(
	    arena, ((member != NULL ? member->n : 0) + 1) * sizeof(*texts));
	if (member != NULL)
		JSON_FOREACH (m, member) {
			if (m->type != J_STR || m->slen == 0 ||
			    strlen(m->s) != m->slen)
				return (mistake(at, name, "texts only"));
			texts[n++] = m->s;
		}
	*out = texts;
	return (RES_OK);
}

static bool
alg_known(const char *name)
{
	for (const char *const *a = provider_algs; *a != NULL; a++)
		if (strcmp(*a, name) == 0)
			return (true);
	return (false);
}

static enum res
read_algs(struct arena *arena, const struct place *at, const struct jval *v,
    struct provider *p)
{
	const char *const *texts;
	unsigned n = 0;

	if (read_texts(arena, at, v, "algs", &texts) != RES_OK)
		return (RES_ERR);
	for (; texts[n] != NULL; n++) {
		if (!alg_known(texts[n]))
			return (mistake(at, "algs",
			    "RS, PS and ES algorithms only, such as RS256"));
		p->algs[n] = texts[n];
	}
	if (n == 0) {
		p->algs[0] = "RS256";
		p->algs[1] = "ES256";
		p->algs[2] = "PS256";
	}
	return (RES_OK);
}

/* No more is asked for than is used. */
static enum res
read_scopes(struct arena *arena, const struct place *at, const struct jval *v,
    struct provider *p)
{
	const char *const *texts;
	bool openid = false;
	struct buf b;

	if (read_texts(arena, at, v, "scopes", &texts) != RES_OK)
		return (RES_ERR);
	if (texts[0] == NULL) {
		p->scopes = p->provision  ? "openid email profile" :
			    p->link_email ? "openid email" :
					    "openid";
		return (RES_OK);
	}
	buf_init(&b, arena, 128);
	for (; *texts != NULL; texts++) {
		if (strpbrk(*texts, " \"\\") != NULL)
			return (mistake(at, "scopes", "one scope a text"));
		openid |= strcmp(*texts, "openid") == 0;
		buf_printf(&b, "%s%s", b.len > 0 ? " " : "", *texts);
	}
	p->scopes = b.data;
	return (openid ? RES_OK : mistake(at, "scopes", "must have openid"));
}

static enum res
read_secret(struct arena *arena, const struct place *at, const struct jval *v,
    struct provider *p)
{
	const char *path = json_get_str(v, "client_secret_file");
	char text[SECRET_MAX] = "";
	struct stat st;
	FILE *f;

	if (p->auth == CLIENT_AUTH_NONE)
		return (path == NULL ? RES_OK :
				       mistake(at, "client_secret_file",
					   "not with auth_method none"));
	if (path == NULL)
		return (mistake(at, "client_secret_file", "is missing"));
	if ((f = fopen(path, "re")) == NULL || fstat(fileno(f), &st) != 0) {
		if (f != NULL)
			(void)fclose(f);
		return (mistake(at, "client_secret_file", "cannot read %s: %s",
		    path, strerror(errno)));
	}
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	(void)fclose(f);
	if ((st.st_mode & S_IRWXO) != 0)
		return (mistake(at, "client_secret_file",
		    "%s: others may read it: chmod 0600", path));
	text[strcspn(text, "\r\n")] = '\0';
	if (strlen(text) < SECRET_MIN)
		return (mistake(at, "client_secret_file",
		    "%s: its first line is no secret", path));
	p->client_secret = arena_strdup(arena, text);
	return (RES_OK);
}

static enum res
read_roles(struct arena *arena, const struct place *at, const struct jval *v,
    struct provider *p)
{
	const struct jval *m, *roles = json_get(v, "roles");
	const char *def = json_get_str(v, "default_role");
	struct role_rule *rules;

	p->role_claim = json_get_str(v, "role_claim");
	if ((roles == NULL) != (p->role_claim == NULL))
		return (mistake(at, "roles", "goes with role_claim"));
	if (def != NULL && (p->default_role = role_parse(def)) == ROLE_UNSET)
		return (mistake(at, "default_role", "is no role"));
	if (p->provision && roles == NULL && p->default_role == ROLE_UNSET)
		return (mistake(at, "provision",
		    "needs role_claim and roles, or default_role"));
	if (roles == NULL)
		return (RES_OK);
	if (roles->n == 0 || roles->n > ROLES_MAX)
		return (mistake(at, "roles", "1 to %d rules", ROLES_MAX));
	rules = arena_alloc(arena, roles->n * sizeof(*rules));
	JSON_FOREACH (m, roles) {
		rules[p->nroles].value = m->key;
		rules[p->nroles].role =
		    m->type == J_STR ? role_parse(m->s) : ROLE_UNSET;
		if (rules[p->nroles++].role == ROLE_UNSET)
			return (mistake(
			    at, "roles", "\"%s\" leads to no role", m->key));
	}
	p->roles = rules;
	return (RES_OK);
}

static enum client_auth
auth_method(const struct jval *v)
{
	const char *s = text_or(v, "auth_method", "client_secret_basic");

	if (strcmp(s, "none") == 0)
		return (CLIENT_AUTH_NONE);
	return (strcmp(s, "client_secret_post") == 0 ? CLIENT_AUTH_POST :
						       CLIENT_AUTH_BASIC);
}

static enum res
read_plain(struct arena *arena, const struct place *at, const struct jval *v,
    struct provider *p)
{
	const struct jval *age = json_get(v, "max_age");
	const char *callback = json_get_str(v, "callback_id");

	p->name = json_get_str(v, "name");
	p->issuer = json_get_str(v, "issuer");
	p->client_id = json_get_str(v, "client_id");
	p->auth = auth_method(v);
	p->trust_email = flag(v, "trust_email");
	p->provision = flag(v, "provision");
	p->link_email =
	    strcmp(text_or(v, "link", "none"), "email_verified") == 0;
	p->max_age_s = age != NULL ? age->i : 0;
	if (!slug_ok(p->id))
		return (mistake(at, "id", "lower-case letters, digits and -"));
	if (!provider_url_ok(p->issuer) || strchr(p->issuer, '?') != NULL)
		return (mistake(at, "issuer",
		    "an https:// URL without query and fragment (in dev also "
		    "http:// to this machine)"));
	/* The schema has checked that it is one. */
	if (callback != NULL)
		(void)uuid_parse(callback, &p->callback_id);
	p->redirect_uri = arena_printf(arena, "%s" CALLBACK "%s%s",
	    setting_str(SETTING_ORIGIN), callback != NULL ? "/" : "",
	    callback != NULL ? callback : "");
	return (RES_OK);
}

static enum res
read_mfa(struct arena *arena, const struct place *at, const struct jval *v,
    struct provider *p)
{
	static const struct jval none = { .type = J_OBJ };
	const struct jval *mfa = json_get(v, "mfa");

	if (mfa == NULL)
		mfa = &none;
	if (read_texts(arena, at, mfa, "acr", &p->acr) != RES_OK)
		return (RES_ERR);
	return (read_texts(arena, at, mfa, "amr", &p->amr));
}

static enum res
check_shape(struct arena *arena, const struct place *at, const struct jval *v)
{
	struct err err = { .problem = PROBLEM_UNSET };

	if (schema_check(&schema_provider, v, false, PROBLEM_VALIDATION, arena,
		&err) == RES_OK)
		return (RES_OK);
	if (err.fields == NULL)
		return (mistake(at, "", "%s", err.detail));
	return (mistake(at,
	    err.fields->pointer[0] == '/' ? err.fields->pointer + 1 : "", "%s",
	    err.fields->detail));
}

enum res
provider_read(struct arena *arena, const char *file, const struct jval *v,
    struct provider *p, char *msg, size_t msglen)
{
	const char *id = v->type == J_OBJ ? json_get_str(v, "id") : NULL;
	const struct place at = { file, id != NULL ? id : "without id", msg,
		msglen };

	memset(p, 0, sizeof(*p));
	p->id = id;
	if (check_shape(arena, &at, v) != RES_OK ||
	    read_plain(arena, &at, v, p) != RES_OK ||
	    read_scopes(arena, &at, v, p) != RES_OK ||
	    read_algs(arena, &at, v, p) != RES_OK ||
	    read_secret(arena, &at, v, p) != RES_OK ||
	    read_roles(arena, &at, v, p) != RES_OK)
		return (RES_ERR);
	return (read_mfa(arena, &at, v, p));
}
