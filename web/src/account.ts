// One's own account: who one is, how one logs in, and where.
import { Problem } from "./lib/api";
import { byId, button, fill, h, show } from "./lib/dom";
import { IdleWarning, stepUps } from "./lib/dialog";
import { explain } from "./lib/problems";
import { logOut, stay, watch, whoAmI, type LoginReply } from "./lib/session";
import { aboutPanel } from "./account/about";
import { appPanel, passkeyPanel } from "./account/factors";
import { Panel } from "./account/panel";
import { changePassword } from "./account/password";
import { identityPanel } from "./account/identities";
import { sessionPanel } from "./account/sessions";

function passwordPanel(email: string, changed: () => Promise<void>): Panel {
  const panel = new Panel("Password", "A change ends all your other sessions.", async (self) =>
    h(
      "div",
      { class: "row" },
      button("Change password", () =>
        self.show(
          changePassword(email, () => void self.change(changed, "Your password is changed.")),
        ),
      ),
    ),
  );
  return panel;
}

async function page(me: LoginReply): Promise<void> {
  const warning = new IdleWarning(stay);
  watch(
    me,
    (left) => warning.show(left),
    () => warning.hide(),
  );
  stepUps();
  const name = h("span", { class: "name" }, me.user.name);
  fill(
    byId("who"),
    name,
    button("Log out", () => logOut(me)),
  );
  const sessions = sessionPanel();
  const panels = [
    aboutPanel(me.user, (changed) => (name.textContent = changed)),
    passwordPanel(me.user.email, () => sessions.refresh()),
    passkeyPanel(),
    appPanel(),
    sessions,
    identityPanel(),
  ];
  await Promise.all(panels.map((panel) => panel.refresh()));
  show(
    h("div", { class: "page-title" }, h("h1", {}, "Your account")),
    panels.map((panel) => panel.element),
  );
}

async function start(): Promise<void> {
  try {
    const me = await whoAmI();
    if (me.stage === "full" && !me.password_change_required) await page(me);
    else window.location.replace("/login#continue");
  } catch (error) {
    if (error instanceof Problem && error.status === 401) window.location.replace("/login");
    else
      show(
        h("h1", {}, "Your account"),
        h("p", { class: "message bad", role: "alert" }, explain(error)),
        h(
          "p",
          {},
          button("Try again", () => window.location.reload(), { class: "main" }),
        ),
      );
  }
}

// A page that the way back brings out of memory may be of a session that is over.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});
void start();
