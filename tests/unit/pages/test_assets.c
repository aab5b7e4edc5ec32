/*
 * assets.c: the files of the pages: which are taken, by which paths, and what
 * stops the start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "crypto/crypto.h"
#include "pages/pages.h"

static char dir[] = "/tmp/assets-XXXXXX";
static char list[4096];

static void
put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_non_null(f = fopen(path, "w"));
	fputs(text, f);
	fclose(f);
}

/* Writes the file, and lists the digest of what is said to be in it. */
static void
add(const char *name, const char *text, const char *listed)
{
	char hex[2 * SHA256_BYTES + 1];
	uint8_t digest[SHA256_BYTES];
	size_t len = strlen(list);

	if (text != NULL)
		put(name, text);
	sha256(listed, strlen(listed), digest);
	digest_hex(digest, sizeof(digest), hex);
	(void)snprintf(list + len, sizeof(list) - len, "%s  %s\n", hex, name);
}

static void
refused(const char *why)
{
	char msg[512] = "";

	put("SHA256SUMS", list);
	assert_int_equal(assets_load(dir, msg, sizeof(msg)), RES_ERR);
	if (strstr(msg, why) == NULL)
		fail_msg("said \"%s\", wanted \"%s\"", msg, why);
	list[0] = '\0';
}

static void
loaded(void)
{
	char msg[512] = "";

	put("SHA256SUMS", list);
	if (assets_load(dir, msg, sizeof(msg)) != RES_OK)
		fail_msg("%s", msg);
	list[0] = '\0';
}

static void
mistakes_stop_the_start(void **state UNUSED)
{
	char msg[512];

	assert_int_equal(
	    assets_load("/nonexistent", msg, sizeof(msg)), RES_ERR);
	add("a.js", "1;", "2;");
	refused("a.js is not the file");
	add("gone.js", NULL, "");
	refused("gone.js");
	add("../a.js", NULL, "");
	refused("odd name");
	add(".a.js", NULL, "");
	refused("odd name");
	add("a.exe", NULL, "");
	refused("odd name");
	add("a.html", "<script src=\"/assets/b.js\"></script>",
	    "<script src=\"/assets/b.js\"></script>");
	refused("a.html mentions b.js");
	(void)snprintf(list, sizeof(list), "a.js\n");
	refused("a.js");
	for (int i = 0; i < 33; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "f%d.js", i);
		add(name, "", "");
	}
	refused("too many");
}

static void
paths_hold_digests(void **state UNUSED)
{
	const struct asset *js, *page;
	char expect[128];
	bool lasting;

	add("a.html", "<script src=\"/assets/a.js\"></script>x",
	    "<script src=\"/assets/a.js\"></script>x");
	add("a.js", "abc", "abc");
	loaded();
	assert_non_null(js = asset_by_name("a.js"));
	assert_non_null(page = asset_by_name("a.html"));
	/* SHA-256 of "abc" (FIPS 180-4). */
	assert_string_equal(js->path, "/assets/a.ba7816bf8f01cfea.js");
	assert_string_equal(js->tag, "\"ba7816bf8f01cfea414140de5dae2223\"");
	assert_ptr_equal(asset_by_path(js->path, &lasting), js);
	assert_true(lasting);
	assert_ptr_equal(asset_by_path("/assets/a.js", &lasting), js);
	assert_false(lasting);
	assert_null(asset_by_path("/assets/a.0000000000000000.js", &lasting));
	assert_null(asset_by_path("/assets/a.html", &lasting));
	assert_null(asset_by_name("b.js"));
	assert_string_equal(js->type, "text/javascript; charset=utf-8");
	assert_memory_equal(js->text, "abc", js->len);

	(void)snprintf(
	    expect, sizeof(expect), "<script src=\"%s\"></script>x", js->path);
	assert_null(page->path);
	assert_int_equal(page->len, strlen(expect));
	assert_memory_equal(page->text, expect, page->len);
	/* Three bytes do not get shorter. */
	assert_null(js->gzip);
}

static void
compressed_once(void **state UNUSED)
{
	char text[2001], out[2001];
	const struct asset *a;
	z_stream z = { 0 };

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	add("a.css", text, text);
	loaded();
	assert_non_null(a = asset_by_name("a.css"));
	assert_non_null(a->gzip);
	assert_true(a->gzip_len < 100);
	assert_string_not_equal(a->tag, a->gzip_tag);
	assert_int_equal(inflateInit2(&z, 31), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)a->gzip;
	z.avail_in = (unsigned)a->gzip_len;
	z.next_out = (unsigned char *)out;
	z.avail_out = sizeof(out);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, a->len);
	assert_memory_equal(out, text, a->len);
	(void)inflateEnd(&z);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_stop_the_start),
		cmocka_unit_test(paths_hold_digests),
		cmocka_unit_test(compressed_once),
	};
	char command[64];
	int failed;

	if (mkdtemp(dir) == NULL)
		return (1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);

	return (system(command) != 0 || failed != 0);
}
