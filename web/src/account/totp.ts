// The authenticator app: the secret as a picture and as text, and a first code to show that the
// app has it. Recovery codes come with it, this once.
import { encode } from "uqr";
import { call } from "../lib/api";
import { button, fill, freshId, h, type Child } from "../lib/dom";
import { Field, Form } from "../lib/form";
import type { LoginReply } from "../lib/session";

interface Secret {
  secret: string;
  uri: string;
}
interface Codes {
  recovery_codes: string[];
}

const SVG = "http://www.w3.org/2000/svg";

/** One path for all dark modules, with the quiet zone that scanners want. */
function qrCode(text: string): Element {
  const { data, size } = encode(text, { ecc: "M", border: 2 });
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "QR code for your authenticator app");
  svg.setAttribute("shape-rendering", "crispEdges");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute(
    "d",
    data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join(""),
  );
  svg.append(path);
  return svg;
}

function grouped(secret: string): string {
  return secret.match(/.{1,4}/g)?.join(" ") ?? secret;
}

/** Shows the secret and asks for a code; done gets the recovery codes. */
export async function setUpApp(
  place: HTMLElement,
  done: (codes: string[], reply: LoginReply) => void,
  more?: Child,
): Promise<void> {
  const secret = await call<Secret>("POST", "/v1/me/totp", {});
  const text = freshId("secret");
  const code = new Field({
    name: "code",
    label: "Code that the app shows",
    autocomplete: "one-time-code",
    missing: "Enter the six digits that the app shows.",
    digits: true,
    code: true,
    maxlength: 7,
  });
  const form = new Form({
    fields: [code],
    submit: "Confirm",
    beside: more,
    messages: { "bad-credentials": "This code is not right. Check that the device's clock is." },
    action: async (values) => {
      const reply = await call<LoginReply & Codes>("POST", "/v1/me/totp/confirm", {
        code: values["code"]?.replace(/\s+/g, ""),
      });
      done(reply.recovery_codes, reply);
    },
  });
  fill(
    place,
    h("p", {}, "Scan this with an authenticator app, then enter the code it shows."),
    h("div", { class: "qr" }, qrCode(secret.uri)),
    h(
      "p",
      { class: "small" },
      h("span", { class: "soft", id: text }, "Cannot scan it? Type this key in: "),
      h("span", { class: "secret-text", "aria-labelledby": text }, grouped(secret.secret)),
    ),
    form.element,
  );
  code.input.focus();
}

/** Recovery codes, shown this once: to copy, to print, to keep as a file. */
export function recoveryCodes(codes: string[], done: () => void): HTMLElement {
  const text = `${codes.join("\n")}\n`;
  const status = h("p", { role: "status", class: "hint" });
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      status.textContent = "Copied.";
    } catch {
      status.textContent = "Your browser does not let pages copy: select the codes and copy them.";
    }
  };
  const save = (): void => {
    const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    h("a", { href: url, download: "eleusis-recovery-codes.txt" }).click();
    window.setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  return h(
    "div",
    { class: "stack" },
    h("h3", { tabindex: "-1", autofocus: true }, "Keep your recovery codes"),
    h(
      "p",
      {},
      "Each logs you in once when you do not have your other factor at hand. They are not shown again.",
    ),
    h(
      "ul",
      { class: "codes" },
      codes.map((code) => h("li", {}, code)),
    ),
    h(
      "div",
      { class: "row" },
      button("Copy", copy),
      button("Print", () => window.print()),
      button("Download", save),
    ),
    status,
    h("div", { class: "row" }, button("I have kept them", done, { class: "main" })),
  );
}

/** New codes for those that are used up or lost. */
export async function renewCodes(): Promise<string[]> {
  return (await call<Codes>("POST", "/v1/me/recovery-codes")).recovery_codes;
}
