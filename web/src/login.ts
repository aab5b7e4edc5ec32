// The log-in, step by step: password or passkey or provider, the second factor, a new password
// where it must change, a second factor where one must be set up.
import { call } from "./lib/api";
import { byId, button, fill, h, show } from "./lib/dom";
import { stepUps } from "./lib/dialog";
import { factorStep, passkeyMistake } from "./lib/factor";
import { Field, Form } from "./lib/form";
import * as passkeys from "./lib/passkeys";
import { listProviders } from "./lib/providers";
import { changePassword } from "./account/password";
import { enrolment } from "./account/enrol";
import { logOut, whoAmI, type LoginReply } from "./lib/session";
import { conditional, supported } from "./lib/webauthn";

const HOME = "/account";
/** The server takes an answer for five minutes; after that it is asked anew. */
const CHALLENGE_MS = 280_000;
/** Of the address that leads here with a session that is not complete. */
const UNFINISHED = "#continue";

const REASONS: Record<string, string> = {
  "#logged-out": "You are logged out.",
  "#idle": "You were logged out because nothing happened for a while.",
  "#expired": "Your session has ended. Log in again.",
  "#password": "Your password is changed. Log in with the new one.",
};

/** Ends a suggestion of passkeys that is under way: a browser takes one request at a time. */
let suggestion = new AbortController();

function title(heading: string, text: string): HTMLElement {
  return h("div", { class: "page-title" }, h("h1", {}, heading), h("p", { class: "soft" }, text));
}

/** What is next after an answer of the API that moved the log-in on. */
function proceed(reply: LoginReply): void {
  suggestion.abort();
  if (reply.stage === "second-factor") secondFactor(reply);
  else if (reply.password_change_required) forcedPassword(reply);
  else if (reply.stage === "enrol") enrol(reply);
  else window.location.replace(HOME);
}

function cancellable(reply: LoginReply): void {
  fill(
    byId("who"),
    button("Log out", () => logOut(reply)),
  );
}

function secondFactor(reply: LoginReply): void {
  cancellable(reply);
  show(
    title("One more step", "Show that it is you with your second factor."),
    h("section", { class: "card" }, factorStep(reply.methods, proceed)),
  );
}

function forcedPassword(reply: LoginReply): void {
  cancellable(reply);
  show(
    title("Choose your own password", "The one you logged in with is good for this once."),
    h("section", { class: "card" }, changePassword(reply.user.email, proceed)),
  );
}

function enrol(reply: LoginReply): void {
  stepUps();
  cancellable(reply);
  show(
    title("Set up a second factor", "Your role needs one. You will be asked for it at log-ins."),
    enrolment(reply, proceed),
  );
}

async function withPasskey(message: HTMLElement): Promise<void> {
  suggestion.abort();
  message.textContent = "";
  try {
    proceed(await passkeys.logInWith(await passkeys.pick()));
  } catch (error) {
    message.textContent = passkeyMistake(error);
  }
}

/** Passkeys among the suggestions of the e-mail field, where the browser can. */
async function suggest(message: HTMLElement): Promise<void> {
  if (!(await conditional())) return;
  suggestion = new AbortController();
  const begun = Date.now();
  let credential: object;
  try {
    credential = await passkeys.pick({ mediation: "conditional", signal: suggestion.signal });
  } catch {
    return; // nobody asked for it
  }
  try {
    if (Date.now() - begun > CHALLENGE_MS) credential = await passkeys.pick();
    proceed(await passkeys.logInWith(credential));
  } catch (error) {
    message.textContent = passkeyMistake(error);
  }
}

async function providers(): Promise<HTMLElement[]> {
  try {
    return (await listProviders()).map((provider) =>
      h(
        "a",
        {
          class: "button",
          href: `/v1/auth/oidc/start?provider=${encodeURIComponent(provider.id)}`,
        },
        `Log in with ${provider.name}`,
      ),
    );
  } catch {
    return [];
  }
}

function passwordForm(): Form {
  const email = new Field({
    name: "email",
    label: "E-mail address",
    type: "email",
    autocomplete: "username webauthn",
    missing: "Enter your e-mail address.",
    autofocus: true,
  });
  const password = new Field({
    name: "password",
    label: "Password",
    type: "password",
    autocomplete: "current-password",
    missing: "Enter your password.",
  });
  return new Form({
    fields: [email, password],
    submit: "Log in",
    beside: h("a", { href: "/reset" }, "Forgot your password?"),
    messages: { "validation-failed": "Check the e-mail address." },
    action: async (values) =>
      proceed(
        await call<LoginReply>("POST", "/v1/auth/login", {
          email: values["email"],
          password: values["password"],
          mode: "cookie",
        }),
      ),
  });
}

function start(): void {
  const reason = REASONS[window.location.hash];
  const unfinished = window.location.hash === UNFINISHED;
  if (window.location.hash) window.history.replaceState(null, "", "/login");
  const form = passwordForm();
  const others = h("div", { class: "stack wide" });
  if (supported()) others.append(button("Log in with a passkey", () => withPasskey(form.message)));
  show(
    title("Log in", "With the account that your administrator gave you."),
    reason && h("p", { class: "message", role: "status" }, reason),
    h("section", { class: "card" }, form.element, h("p", { class: "or" }, "or"), others),
  );
  void providers().then((links) => others.append(...links));
  void suggest(form.message);
  // Nobody is asked for who just comes by: it would count as a refusal.
  if (unfinished) void whoAmI().then(proceed, () => undefined);
}

start();
