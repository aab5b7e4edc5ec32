/*
 * A mail as the outbox keeps it: one JSON object, sealed and bound to its row.
 * It is composed when it is queued, so that nothing has to be looked up when it
 * is sent.
 */
#include <string.h>

#include "crypto/crypto.h"
#include "mail/mail_priv.h"

static struct seal_place
place_of(const struct mail *mail)
{
	return ((struct seal_place){ "outbox", "sealed", mail->id, 1 });
}

static void
seal_mail(struct arena *arena, const struct mail *mail, struct mail_row *row)
{
	struct seal_place place = place_of(mail);
	struct json_out *o = json_out_new(arena);
	const char *text;
	size_t n;

	json_obj(o);
	json_kstr(o, "kind", mail_kind_name(mail->kind));
	json_kstr(o, "to", mail->to);
	json_kstr(o, "subject", mail->subject);
	json_kstr(o, "text", mail->text);
	json_obj_end(o);
	json_finish(o, &text, &n);
	account_seal(arena, &place, text, n, &row->sealed, &row->len);
}

enum res
mail_compose(struct arena *arena, enum mail_kind kind, const char *to,
    const char *const *values, struct mail_row *row, const char **why)
{
	struct mail mail = { .kind = kind, .to = to };
	const char *missing;

	*why = "no address to send to";
	if (!mail_address_valid(to))
		return (RES_ERR);
	if (mail_fill(arena, setting_str(SETTING_SERVICE_NAME), values, &mail,
		&missing) != RES_OK) {
		*why = arena_printf(arena, "no value for %s", missing);
		return (RES_ERR);
	}
	uuid_v7(&mail.id);
	row->id = mail.id;
	row->kind = mail_kind_name(kind);
	seal_mail(arena, &mail, row);
	return (RES_OK);
}

enum res
mail_open(struct arena *arena, const void *sealed, size_t len, struct mail *m)
{
	struct seal_place place = place_of(m);
	const char *text, *kind;
	struct jval *v;
	struct err err;
	size_t n;

	err_clear(&err);
	if (account_open(arena, &place, sealed, len, &text, &n) != RES_OK ||
	    json_parse(arena, text, n, 1, &v, &err) != RES_OK)
		return (RES_ERR);
	kind = json_get_str(v, "kind");
	m->to = json_get_str(v, "to");
	m->subject = json_get_str(v, "subject");
	m->text = json_get_str(v, "text");
	if (kind == NULL || m->to == NULL || m->subject == NULL ||
	    m->text == NULL)
		return (RES_ERR);
	m->kind = mail_kind_parse(kind);
	return (RES_OK);
}
