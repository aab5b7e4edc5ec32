/*
 * base/ is floor 0: what every other floor may use. Results and errors,
 * request arenas, growing buffers, UUIDs, times, UTF-8 and JSON. It knows
 * neither Kore nor PostgreSQL nor Redis, and never suspends.
 */
#ifndef BASE_H
#define BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NELEM(a)	(sizeof(a) / sizeof((a)[0]))
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define UNUSED		__attribute__((unused))

/* Every fallible function returns one of these; outputs come last. */
enum res {
	RES_UNSET = 0,
	RES_OK,
	RES_ERR
};

struct arena;

/* error.c: one struct err a request, filled where the failure is seen. */
enum problem {
	PROBLEM_UNSET = 0,
#define PROBLEM(id, status, slug, title)	PROBLEM_##id,
#include "base/tbl/problems.def"
#undef PROBLEM
	PROBLEM_MAX
};

/* A row of problems.def: RFC 9457 type (as slug), title and status. */
struct problem_row {
	int		 status;	/* HTTP status code */
	const char	*slug;		/* stable: clients match on it */
	const char	*title;
};

/* One mistake in a body or query, by RFC 6901 pointer. */
struct err_field {
	struct err_field	*next;
	const char		*pointer;	/* "/birth_date", "?limit" */
	const char		*code;		/* "required", "type", ... */
	const char		*detail;	/* for a human */
};

#define ERR_FIELDS_MAX	100
struct err {
	enum problem		 problem;	/* PROBLEM_UNSET: no error */
	unsigned		 retry_after;	/* s; 0: header not sent */
	unsigned		 nfields;	/* seen; kept: ERR_FIELDS_MAX */
	struct err_field	*fields, **fields_tail;
	char			 detail[256];	/* sent to the client */
	char			 private[256];	/* for the log only; no PHI */
};

const struct problem_row	*problem_row(enum problem);
void		 err_clear(struct err *);
/* Sets problem and client detail; always returns RES_ERR. First one wins. */
enum res	 err_fail(struct err *, enum problem, const char *, ...)
		    PRINTF(3, 4);
/* Adds what only the log may see. */
void		 err_private(struct err *, const char *, ...) PRINTF(2, 3);
/* Adds one field mistake (strings are copied into the arena). Does not set
 * the problem: the validator does so once, after the last field. */
void		 err_field(struct err *, struct arena *, const char *pointer,
		    const char *code, const char *, ...) PRINTF(5, 6);

/* arena.c: a request's memory. Zeroed, 16-byte aligned, wiped and freed as
 * one; allocation never returns NULL (out of memory aborts). */
struct arena	*arena_new(void);
void		 arena_destroy(struct arena **);
void		*arena_alloc(struct arena *, size_t);
void		*arena_memdup(struct arena *, const void *, size_t);
char		*arena_strdup(struct arena *, const char *);
char		*arena_strndup(struct arena *, const char *, size_t);
char		*arena_printf(struct arena *, const char *, ...) PRINTF(2, 3);
char		*arena_vprintf(struct arena *, const char *, va_list);
/* Runs fn(arg) when the arena is destroyed, last registered first. */
void		 arena_defer(struct arena *, void (*fn)(void *), void *arg);

/* buffer.c: grows in an arena; always NUL-terminated past len. */
struct buf {
	struct arena	*arena;
	char		*data;
	size_t		 len, cap;
};
void		 buf_init(struct buf *, struct arena *, size_t cap);
void		 buf_append(struct buf *, const void *, size_t);
void		 buf_puts(struct buf *, const char *);
void		 buf_putc(struct buf *, char);
void		 buf_printf(struct buf *, const char *, ...) PRINTF(2, 3);

/* string.c */
bool		 utf8_valid(const void *, size_t);	/* RFC 3629 */
/* Length of the longest valid prefix. */
size_t		 utf8_valid_prefix(const void *, size_t);
/* True for a finite decimal number that uses all of s; writes it to out. */
bool		 str_to_double(const char *s, double *out);
/* The shortest of 15 to 17 digits that reads back the same, "0" for -0; d is
 * finite. */
