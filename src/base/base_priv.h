/*
 * What the files of base/ share among themselves.
 */
#ifndef BASE_PRIV_H
#define BASE_PRIV_H

#include <yajl/yajl_common.h>

#include "base/base.h"

/* json_memory.c: makes yajl allocate from the arena, so that its copies of
 * patient data are wiped with the request. */
void	 json_memory(yajl_alloc_funcs *, struct arena *);

/* uuid.c: the time field for an instant in 1/4096 ms: never given twice, and
 * always above the one before. */
uint64_t uuid_next_ticks(uint64_t now);

/*
 * origin.c: what is wrong with an origin, or with a list of them with spaces
 * between; NULL: nothing. plain_loopback: http:// is taken for this machine.
 */
#define ORIGIN_SIZE	256
const char	*origin_mistake(const char *, bool plain_loopback);
const char	*origins_mistake(const char *, bool plain_loopback);

#endif
