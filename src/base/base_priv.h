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

#endif
