// Questions in front of the page: is it really to be done, and is it still you.
import { onStepUp } from "./api";
import { button, freshId, h, type Child } from "./dom";
import { factorStep } from "./factor";
import { whoAmI } from "./session";

/** The person thought better of it. */
export class Cancelled extends Error {}

/** A dialog; closed without an answer, by Escape too, it gives undefined. */
function open<T>(
  title: string,
  content: (close: (answer: T) => void) => Child,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    const id = freshId("dialog");
    const before = document.activeElement;
    const dialog = h("dialog", { "aria-labelledby": id });
    let answer: T | undefined;
    const close = (given: T): void => {
      answer = given;
      dialog.close();
    };
    dialog.append(h("div", { class: "stack" }, h("h2", { id }, title), ...[content(close)].flat()));
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before instanceof HTMLElement) before.focus();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

export async function confirmed(title: string, text: string, label: string): Promise<void> {
  const yes = await open<boolean>(title, (close) => [
    h("p", {}, text),
    h(
      "div",
      { class: "row" },
      button(label, () => close(true), { class: "danger" }),
      button("Cancel", () => close(false)),
    ),
  ]);
  if (!yes) throw new Cancelled();
}

let proving: Promise<void> | undefined;

async function prove(): Promise<void> {
  const { methods } = await whoAmI();
  const proved = await open<boolean>("Confirm that it is you", (close) => [
    h("p", { class: "soft" }, "This needs a fresh proof. What you were doing goes on after it."),
    factorStep(methods, () => close(true)),
    h(
      "p",
      {},
      button("Cancel", () => close(false), { class: "link" }),
    ),
  ]);
  if (!proved) throw new Cancelled();
}

/** Answers every step-up-required of the API from now on, one dialog at a time. */
export function stepUps(): void {
  onStepUp(() => {
    proving ??= prove().finally(() => (proving = undefined));
    return proving;
  });
}

/** Warns of the log-out to come, as long as it is to come. */
export class IdleWarning {
  private dialog: HTMLDialogElement | undefined;
  private readonly left = h("strong", {});

  constructor(private readonly stay: () => Promise<void>) {}

  show(seconds: number): void {
    this.left.textContent = `${seconds} s`;
    if (this.dialog) return;
    const id = freshId("idle");
    this.dialog = h(
      "dialog",
      { "aria-labelledby": id, role: "alertdialog" },
      h(
        "div",
        { class: "stack" },
        h("h2", { id }, "Are you still there?"),
        h("p", {}, "Nothing happened for a while. You will be logged out in ", this.left, "."),
        h(
          "div",
          { class: "row" },
          button("Stay logged in", () => this.stay(), { class: "main", autofocus: true }),
        ),
      ),
    );
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      void this.stay();
    });
    document.body.append(this.dialog);
    this.dialog.showModal();
  }

  hide(): void {
    this.dialog?.close();
    this.dialog?.remove();
    this.dialog = undefined;
  }
}
