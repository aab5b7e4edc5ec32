// An invitation: the link's token, and a password of one's own. The log-in page goes on.
import { call } from "./lib/api";
import { h, show } from "./lib/dom";
import { Form, newPassword } from "./lib/form";
import type { LoginReply } from "./lib/session";
import { takeToken } from "./lib/token";

function broken(): void {
  show(
    h("div", { class: "page-title" }, h("h1", {}, "This link is not complete")),
    h(
      "section",
      { class: "card" },
      h(
        "p",
        {},
        "Open the link of your invitation again, from the e-mail. If it does not work, ask your administrator for a new one.",
      ),
    ),
  );
}

function accept(token: string): void {
  const form = new Form({
    fields: [newPassword("password", "Your password")],
    submit: "Accept and log in",
    action: async (values) => {
      await call<LoginReply>("POST", "/v1/auth/invitation", {
        token,
        password: values["password"],
        mode: "cookie",
      });
      window.location.replace("/login#continue");
    },
  });
  show(
    h(
      "div",
      { class: "page-title" },
      h("h1", {}, "Welcome"),
      h("p", { class: "soft" }, "Choose a password to accept your invitation."),
    ),
    h("section", { class: "card" }, form.element),
  );
}

const token = takeToken();
if (token) accept(token);
else broken();
