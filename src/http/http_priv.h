/*
 * What the files of http/ share among themselves.
 */
#ifndef HTTP_PRIV_H
#define HTTP_PRIV_H

#include "http/http.h"

#define PROBLEM_TYPE	"application/problem+json"

/* context_read.c: "" when there is no well-formed traceparent. */
#define TRACE_ID_LEN	32
void		 trace_id_parse(const char *, char out[TRACE_ID_LEN + 1]);

/* client_address.c: fills in peer and client of a new context. */
void		 client_find(struct ctx *);

/* forwarded.c: pure. The hops that one line of a header names, the nearest
 * one last: hop[i % HOPS_MAX] for i below n; of many the nearest are kept. */
enum hop_kind {
	HOP_UNSET = 0,
	HOP_ADDRESS,
	HOP_NAMELESS,	/* unknown, an obscured identifier, or none */
	HOP_MALFORMED
};
#define HOPS_MAX	32
struct hop {
	enum hop_kind	kind;
	struct netaddr	who;
};
struct hops {
	unsigned	n;
	struct hop	hop[HOPS_MAX];
};
void		 forwarded_parse(const char *, struct hops *);
void		 x_forwarded_for_parse(const char *, struct hops *);

/* router_rows.c: the compiled endpoint table */
#define SEGMENTS_MAX	12
struct segment {
	const char	*text;		/* literal, or a parameter's name */
	size_t		 len;
	bool		 param;
	bool		 file;		/* a parameter that is a file's name */
};
struct route_row {
	const struct endpoint	*ep;
	unsigned		 label;		/* router_label() */
	unsigned		 nsegs;
	struct segment		 segs[SEGMENTS_MAX];
	char			*names;	/* what segs point into */
};
/* {file} is the name of a file and no more; {..._id} a UUID. */
bool		 param_is_file(const char *name, size_t len);
/* Fills rows[n]; RES_ERR with msg on the first mistake. */
enum res	 router_compile(struct route_row *, const struct endpoint *,
		    unsigned n, char *msg, size_t msglen);
void		 router_discard(struct route_row *, unsigned n);
/* Cuts "/a/b" at the slashes, in place; RES_ERR when it is not of that form
 * or has more than SEGMENTS_MAX parts. "/" has none. */
enum res	 path_split(const char *, struct segment *, unsigned *n);

/* reply_lines.c: one line; Date and X-Request-Id. */
void		 reply_line(struct buf *, const char *name, const char *value);
void		 reply_first_lines(struct buf *, const struct uuid *);

/* accept.c: NOT_ACCEPTABLE when the row answers in JSON and the client takes
 * none. */
bool		 accept_has_json(const char *);
bool		 accept_has_gzip(const char *);
enum res	 accept_check(struct ctx *);

/* cors.c: what a listed origin's preflight of a path with these methods is
 * told; and what every reply says of origins, once it is final. */
void		 cors_preflight(struct ctx *, const char *methods);
void		 cors_reply(struct ctx *);

/* schema.c: one query (an object of decoded values) against its schema;
 * mistakes already in err count too. Pointers are "?name". */
enum res	 schema_check_query(const struct schema *, const struct jval *,
		    struct arena *, struct err *);
bool		 field_limited(const struct field *);	/* min, max are set */

/* query.c */
bool		 hex_pair(const char *, unsigned char *);
/* A form's members that the row's schema knows, as an object of texts. */
enum res	 form_read(struct ctx *, const char *data, size_t len,
		    struct jval **);

/* openapi_schema.c: components.schemas, each schema once by name. */
struct component {
	const struct schema	*schema;
	bool			 patch;	/* merge patch: nothing required */
};
struct components {
	struct component	*list;
	unsigned		 n, cap;
};
void		 components_add(struct components *, const struct schema *,
		    bool patch);
void		 components_done(struct components *);
/* {"$ref": "#/components/schemas/..."} */
void		 openapi_ref(struct json_out *, const struct schema *,
		    bool patch);
/* The members of a field's JSON Schema (2020-12, as in OpenAPI 3.1), into
 * an object that the caller has opened. */
void		 openapi_type(struct json_out *, const struct field *,
		    bool patch);
void		 openapi_component(struct json_out *,
		    const struct component *);


/* openapi.c: "key": a reference to #/components/<where>/<name>; "headers"
 * by their names; one media type with the schema of its content. */
void		 openapi_named(struct json_out *, const char *key,
		    const char *where, const char *name);
void		 openapi_headers(struct json_out *, const char *const *names,
		    unsigned n);
void		 openapi_media(struct json_out *, const char *type,
		    const struct schema *, bool patch);
/* openapi_paths.c: "paths" */
void		 openapi_paths(struct json_out *);

#endif
