// Who one is. The name is one's own to mend.
import { call } from "../lib/api";
import { button, h, type Child } from "../lib/dom";
import { Field, Form } from "../lib/form";
import type { User } from "../lib/session";
import { Panel } from "./panel";

export function aboutPanel(user: User, named: (name: string) => void): Panel {
  let name = user.name;

  const form = (panel: Panel): HTMLElement => {
    const field = new Field({
      name: "name",
      label: "Your name",
      autocomplete: "name",
      missing: "Enter your name.",
      value: name,
      maxlength: 200,
    });
    return new Form({
      fields: [field],
      submit: "Save",
      beside: button("Cancel", () => panel.refresh()),
      action: async (values) => {
        const me = await call<{ user: User }>("PATCH", "/v1/me", { name: values["name"] });
        name = me.user.name;
        named(name);
        await panel.refresh();
        panel.say("Your name is changed.");
      },
    }).element;
  };

  const show = async (panel: Panel): Promise<Child> => [
    h(
      "dl",
      {},
      h("dt", {}, "Name"),
      h("dd", {}, name),
      h("dt", {}, "E-mail address"),
      h("dd", {}, user.email),
      h("dt", {}, "Role"),
      h("dd", {}, user.role),
    ),
    h(
      "div",
      { class: "row" },
      button("Change name", () => panel.show(form(panel))),
    ),
  ];
  return new Panel("About you", "Your administrator keeps your address and your role.", show);
}
