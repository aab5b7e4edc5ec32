// Where one is logged in: each device, with a way to end it.
import { call } from "../lib/api";
import { button, h, when, type Child } from "../lib/dom";
import { confirmed } from "../lib/dialog";
import { Panel } from "./panel";

interface Session {
  id: string;
  device: string;
  network: string;
  created_at: string;
  last_seen_at: string;
  current: boolean;
}

export function sessionPanel(): Panel {
  const item = (panel: Panel, session: Session): HTMLElement =>
    h(
      "li",
      {},
      h(
        "div",
        { class: "what" },
        h("h3", {}, session.device, session.current && h("span", { class: "tag" }, "this one")),
        h(
          "p",
          { class: "soft small" },
          `From ${session.network}, since `,
          when(session.created_at),
          ", last seen ",
          when(session.last_seen_at),
        ),
      ),
      !session.current &&
        button(
          "End",
          () =>
            panel.change(
              () => call("DELETE", `/v1/me/sessions/${session.id}`),
              "The session has ended.",
            ),
          { "aria-label": `End the session on ${session.device}` },
        ),
    );

  const endOthers = async (): Promise<void> => {
    await confirmed(
      "End all other sessions?",
      "You stay logged in here and nowhere else.",
      "End all others",
    );
    await call("DELETE", "/v1/me/sessions");
  };

  const show = async (panel: Panel): Promise<Child> => {
    const { sessions } = await call<{ sessions: Session[] }>("GET", "/v1/me/sessions");
    return [
      h(
        "ul",
        { class: "list" },
        sessions.map((session) => item(panel, session)),
      ),
      sessions.length > 1 &&
        h(
          "div",
          { class: "row" },
          button(
            "End all other sessions",
            () => panel.change(endOthers, "All other sessions have ended."),
            { class: "danger" },
          ),
        ),
    ];
  };
  return new Panel("Where you are logged in", "End the sessions that you do not recognise.", show);
}
