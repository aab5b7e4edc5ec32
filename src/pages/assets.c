/*
 * The files of the pages, in memory. Their digests are checked: a deployment
 * of which half was copied does not start.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "crypto/crypto.h"
#include "pages/pages.h"

#define ASSETS_MAX     32
#define ASSET_NAME_MAX 64
#define FILE_MAX       ((size_t)1 << 20)
#define LIST           "SHA256SUMS"
#define PREFIX         "/assets/"
#define HASH_LEN       16 /* hex digits in a path */
#define GZIP_WINDOW    31 /* zlib: the largest, in gzip's format */

static struct asset assets[ASSETS_MAX];
static unsigned nassets;

static const struct {
	const char *ending, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".svg", "image/svg+xml" },
};

static const char *
type_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot != NULL && i < NELEM(types); i++)
		if (strcmp(dot, types[i].ending) == 0)
			return (types[i].type);

	return (NULL);
}

static bool
is_page(const struct asset *a)
{
	return (a->type == types[0].type);
}

/* ---- reading ------------------------------------------------------------ */

static enum res
read_file(const char *dir, const char *name, struct buf *out, char *msg,
    size_t msglen)
{
	char path[1024], part[8192];
	size_t n;
	FILE *f;
	int wrong;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((f = fopen(path, "re")) == NULL) {
		(void)snprintf(msg, msglen, "%s: %s", path, strerror(errno));
		return (RES_ERR);
	}
	while ((n = fread(part, 1, sizeof(part), f)) > 0 && out->len < FILE_MAX)
		buf_append(out, part, n);
	wrong = ferror(f) || !feof(f);
	fclose(f);
	if (!wrong)
		return (RES_OK);
	(void)snprintf(
	    msg, msglen, "%s: not a file of at most %zu bytes", path, FILE_MAX);

	return (RES_ERR);
}

/* ---- paths with digests ------------------------------------------------- */

/* "login.js" -> "/assets/login.<hash>.js" */
static const char *
hashed_path(struct arena *arena, const char *name, const char *hex)
{
	const char *dot = strrchr(name, '.');

	return (arena_printf(arena, PREFIX "%.*s.%.*s%s", (int)(dot - name),
	    name, HASH_LEN, hex, dot));
}

const struct asset *
asset_by_name(const char *name)
{
	for (unsigned i = 0; i < nassets; i++)
		if (strcmp(assets[i].name, name) == 0)
			return (&assets[i]);

	return (NULL);
}

const struct asset *
asset_by_path(const char *path, bool *lasting)
{
	const char *name = strrchr(path, '/') + 1;

	for (unsigned i = 0; i < nassets; i++) {
		if (assets[i].path == NULL)
			continue;
		*lasting = strcmp(assets[i].path, path) == 0;
		if (*lasting || strcmp(assets[i].name, name) == 0)
			return (&assets[i]);
	}

	return (NULL);
}

/* A page with each "/assets/<name>" in it replaced by that file's path. */
static enum res
link_page(struct asset *page, struct arena *arena, char *msg, size_t msglen)
{
	const char *at = page->text, *next;
	const struct asset *target;
	char name[ASSET_NAME_MAX + 1];
	struct buf b;
	size_t len;

	buf_init(&b, arena, page->len + 256);
	while ((next = strstr(at, PREFIX)) != NULL) {
		buf_append(&b, at, (size_t)(next - at));
		at = next + strlen(PREFIX);
		len = strcspn(at, "\"");
		(void)snprintf(name, sizeof(name), "%.*s", (int)len, at);
		target = asset_by_name(name);
		if (target == NULL || target->path == NULL) {
			(void)snprintf(msg, msglen,
			    "%s mentions %s: no such "
			    "file in " LIST,
			    page->name, name);
			return (RES_ERR);
		}
		buf_puts(&b, target->path);
		at += len;
	}
	buf_puts(&b, at);
	page->text = b.data;
	page->len = b.len;

	return (RES_OK);
}

/* ---- compression -------------------------------------------------------- */