#define DOUBLE_STRLEN	24
void		 str_from_double(double d, char out[DOUBLE_STRLEN + 1]);
/* Decimal digits with an optional '-', in [min, max]. */
bool		 str_to_int64(const char *s, int64_t min, int64_t max,
		    int64_t *out);
/* Big-endian packing, as PostgreSQL's binary format and our AAD want it. */
void		 put_be16(uint8_t *, uint16_t);
void		 put_be32(uint8_t *, uint32_t);
void		 put_be64(uint8_t *, uint64_t);
uint16_t	 get_be16(const uint8_t *);
uint32_t	 get_be32(const uint8_t *);
uint64_t	 get_be64(const uint8_t *);

/* uuid.c: RFC 9562. v7: 48-bit Unix ms, 12 bits of sub-ms time, 62 random. */
#define UUID_STRLEN	36
struct uuid {
	uint8_t	b[16];
};
void		 uuid_v7(struct uuid *);
/* 36 characters, any case in; lower case out. */
enum res	 uuid_parse(const char *, struct uuid *);
void		 uuid_format(const struct uuid *, char out[UUID_STRLEN + 1]);
bool		 uuid_equal(const struct uuid *, const struct uuid *);
bool		 uuid_is_nil(const struct uuid *);

/* clock.c: wall clock in microseconds since 1970 UTC, monotonic in ms. */
#define TIME_STRLEN	27	/* 2026-01-31T23:59:59.123456Z */
int64_t		 time_now_us(void);
int64_t		 time_mono_ms(void);
int64_t		 time_mono_us(void);
void		 time_format(int64_t us, char out[TIME_STRLEN + 1]);
/* RFC 3339 with any offset, years 1900 to 9999; RES_ERR on a date that does
 * not exist and on leap seconds. */
enum res	 time_parse(const char *, int64_t *us);
/* "YYYY-MM-DD" (full-date of RFC 3339) to days since 1970-01-01. */
enum res	 date_parse(const char *, int32_t *days);
/* Whole years from a birth date to an instant (UTC calendar). */
int		 date_age_years(int32_t birth_days, int64_t at_us);

/* json_parse.c, json_write.c: yajl in, a tree in the arena; yajl_gen out. */
enum jtype {
	J_UNSET = 0,
	J_NULL,
	J_BOOL,
	J_INT,		/* no fraction, no exponent, fits int64 */
	J_NUM,		/* any other finite number */
	J_STR,
	J_ARR,
	J_OBJ
};
struct jval {
	enum jtype	 type;
	bool		 b;
	int64_t		 i;
	double		 d;		/* also set for J_INT */
	const char	*s;		/* J_STR: NUL-terminated UTF-8 */
	size_t		 slen;		/* may hold U+0000: check strlen */
	const char	*key;		/* this member's name, in an object */
	struct jval	*child, *last;	/* first and last element */
	struct jval	*next;
	unsigned	 n;		/* elements or members */
};
#define JSON_DEPTH_MAX	10
#define JSON_FOREACH(v, parent)						\
	for ((v) = (parent)->child; (v) != NULL; (v) = (v)->next)

/*
 * Parses one JSON text (RFC 8259). Refuses with PROBLEM_MALFORMED_JSON:
 * trailing bytes, invalid UTF-8, NaN/Infinity or numbers that overflow a
 * double, duplicate member names, more than depth levels, more than 100,000
 * nodes. detail names the byte offset.
 */
enum res	 json_parse(struct arena *, const void *, size_t,
		    unsigned depth, struct jval **, struct err *);
const struct jval *json_get(const struct jval *obj, const char *key);
const char	*json_get_str(const struct jval *obj, const char *key);

