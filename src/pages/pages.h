/*
 * pages/: what a browser loads. The pages themselves hold nothing of anybody:
 * their scripts ask the API like any other client. All files are read once,
 * in the parent; the sources are in web/.
 */
#ifndef PAGES_H
#define PAGES_H

#include "http/http.h"

/*
 * assets.c: reads the files that dir/SHA256SUMS lists, and no others. A file
 * other than .html goes by a path that holds its digest,
 * "/assets/login.0123456789abcdef.js", and is mentioned by it in the pages:
 * whoever has it has it for good. By its plain name it can be had as well, for
 * what is no page of these files. RES_ERR with msg: one is missing, is not
 * what the list says, or mentions what is not there. Before chroot.
 */
enum res assets_load(const char *dir, char *msg, size_t msglen);
struct asset {
	const char *name; /* "login.js" */
	const char *path; /* NULL: a page, which is at "/login" */
	const char *type;
	const char *text;
	size_t len;
	const char *gzip; /* NULL: it would not be shorter */
	size_t gzip_len;
	const char *tag, *gzip_tag; /* entity tags, in their quotes */
};
/* NULL: none; lasting: this path has no other content, ever. */
const struct asset *asset_by_path(const char *, bool *lasting);
const struct asset *asset_by_name(const char *);

/* pages_api.c: the above, and is there a page for each row of page_get()? */
enum res pages_load(const char *dir, char *msg, size_t msglen);
co_fn enum res page_get(struct ctx *);
co_fn enum res asset_get(struct ctx *);

#endif
