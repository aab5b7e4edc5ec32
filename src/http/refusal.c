/*
 * Replies to what never became a request with a context: the gate's refusals
 * and Kore's own errors. A problem document and the headers of every reply;
 * Kore sends them (patches/kore, 0004).
 */
#include <string.h>

#include "http/http_priv.h"

#define RETRY_BUSY_S  1
#define REFUSAL_KINDS (SECURITY_API | SECURITY_NO_STORE)

static struct arena *kept; /* what the last one is made of */

static void
write_document(struct json_out *out, const struct problem_row *row,
    const char *detail, const struct uuid *id)
{
	char text[UUID_STRLEN + 1];

	uuid_format(id, text);
	json_obj(out);
	json_kstr(out, "type", arena_printf(kept, "/problems/%s", row->slug));
	json_kstr(out, "title", row->title);
	json_kint(out, "status", row->status);
	if (detail != NULL)
		json_kstr(out, "detail", detail);
	json_kstr(out, "instance", arena_printf(kept, "urn:uuid:%s", text));
	json_obj_end(out);
}

void
refusal_make(enum problem problem, const char *detail, const struct uuid *id,
    struct refusal *out)
{
	const struct problem_row *row = problem_row(problem);
	struct json_out *json;
	struct buf lines;
	size_t len;

	if (kept != NULL)
		arena_destroy(&kept);
	kept = arena_new();
	json = json_out_new(kept);
	write_document(json, row, detail, id);
	json_finish(json, &out->body, &out->body_len);

	buf_init(&lines, kept, 2048);
	reply_first_lines(&lines, id);
	buf_puts(&lines, security_headers(REFUSAL_KINDS, &len));
	reply_line(&lines, "content-type", PROBLEM_TYPE);
	if (row->status == 503)
		buf_printf(&lines, "retry-after: %d\r\n", RETRY_BUSY_S);
	out->lines = lines.data;
}

enum problem
problem_of_status(int status)
{
	/* Kore says 503 when it has too many requests at once. */
	if (status == 503)
		return (PROBLEM_BUSY);
	for (enum problem p = PROBLEM_UNSET + 1; p < PROBLEM_MAX; p++)
		if (problem_row(p)->status == status)
			return (p);

	return (PROBLEM_INTERNAL);
}