struct json_out;
struct json_out	*json_out_new(struct arena *);
void		 json_obj(struct json_out *);
void		 json_obj_end(struct json_out *);
void		 json_arr(struct json_out *);
void		 json_arr_end(struct json_out *);
void		 json_key(struct json_out *, const char *);
void		 json_str(struct json_out *, const char *);	/* NULL: null */
void		 json_strn(struct json_out *, const char *, size_t);
void		 json_int(struct json_out *, int64_t);
void		 json_num(struct json_out *, double);	/* shortest form */
void		 json_bool(struct json_out *, bool);
void		 json_null(struct json_out *);
void		 json_uuid(struct json_out *, const struct uuid *);
void		 json_time(struct json_out *, int64_t us);
void		 json_value(struct json_out *, const struct jval *);
/* key and value in one call */
void		 json_kstr(struct json_out *, const char *, const char *);
void		 json_kint(struct json_out *, const char *, int64_t);
void		 json_knum(struct json_out *, const char *, double);
void		 json_kbool(struct json_out *, const char *, bool);
void		 json_kuuid(struct json_out *, const char *,
		    const struct uuid *);
void		 json_ktime(struct json_out *, const char *, int64_t us);
/* The finished text lives in the arena. */
void		 json_finish(struct json_out *, const char **, size_t *);

/*
 * netaddr.c: an Internet address as 16 bytes, an IPv4 one as the IPv6 address
 * ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that there is one form of each. The
 * bits of a block count from the left of the 16 bytes: 96 more than in
 * "10.0.0.0/8".
 */
#define NETADDR_STRLEN	45
#define NETBLOCK_STRLEN	49
struct netaddr {
	uint8_t	b[16];
};
struct netblock {
	struct netaddr	addr;	/* bits past the prefix are 0 */
	uint8_t		bits;	/* 0 to 128 */
};
/* Without port, brackets or zone. */
enum res	 netaddr_parse(const char *, struct netaddr *);
/* IPv4 as a.b.c.d; IPv6 in the form of RFC 5952. */
void		 netaddr_format(const struct netaddr *,
		    char out[NETADDR_STRLEN + 1]);
bool		 netaddr_is_v4(const struct netaddr *);
bool		 netaddr_is_loopback(const struct netaddr *);
/* "10.0.0.0/8", "2001:db8::/32", or an address alone; RES_ERR also when a bit
 * past the prefix is set. */
enum res	 netblock_parse(const char *, struct netblock *);
void		 netblock_format(const struct netblock *,
		    char out[NETBLOCK_STRLEN + 1]);
bool		 netblock_is_v4(const struct netblock *);
/* A block holds addresses of its own family only: "::/0" no IPv4 one. */
bool		 netblock_has(const struct netblock *, const struct netaddr *);
/* The block around an address: v4bits of an IPv4 one, else v6bits. */
void		 netblock_around(const struct netaddr *, unsigned v4bits,
		    unsigned v6bits, struct netblock *);

/* email.c: an address as a log-in name, in lower case; RES_ERR unless it is one
 * that people use (ASCII, no quotes, no comments). */
#define EMAIL_MAX	254
enum res	 email_parse(const char *, char out[EMAIL_MAX + 1]);

/*
 * settings.c: one typed table (tbl/settings.def), read once at start-up.
 * A value comes from the environment (ELEUSIS_<NAME>), else from the file
 * conf/<env>.conf, else from the table's default. Every main and every
 * floor reads settings, so they live here and not in app/.
 */
enum setting_id {
	SETTING_UNSET = 0,
#define SETTING(id, type, def, min, max, flags, text)	SETTING_##id,
#include "base/tbl/settings.def"
#undef SETTING
	SETTING_MAX
};
/* file may be NULL. All mistakes are reported at once in msg. */
enum res	 settings_load(const char *file, char *msg, size_t msglen);
const char	*setting_str(enum setting_id);
int64_t		 setting_int(enum setting_id);
bool		 setting_bool(enum setting_id);
/* CORS_ORIGINS is split at the spaces: so many, each with its NUL so long. */
#define CORS_ORIGINS_MAX	32
#define CORS_ORIGIN_SIZE	256
/* Prints a commented table with the values in force; secrets are masked. */
void		 settings_print(void (*line)(const char *));

#endif
