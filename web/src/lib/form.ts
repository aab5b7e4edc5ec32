// Forms: labelled fields, mistakes at the field they belong to, one message for the rest. What is
// wrong is read out (aria-live) and gets the focus.
import { Problem } from "./api";
import { freshId, h, type Child } from "./dom";
import { explain, sentence } from "./problems";

export interface FieldOptions {
  name: string;
  label: string;
  type?: "text" | "email" | "password";
  autocomplete: string;
  missing: string;
  hint?: string;
  value?: string;
  code?: boolean;
  digits?: boolean;
  maxlength?: number;
  autofocus?: boolean;
  optional?: boolean;
}

export class Field {
  readonly element: HTMLElement;
  readonly input: HTMLInputElement;
  private readonly mistake: HTMLElement;

  constructor(readonly options: FieldOptions) {
    const id = freshId(options.name);
    const secret = options.type === "password";
    this.input = h("input", {
      id,
      name: options.name,
      type: options.type ?? "text",
      autocomplete: options.autocomplete,
      autocapitalize: "none",
      spellcheck: "false",
      class: options.code ? "code" : undefined,
      inputmode: options.digits ? "numeric" : undefined,
      maxlength: options.maxlength,
      value: options.value,
      autofocus: options.autofocus,
      "aria-describedby": `${id}-mistake${options.hint ? ` ${id}-hint` : ""}`,
      "aria-required": options.optional ? undefined : "true",
    });
    this.mistake = h("p", { id: `${id}-mistake`, class: "mistake", "aria-live": "polite" });
    this.element = h(
      "div",
      { class: "field" },
      h("label", { for: id }, options.label),
      h(
        "div",
        { class: secret ? "box secret" : "box" },
        this.input,
        secret && revealer(this.input, options.label),
      ),
      this.mistake,
      options.hint && h("p", { id: `${id}-hint`, class: "hint" }, options.hint),
    );
    this.input.addEventListener("input", () => this.say(""));
  }

  get value(): string {
    return this.options.type === "password" ? this.input.value : this.input.value.trim();
  }

  say(mistake: string): void {
    this.mistake.textContent = mistake;
    if (mistake) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }
}

function revealer(input: HTMLInputElement, label: string): HTMLButtonElement {
  const toggle = h("button", { type: "button", class: "show" }, "Show");
  const name = (shown: boolean): void => {
    toggle.textContent = shown ? "Hide" : "Show";
    toggle.setAttribute("aria-label", `${shown ? "Hide" : "Show"} ${label.toLowerCase()}`);
  };
  name(false);
  toggle.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    name(shown);
  });
  return toggle;
}

export interface FormOptions {
  fields: Field[];
  submit: string;
  /** Problems by their slug, where they mean something special. */
  messages?: Record<string, string>;
  /** Members of the API's body that go by another name than their field. */
  members?: Record<string, string>;
  action: (values: Record<string, string>) => Promise<void>;
  /** Between the fields and the button; beside the button. */
  before?: Child;
  beside?: Child;
  kind?: "main" | "danger";
}

export class Form {
  readonly element: HTMLFormElement;
  readonly message: HTMLElement;
  private readonly submit: HTMLButtonElement;
  private busy = false;

  constructor(private readonly options: FormOptions) {
    this.message = h("p", { class: "message bad", role: "alert" });
    this.submit = h("button", { type: "submit", class: options.kind ?? "main" }, options.submit);
    this.element = h(
      "form",
      { novalidate: true, method: "post" },
      this.message,
      options.fields.map((field) => field.element),
      options.before,
      h("div", { class: "row" }, this.submit, options.beside),
    );
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.run();
    });
  }

  private async run(): Promise<void> {
    if (this.busy || this.submit.disabled || !this.complete()) return;
    this.busy = true;
    this.message.textContent = "";
    this.submit.setAttribute("aria-busy", "true");
    try {
      await this.options.action(
        Object.fromEntries(this.options.fields.map((f) => [f.options.name, f.value])),
      );
    } catch (error) {
      this.fail(error);
    } finally {
      this.busy = false;
      this.submit.removeAttribute("aria-busy");
    }
  }

  private complete(): boolean {
    const empty = this.options.fields.filter((f) => !f.options.optional && f.value === "");
    for (const field of this.options.fields)
      field.say(empty.includes(field) ? field.options.missing : "");
    empty[0]?.input.focus();
    return empty.length === 0;
  }

  fail(error: unknown): void {
    const rest = error instanceof Problem ? this.place(error) : [];
    if (error instanceof Problem && error.mistakes.length > 0) {
      this.message.textContent = rest.map(sentence).join(" ");
      this.element.querySelector<HTMLElement>("[aria-invalid]")?.focus();
      return;
    }
    this.message.textContent = explain(error, this.options.messages);
    if (error instanceof Problem && error.retryAfter > 0) this.wait(error.retryAfter);
  }

  /** Puts mistakes to their fields; those of no field are returned. */
  private place(problem: Problem): string[] {
    const rest: string[] = [];
    for (const mistake of problem.mistakes) {
      const member = mistake.pointer.replace(/^\//, "");
      const name = this.options.members?.[member] ?? member;
      const field = this.options.fields.find((f) => f.options.name === name);
      if (field) field.say(sentence(mistake.detail));
      else rest.push(mistake.detail);
    }
    return rest;
  }

  /** The button counts the seconds until the next attempt makes sense. */
  private wait(seconds: number): void {
    const until = Date.now() + seconds * 1000;
    const tick = (): void => {
      const left = Math.ceil((until - Date.now()) / 1000);
      this.submit.disabled = left > 0;
      this.submit.textContent = left > 0 ? `Wait ${clock(left)}` : this.options.submit;
      if (left > 0) window.setTimeout(tick, 1000);
      else this.message.textContent = "";
    };
    tick();
  }
}

function clock(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes}:${String(seconds % 60).padStart(2, "0")} min` : `${seconds} s`;
}

/** A new password: what is asked of it is the server's to say. */
export function newPassword(name: string, label = "New password"): Field {
  return new Field({
    name,
    label,
    type: "password",
    autocomplete: "new-password",
    missing: "Choose a password.",
    hint: "A few unrelated words make a good one. What is known from leaks is refused.",
  });
}
