// A second factor must be set up before the log-in is finished: an app, or a passkey.
import { button, card, fill, h } from "../lib/dom";
import { passkeyMistake } from "../lib/factor";
import { explain } from "../lib/problems";
import * as passkeys from "../lib/passkeys";
import { whoAmI, type LoginReply } from "../lib/session";
import { supported } from "../lib/webauthn";
import { recoveryCodes, setUpApp } from "./totp";

export function enrolment(reply: LoginReply, done: (reply: LoginReply) => void): HTMLElement {
  const place = h("div", {});
  choose(place, reply, done);
  return place;
}

function choose(place: HTMLElement, reply: LoginReply, done: (reply: LoginReply) => void): void {
  const message = h("p", { class: "message bad", role: "alert" });
  const app = h("div", { class: "stack" });
  app.append(
    h(
      "div",
      { class: "row" },
      button("Set up an app", async () => {
        try {
          await setUpApp(app, (codes, after) =>
            fill(
              place,
              h(
                "section",
                { class: "card" },
                recoveryCodes(codes, () => done(after)),
              ),
            ),
          );
        } catch (error) {
          message.textContent = explain(error);
        }
      }),
    ),
  );
  const addPasskey = async (): Promise<void> => {
    message.textContent = "";
    try {
      await passkeys.add(`Passkey of ${reply.user.name}`.slice(0, 60));
      done(await whoAmI());
    } catch (error) {
      message.textContent = passkeyMistake(error);
    }
  };
  fill(
    place,
    message,
    supported() &&
      card(
        "A passkey",
        "Your fingerprint, face or PIN on this device, or a security key. The quickest, and safe against fraudulent pages.",
        h("div", { class: "row" }, button("Add a passkey", addPasskey, { class: "main" })),
      ),
    card("An authenticator app", "Six digits from an app on your phone at each log-in.", app),
  );
}
