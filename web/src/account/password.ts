// A new password for one who is logged in. Every other session ends with the old one.
import { call } from "../lib/api";
import { Field, Form, newPassword } from "../lib/form";
import type { LoginReply } from "../lib/session";
import { h } from "../lib/dom";

/** email: for password managers, which file passwords by user name. */
export function changePassword(email: string, done: (reply: LoginReply) => void): HTMLElement {
  const current = new Field({
    name: "current_password",
    label: "Current password",
    type: "password",
    autocomplete: "current-password",
    missing: "Enter the password you have now.",
  });
  const form = new Form({
    fields: [current, newPassword("new_password")],
    submit: "Change password",
    messages: { "bad-credentials": "The current password is not right." },
    action: async (values) => done(await call<LoginReply>("POST", "/v1/auth/password", values)),
  });
  form.element.prepend(
    h("input", {
      type: "email",
      name: "username",
      autocomplete: "username",
      value: email,
      hidden: true,
      "aria-hidden": "true",
      tabindex: "-1",
    }),
  );
  return form.element;
}
