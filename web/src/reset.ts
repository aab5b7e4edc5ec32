// A forgotten password: asking for a link, and what the link leads to.
import { call } from "./lib/api";
import { h, show } from "./lib/dom";
import { Field, Form, newPassword } from "./lib/form";
import { takeToken } from "./lib/token";

function title(heading: string, text: string): HTMLElement {
  return h("div", { class: "page-title" }, h("h1", {}, heading), h("p", { class: "soft" }, text));
}

/** The same for every address: whether it has an account is nobody's business. */
function asked(): void {
  show(
    title("Look into your mail", "If the address has an account, a link is on its way to it."),
    h(
      "section",
      { class: "card" },
      h(
        "p",
        {},
        "The link works once and for a short time. Nothing there? Look among the spam, or ask your administrator.",
      ),
      h("p", {}, h("a", { href: "/login" }, "Back to the log-in")),
    ),
  );
}

function ask(): void {
  const email = new Field({
    name: "email",
    label: "E-mail address",
    type: "email",
    autocomplete: "username",
    missing: "Enter your e-mail address.",
    autofocus: true,
  });
  const form = new Form({
    fields: [email],
    submit: "Send me a link",
    beside: h("a", { href: "/login" }, "Back"),
    action: async (values) => {
      await call("POST", "/v1/auth/password-reset", { email: values["email"] });
      asked();
    },
  });
  show(
    title("Forgot your password?", "We send a link to set a new one."),
    h("section", { class: "card" }, form.element),
  );
}

function confirm(token: string): void {
  const form = new Form({
    fields: [newPassword("password")],
    submit: "Set password",
    action: async (values) => {
      await call("POST", "/v1/auth/password-reset/confirm", {
        token,
        password: values["password"],
      });
      window.location.replace("/login#password");
    },
  });
  show(
    title("Set a new password", "It ends all your sessions. Then log in with it."),
    h("section", { class: "card" }, form.element),
  );
}

const token = takeToken();
if (token) confirm(token);
else ask();