static enum res
compress_asset(struct asset *a, struct arena *arena)
{
	z_stream z = { 0 };
	unsigned char *out;
	size_t size;
	int rc;

	if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 9,
		Z_DEFAULT_STRATEGY) != Z_OK)
		return (RES_ERR);
	size = deflateBound(&z, a->len);
	out = arena_alloc(arena, size);
	z.next_in = (unsigned char *)(uintptr_t)a->text;
	z.avail_in = (unsigned)a->len;
	z.next_out = out;
	z.avail_out = (unsigned)size;
	rc = deflate(&z, Z_FINISH);
	a->gzip_len = z.total_out;
	(void)deflateEnd(&z);
	if (rc != Z_STREAM_END)
		return (RES_ERR);
	if (a->gzip_len < a->len)
		a->gzip = (const char *)out;

	return (RES_OK);
}

/* ---- the list ----------------------------------------------------------- */

static bool
name_ok(const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";

	return (name[strspn(name, plain)] == '\0' && name[0] != '.' &&
		strlen(name) <= ASSET_NAME_MAX && type_of(name) != NULL);
}

/* What the list says is in hex; what is there must agree. */
static enum res
add_asset(struct arena *arena, const char *dir, const char *hex,
    const char *name, char *msg, size_t msglen)
{
	char got[2 * SHA256_BYTES + 1];
	uint8_t digest[SHA256_BYTES];
	struct asset *a;
	struct buf b;

	if (nassets == ASSETS_MAX || !name_ok(name)) {
		(void)snprintf(msg, msglen, "%s/" LIST ": %.80s: %s", dir, name,
		    nassets == ASSETS_MAX ? "too many" : "odd name");
		return (RES_ERR);
	}
	buf_init(&b, arena, 16384);
	if (read_file(dir, name, &b, msg, msglen) != RES_OK)
		return (RES_ERR);
	sha256(b.data, b.len, digest);
	digest_hex(digest, sizeof(digest), got);
	if (strcmp(got, hex) != 0) {
		(void)snprintf(msg, msglen,
		    "%s/%s is not the file that " LIST " lists", dir, name);
		return (RES_ERR);
	}

	a = &assets[nassets++];
	a->name = arena_strdup(arena, name);
	a->type = type_of(name);
	a->text = b.data;
	a->len = b.len;
	a->tag = arena_printf(arena, "\"%.*s\"", 2 * HASH_LEN, got);
	a->gzip_tag = arena_printf(arena, "\"%.*s-gzip\"", 2 * HASH_LEN, got);
	if (!is_page(a))
		a->path = hashed_path(arena, a->name, got);

	return (RES_OK);
}

static enum res
add_listed(
    struct arena *arena, const char *dir, char *list, char *msg, size_t msglen)
{
	char *line, *rest = NULL, *name;

	for (line = strtok_r(list, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		name = strstr(line, "  ");
		if (name == NULL) {
			(void)snprintf(
			    msg, msglen, "%s/" LIST ": %.80s", dir, line);
			return (RES_ERR);
		}
		*name = '\0';
		if (add_asset(arena, dir, line, name + 2, msg, msglen) !=
		    RES_OK)
			return (RES_ERR);
	}

	return (RES_OK);
}

static enum res
finish(struct arena *arena, char *msg, size_t msglen)
{
	for (unsigned i = 0; i < nassets; i++) {
		if (is_page(&assets[i]) &&
		    link_page(&assets[i], arena, msg, msglen) != RES_OK)
			return (RES_ERR);
		if (compress_asset(&assets[i], arena) != RES_OK) {
			(void)snprintf(
			    msg, msglen, "%s: zlib failed", assets[i].name);
			return (RES_ERR);
		}
	}

	return (RES_OK);
}

enum res
assets_load(const char *dir, char *msg, size_t msglen)
{
	static struct arena *kept; /* for good: workers read it */
	struct buf list;

	if (kept != NULL)
		arena_destroy(&kept);
	kept = arena_new();
	memset(assets, 0, sizeof(assets));
	nassets = 0;
	buf_init(&list, kept, 4096);
	if (read_file(dir, LIST, &list, msg, msglen) != RES_OK ||
	    add_listed(kept, dir, list.data, msg, msglen) != RES_OK)
		return (RES_ERR);

	return (finish(kept, msg, msglen));
}
