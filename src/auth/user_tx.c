/*
 * A change of an account and its mail are one transaction, so that neither is
 * there without the other: four round trips instead of one, which accounts
 * change too seldom to be felt. A request with an Idempotency-Key has a
 * transaction already, and that one is joined.
 */
#include "auth/auth_priv.h"

co_fn enum res
user_tx_begin(struct ctx *cx, struct db_tx **own)
{
	*own = NULL;
	if (cx->env.tx != NULL)
		return (RES_OK);
	if (db_begin(&cx->env, own) != RES_OK)
		return (RES_ERR);
	cx->env.tx = *own;
	return (RES_OK);
}

co_fn enum res
user_tx_end(struct ctx *cx, struct db_tx *own, enum res res)
{
	if (own == NULL)
		return (res);
	if (res == RES_OK)
		res = db_commit(&cx->env, own);
	cx->env.tx = NULL;
	db_rollback(&cx->env, own);
	return (res);
}
