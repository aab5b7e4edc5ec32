/*
 * What the files of http/ share among themselves.
 */
#ifndef HTTP_PRIV_H
#define HTTP_PRIV_H

#include "http/http.h"

/* router_rows.c: the compiled endpoint table */
#define SEGMENTS_MAX	12
struct segment {
	const char	*text;		/* literal, or a parameter's name */
	size_t		 len;
	bool		 param;
};
struct route_row {
	const struct endpoint	*ep;
	unsigned		 nsegs;
	struct segment		 segs[SEGMENTS_MAX];
	char			*names;	/* what segs point into */
};
/* Fills rows[n]; RES_ERR with msg on the first mistake. */
enum res	 router_compile(struct route_row *, const struct endpoint *,
		    unsigned n, char *msg, size_t msglen);
void		 router_discard(struct route_row *, unsigned n);
/* Cuts "/a/b" at the slashes, in place; RES_ERR when it is not of that form
 * or has more than SEGMENTS_MAX parts. "/" has none. */
enum res	 path_split(const char *, struct segment *, unsigned *n);

/* schema.c: one query (an object of decoded values) against its schema;
 * mistakes already in err count too. Pointers are "?name". */
enum res	 schema_check_query(const struct schema *, const struct jval *,
		    struct arena *, struct err *);
bool		 field_limited(const struct field *);	/* min, max are set */

/* query.c: percent-encodes all but unreserved characters (RFC 3986). */
void		 query_encode(struct buf *, const char *, size_t);
bool		 hex_pair(const char *, unsigned char *);

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
/* {"$ref": ...} */
void		 openapi_ref(struct json_out *, const struct schema *,
		    bool patch);
/* The JSON Schema of one field (2020-12, as OpenAPI 3.1 has it). */
void		 openapi_field(struct json_out *, const struct field *,
		    bool patch);
void		 openapi_component(struct json_out *,
		    const struct component *);

#endif
