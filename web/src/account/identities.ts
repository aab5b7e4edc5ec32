// Accounts at providers (OpenID Connect) that log one in here.
import { call } from "../lib/api";
import { button, h, when, type Child } from "../lib/dom";
import { confirmed } from "../lib/dialog";
import { listProviders, type Provider } from "../lib/providers";
import { Panel } from "./panel";

interface Identity {
  id: string;
  provider: string;
  name: string | null;
  linked_at: string;
  last_login_at: string | null;
}

/** Not there where there is neither a provider nor a link. */
export function identityPanel(): Panel {
  const panel = new Panel(
    "Linked log-ins",
    "Accounts elsewhere that log you in here.",
    async (self) => {
      const [providers, { items }] = await Promise.all([
        listProviders(),
        call<{ items: Identity[] }>("GET", "/v1/me/identities"),
      ]);
      const free = providers.filter((p) => !items.some((i) => i.provider === p.id));
      self.element.hidden = items.length === 0 && free.length === 0;
      return [
        items.length > 0 &&
          h(
            "ul",
            { class: "list" },
            items.map((identity) => linked(self, identity)),
          ),
        free.length > 0 &&
          h(
            "div",
            { class: "row" },
            free.map((provider) => linkButton(self, provider)),
          ),
      ];
    },
  );
  panel.element.hidden = true;
  return panel;
}

function linked(panel: Panel, identity: Identity): Child {
  const name = identity.name ?? identity.provider;
  const unlink = async (): Promise<void> => {
    await confirmed(`Unlink ${name}?`, "You can no longer log in with it.", "Unlink");
    await call("DELETE", `/v1/me/identities/${identity.id}`);
  };
  return h(
    "li",
    {},
    h(
      "div",
      { class: "what" },
      h("h3", {}, name),
      h(
        "p",
        { class: "soft small" },
        "Linked ",
        when(identity.linked_at),
        identity.last_login_at ? [", last used ", when(identity.last_login_at)] : ", not used yet",
      ),
    ),
    button("Unlink", () => panel.change(unlink, "The log-in is unlinked."), { class: "danger" }),
  );
}

/** The provider asks who one is there, and sends the browser back. */
function linkButton(panel: Panel, provider: Provider): HTMLElement {
  return button(`Link ${provider.name}`, () =>
    panel.attempt(async () => {
      const body = { provider: provider.id, return_to: "/account" };
      const begun = await call<{ url: string | null }>("POST", "/v1/me/identities", body);
      if (begun.url) window.location.assign(begun.url);
    }),
  );
}
