// A card of the account page: what it shows is asked for anew after each change.
import { Problem } from "../lib/api";
import { button, card, fill, h, type Child } from "../lib/dom";
import { Cancelled } from "../lib/dialog";
import { passkeyMistake } from "../lib/factor";
import { leave } from "../lib/session";

export class Panel {
  readonly element: HTMLElement;
  private readonly message = h("p", { class: "message bad", role: "alert" });
  private readonly status = h("p", { class: "message good", role: "status" });
  private readonly body = h("div", { class: "stack" });

  constructor(
    title: string,
    text: string,
    private readonly content: (panel: Panel) => Promise<Child>,
  ) {
    this.element = card(title, text, this.message, this.status, this.body);
  }

  async refresh(): Promise<void> {
    const there = await this.attempt(async () => fill(this.body, await this.content(this)));
    if (!there && this.body.childElementCount === 0)
      fill(
        this.body,
        h(
          "div",
          { class: "row" },
          button("Try again", () => this.again()),
        ),
      );
  }

  private async again(): Promise<void> {
    fill(this.body);
    await this.refresh();
  }

  show(...children: Child[]): void {
    fill(this.body, ...children);
  }

  say(text: string): void {
    this.status.textContent = text;
  }

  /** Work whose failure is told here; did it succeed? */
  async attempt(work: () => Promise<unknown>): Promise<boolean> {
    this.message.textContent = "";
    this.status.textContent = "";
    try {
      await work();
      return true;
    } catch (error) {
      if (error instanceof Cancelled) return false;
      if (error instanceof Problem && error.slug === "unauthenticated") leave("expired");
      else this.message.textContent = passkeyMistake(error);
      return false;
    }
  }

  /** A change, what is said of it, and the new state. */
  async change(work: () => Promise<unknown>, done: string): Promise<void> {
    await this.attempt(async () => {
      await work();
      await this.refresh();
      this.say(done);
    });
  }
}
