// Elements, made one by one: the pages' policy (Trusted Types) allows no HTML as text.

export type Child = Node | string | null | undefined | false | readonly Child[];
type Attribute = string | number | boolean | undefined | ((event: Event) => void);

/** An element. Attributes: true sets, false and undefined leave out, functions listen. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Attribute> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children: readonly Child[]): (Node | string)[] {
  return children.flatMap((child) => {
    if (child === null || child === undefined || child === false) return [];
    if (typeof child === "string" || child instanceof Node) return [child];
    return nodes(child);
  });
}

export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...nodes(children));
}

/** The part of the page below its head; its heading is read out and has the focus. */
export function show(...children: Child[]): void {
  const main = byId("main");
  fill(main, ...children);
  const target = main.querySelector<HTMLElement>("[autofocus]") ?? main.querySelector("h1");
  if (target instanceof HTMLHeadingElement) target.tabIndex = -1;
  target?.focus();
}

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

let lastId = 0;
export function freshId(prefix: string): string {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

/** A button that is busy while its work is under way. */
export function button(
  label: string,
  work: () => unknown,
  attributes: Record<string, Attribute> = {},
): HTMLButtonElement {
  const element = h("button", { type: "button", ...attributes }, label);
  element.addEventListener("click", () => {
    if (element.getAttribute("aria-busy") === "true") return;
    element.setAttribute("aria-busy", "true");
    void Promise.resolve(work()).finally(() => element.removeAttribute("aria-busy"));
  });
  return element;
}

export function card(title: string, text: Child, ...children: Child[]): HTMLElement {
  const id = freshId("card");
  return h(
    "section",
    { class: "card", "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), text && h("p", { class: "soft" }, text)),
    ...children,
  );
}

const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
export function when(iso: string): HTMLElement {
  return h("time", { datetime: iso }, dateTime.format(new Date(iso)));
}
