/*
 * The questions that are put to a browser, in the very form that
 * PublicKeyCredential.parseCreationOptionsFromJSON() and
 * parseRequestOptionsFromJSON() read (WebAuthn Level 3, 5.1.9 and 5.1.10),
 * and whose questions they are: the relying party's id and origin.
 */
#include <stdio.h>
#include <string.h>

#include <fido.h>

#include "factor/factor_priv.h"

#define TIMEOUT_MS 300000 /* as long as the challenge lives */

static char rp_id[WEBAUTHN_RP_ID_SIZE];

static const int algorithms[] = { COSE_ES256, COSE_EDDSA, COSE_RS256 };

/* ---- the relying party -----------------------------------------------------
 */

enum res
passkey_init(char *msg, size_t msglen)
{
	const char *wanted = setting_str(SETTING_WEBAUTHN_RP_ID);

	if (webauthn_rp_id(setting_str(SETTING_ORIGIN), wanted, rp_id) !=
	    RES_OK) {
		(void)snprintf(msg, msglen,
		    "webauthn_rp_id: \"%s\" is neither the host of origin nor "
		    "a domain above it",
		    wanted);
		return (RES_ERR);
	}
	fido_init(0);
	return (RES_OK);
}

struct webauthn_rp
passkey_rp(void)
{
	return ((struct webauthn_rp){ rp_id, setting_str(SETTING_ORIGIN) });
}

/* ---- writing ---------------------------------------------------------------
 */

void
passkey_write_transports(struct json_out *o, const char *list)
{
	size_t n;

	json_key(o, "transports");
	json_arr(o);
	for (; *list != '\0'; list += n + (list[n] == ' ')) {
		n = strcspn(list, " ");
		json_strn(o, list, n);
	}
	json_arr_end(o);
}

static void
write_descriptors(struct ctx *cx, struct json_out *o, const char *name,
    const struct passkey_list *list)
{
	json_key(o, name);
	json_arr(o);
	for (int i = 0; i < list->n; i++) {
		const struct passkey *p = &list->items[i];

		json_obj(o);
		json_kstr(o, "type", "public-key");
		json_kstr(o, "id",
		    base64url(
			cx->env.arena, p->credential.p, p->credential.len));
		passkey_write_transports(o, p->transports);
		json_obj_end(o);
	}
	json_arr_end(o);
}

static void
write_user(struct ctx *cx, struct json_out *o)
{
	const struct principal *who = cx->who;

	json_key(o, "user");
	json_obj(o);
	json_kstr(o, "id",
	    base64url(cx->env.arena, who->user_id.b, sizeof(who->user_id.b)));
	json_kstr(o, "name", who->email);
	json_kstr(o, "displayName", who->name);
	json_obj_end(o);
}

static void
write_algorithms(struct json_out *o)
{
	json_key(o, "pubKeyCredParams");
	json_arr(o);
	for (size_t i = 0; i < NELEM(algorithms); i++) {
		json_obj(o);
		json_kstr(o, "type", "public-key");
		json_kint(o, "alg", algorithms[i]);
		json_obj_end(o);
	}
	json_arr_end(o);
}

/* Kept in the authenticator where it has room, so that nobody need say who
 * she is; where it has none, the passkey is a second factor. */
static void
write_selection(struct json_out *o)
{
	json_key(o, "authenticatorSelection");
	json_obj(o);
	json_kstr(o, "residentKey", "preferred");
	json_kbool(o, "requireResidentKey", false);
	json_kstr(o, "userVerification", "required");
	json_obj_end(o);
}

void
passkey_reply_creation(
    struct ctx *cx, const char *challenge, const struct passkey_list *list)
{
	struct json_out *o = json_out_new(cx->env.arena);

	json_obj(o);
	json_key(o, "rp");
	json_obj(o);
	json_kstr(o, "id", rp_id);
	json_kstr(o, "name", setting_str(SETTING_SERVICE_NAME));
	json_obj_end(o);
	write_user(cx, o);
	json_kstr(o, "challenge", challenge);
	write_algorithms(o);
	json_kint(o, "timeout", TIMEOUT_MS);
	write_descriptors(cx, o, "excludeCredentials", list);
	write_selection(o);
	json_kstr(o, "attestation", "none");
	json_obj_end(o);
	reply_json(cx, 200, o);
}

void
passkey_reply_request(
    struct ctx *cx, const char *challenge, const struct passkey_list *list)
{
	struct json_out *o = json_out_new(cx->env.arena);

	json_obj(o);
	json_kstr(o, "challenge", challenge);
	json_kint(o, "timeout", TIMEOUT_MS);
	json_kstr(o, "rpId", rp_id);
	write_descriptors(cx, o, "allowCredentials", list);
	json_kstr(o, "userVerification", "required");
	json_obj_end(o);
	reply_json(cx, 200, o);
}
