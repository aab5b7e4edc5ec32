// Showing a factor: the second step of a log-in, and the step-up before what is dangerous.
import { call, Problem } from "./api";
import { button, fill, h } from "./dom";
import { Field, Form } from "./form";
import * as passkeys from "./passkeys";
import { explain } from "./problems";
import type { LoginReply, Method } from "./session";
import { refusal, supported } from "./webauthn";

const FACTOR = "/v1/auth/second-factor";

function codeForm(done: (reply: LoginReply) => void): HTMLElement {
  const code = new Field({
    name: "code",
    label: "Code from your authenticator app",
    autocomplete: "one-time-code",
    missing: "Enter the six digits that the app shows.",
    digits: true,
    code: true,
    maxlength: 7,
    autofocus: true,
  });
  return new Form({
    fields: [code],
    submit: "Continue",
    messages: {
      "bad-credentials": "This code is not right, or was used before. Wait for the next.",
    },
    action: async (values) =>
      done(await call<LoginReply>("POST", FACTOR, { code: squeezed(values["code"]) })),
  }).element;
}

function recoveryForm(done: (reply: LoginReply) => void): HTMLElement {
  const code = new Field({
    name: "recovery_code",
    label: "Recovery code",
    autocomplete: "off",
    missing: "Enter one of the codes you kept.",
    hint: "Each code works once.",
    autofocus: true,
  });
  return new Form({
    fields: [code],
    submit: "Continue",
    messages: { "bad-credentials": "This recovery code is not right, or was used before." },
    action: async (values) =>
      done(await call<LoginReply>("POST", FACTOR, { recovery_code: values["recovery_code"] })),
  }).element;
}

function passwordForm(done: (reply: LoginReply) => void): HTMLElement {
  const password = new Field({
    name: "password",
    label: "Password",
    type: "password",
    autocomplete: "current-password",
    missing: "Enter your password.",
    autofocus: true,
  });
  return new Form({
    fields: [password],
    submit: "Continue",
    messages: { "bad-credentials": "This password is not right." },
    action: async (values) =>
      done(await call<LoginReply>("POST", FACTOR, { password: values["password"] })),
  }).element;
}

function passkeyForm(done: (reply: LoginReply) => void): HTMLElement {
  const message = h("p", { class: "message bad", role: "alert" });
  const ask = button(
    "Use a passkey",
    async () => {
      message.textContent = "";
      try {
        done(await passkeys.verify());
      } catch (error) {
        message.textContent = passkeyMistake(error);
      }
    },
    { class: "main", autofocus: true },
  );
  return h("div", { class: "stack wide" }, message, ask);
}

/** What to say of a passkey that did not work. */
export function passkeyMistake(error: unknown): string {
  if (error instanceof DOMException) return refusal(error);
  const unknown = "This passkey is not one of your account, or is not accepted any more.";
  return explain(error, { "bad-credentials": unknown });
}

function squeezed(code: string | undefined): string {
  return (code ?? "").replace(/\s+/g, "");
}

const WAYS: { method: Method; label: string; make: typeof codeForm }[] = [
  { method: "passkey", label: "Use a passkey instead", make: passkeyForm },
  { method: "totp", label: "Use a code from your app instead", make: codeForm },
  { method: "recovery", label: "Use a recovery code instead", make: recoveryForm },
  { method: "password", label: "Use your password instead", make: passwordForm },
];

/** One way at a time, with the others a click away. */
export function factorStep(
  methods: readonly Method[],
  done: (reply: LoginReply) => void,
): HTMLElement {
  const ways = WAYS.filter(
    (way) => methods.includes(way.method) && (way.method !== "passkey" || supported()),
  );
  const step = h("div", { class: "stack" });
  const use = (chosen: (typeof WAYS)[number], first: boolean): void => {
    const others = ways.filter((way) => way !== chosen);
    fill(
      step,
      chosen.make(done),
      others.map((way) =>
        h(
          "p",
          {},
          button(way.label, () => use(way, false), { class: "link" }),
        ),
      ),
    );
    if (!first) step.querySelector<HTMLElement>("[autofocus]")?.focus();
  };
  if (ways[0]) use(ways[0], true);
  else fill(step, h("p", { class: "message bad" }, "This browser knows none of your factors."));
  return step;
}

/** Is it only that the log-in took too long? */
export function isOver(error: unknown): boolean {
  return error instanceof Problem && error.slug === "unauthenticated";
}
