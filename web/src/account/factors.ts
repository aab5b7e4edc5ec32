// The authenticator app, its recovery codes, and passkeys.
import { call } from "../lib/api";
import { button, fill, h, when, type Child } from "../lib/dom";
import { confirmed } from "../lib/dialog";
import { Field, Form } from "../lib/form";
import * as passkeys from "../lib/passkeys";
import { supported } from "../lib/webauthn";
import { Panel } from "./panel";
import { recoveryCodes, renewCodes, setUpApp } from "./totp";

interface Factors {
  totp: { confirmed_at: string } | null;
  recovery_codes_left: number;
}

export function appPanel(): Panel {
  const show = async (panel: Panel): Promise<Child> => {
    const factors = await call<Factors>("GET", "/v1/me/factors");
    return factors.totp ? present(panel, factors, factors.totp.confirmed_at) : absent(panel);
  };
  const codesKept = (panel: Panel, codes: string[]): void =>
    panel.show(recoveryCodes(codes, () => panel.refresh()));

  const absent = (panel: Panel): Child => {
    const place = h("div", { class: "stack" });
    const back = button("Cancel", () => panel.refresh());
    const begin = (): Promise<boolean> =>
      panel.attempt(() => setUpApp(place, (codes) => codesKept(panel, codes), back));
    fill(place, h("div", { class: "row" }, button("Set up an app", begin, { class: "main" })));
    return place;
  };

  const present = (panel: Panel, factors: Factors, since: string): Child => {
    const renew = async (): Promise<void> => {
      await confirmed(
        "Make new recovery codes?",
        "The codes you have now stop working.",
        "Make new codes",
      );
      codesKept(panel, await renewCodes());
    };
    const remove = async (): Promise<void> => {
      await confirmed(
        "Remove the authenticator app?",
        "Its codes, and your recovery codes, stop working.",
        "Remove",
      );
      await call("DELETE", "/v1/me/totp");
    };
    const left = factors.recovery_codes_left;
    return [
      h("p", {}, "Set up ", when(since), h("span", { class: "tag" }, "on")),
      h("p", { class: "soft" }, `${left} recovery code${left === 1 ? "" : "s"} left.`),
      h(
        "div",
        { class: "row" },
        button("New recovery codes", () => panel.attempt(renew)),
        button("Remove the app", () => panel.change(remove, "The authenticator app is removed."), {
          class: "danger",
        }),
      ),
    ];
  };
  return new Panel(
    "Authenticator app",
    "Six digits from an app on your phone, as a second factor.",
    show,
  );
}

export function passkeyPanel(): Panel {
  const item = (panel: Panel, key: passkeys.Passkey): HTMLElement => {
    const entry = h("li", {});
    const remove = async (): Promise<void> => {
      await confirmed(
        `Remove “${key.name}”?`,
        "It no longer logs you in. Delete it on the device as well.",
        "Remove",
      );
      await call("DELETE", `/v1/me/passkeys/${key.id}`);
    };
    fill(
      entry,
      h(
        "div",
        { class: "what" },
        h("h3", {}, key.name),
        h(
          "p",
          { class: "soft small" },
          "Added ",
          when(key.created_at),
          key.last_used_at ? [", last used ", when(key.last_used_at)] : ", not used yet",
        ),
      ),
      h(
        "div",
        { class: "row" },
        button("Rename", () => fill(entry, nameForm(panel, key.name, "Save", rename(key)))),
        button("Remove", () => panel.change(remove, "The passkey is removed."), {
          class: "danger",
        }),
      ),
    );
    return entry;
  };

  const rename =
    (key: passkeys.Passkey) =>
    async (name: string): Promise<string> => {
      await call("PATCH", `/v1/me/passkeys/${key.id}`, { name });
      return "The passkey is renamed.";
    };

  const show = async (panel: Panel): Promise<Child> => {
    const list = await call<{ items: passkeys.Passkey[] }>("GET", "/v1/me/passkeys");
    const add = h("div", { class: "stack" });
    const begin = (): void => {
      const form = nameForm(panel, "", "Create", async (name) => {
        await passkeys.add(name);
        return "The passkey is added.";
      });
      fill(add, form);
      form.querySelector("input")?.focus();
    };
    fill(add, h("div", { class: "row" }, button("Add a passkey", begin, { class: "main" })));
    return [
      list.items.length > 0 &&
        h(
          "ul",
          { class: "list" },
          list.items.map((key) => item(panel, key)),
        ),
      supported() ? add : h("p", { class: "soft" }, "This browser cannot make passkeys."),
    ];
  };
  return new Panel(
    "Passkeys",
    "Log in with your fingerprint, face or PIN, or with a security key: no password needed.",
    show,
  );
}

function nameForm(
  panel: Panel,
  name: string,
  submit: string,
  work: (name: string) => Promise<string>,
): HTMLElement {
  const field = new Field({
    name: "name",
    label: "Name of the passkey",
    autocomplete: "off",
    missing: "Give it a name.",
    hint: "So that you know it again, such as “Work laptop”.",
    value: name,
    maxlength: 100,
  });
  return new Form({
    fields: [field],
    submit,
    beside: button("Cancel", () => panel.refresh()),
    action: async (values) => {
      await panel.attempt(async () => {
        const done = await work(values["name"] ?? "");
        await panel.refresh();
        panel.say(done);
      });
    },
  }).element;
}
