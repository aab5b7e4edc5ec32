// Requests to the API, as any other client makes them. The session is in a cookie that scripts
// cannot read; changes carry the CSRF token, which is kept in memory only.

export interface Mistake {
  pointer: string;
  code: string;
  detail: string;
}

/** A problem document (RFC 9457), or what stands for one when there is no answer. */
export class Problem extends Error {
  constructor(
    readonly slug: string,
    readonly status: number,
    readonly detail: string,
    readonly mistakes: readonly Mistake[] = [],
    readonly retryAfter = 0,
  ) {
    super(slug);
  }
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

let csrf = "";
let heard: (() => void) | undefined;

/** What to do about problems, by their slug; the request is then made again, once. */
const remedies = new Map<string, () => Promise<unknown>>();

/** When the API wants a fresh proof. */
export function onStepUp(handler: () => Promise<void>): void {
  remedies.set("step-up-required", handler);
}

/** When the session has moved on in another tab. */
export function onOldToken(handler: () => Promise<unknown>): void {
  remedies.set("csrf", handler);
}

/** Told of each answer: the session lives on from then. */
export function onAnswer(handler: () => void): void {
  heard = handler;
}

export function setCsrf(token: string | undefined): void {
  if (token) csrf = token;
}

/** The answer's document; undefined when it has none. Throws a Problem. */
export async function call<T = void>(method: Method, path: string, body?: unknown): Promise<T> {
  const tried = new Set<string>();
  for (;;) {
    try {
      return await once<T>(method, path, body);
    } catch (error) {
      const slug = error instanceof Problem ? error.slug : "";
      const remedy = tried.has(slug) ? undefined : remedies.get(slug);
      if (!remedy) throw error;
      tried.add(slug);
      await remedy();
    }
  }
}

// A change may move the session on to a new token. No other request must be under way then: it
// would come with the old one.
let change: Promise<unknown> = Promise.resolve();
const reads = new Set<Promise<unknown>>();

async function once<T>(method: Method, path: string, body?: unknown): Promise<T> {
  const before = change;
  if (method === "GET") {
    const read = before.then(() => request<T>(method, path, body));
    const settled = read.catch(() => undefined).finally(() => reads.delete(settled));
    reads.add(settled);
    return read;
  }
  const pending = [...reads];
  const made = before.then(() => Promise.all(pending)).then(() => request<T>(method, path, body));
  change = made.catch(() => undefined);
  return made;
}

async function request<T>(method: Method, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
    });
  } catch {
    throw new Problem("unreachable", 0, "");
  }
  const document = await parsed(answer);
  if (!answer.ok) throw problemOf(answer, document);
  if (isRecord(document) && typeof document["csrf_token"] === "string")
    setCsrf(document["csrf_token"]);
  heard?.();
  return document as T;
}

async function parsed(answer: Response): Promise<unknown> {
  try {
    const text = await answer.text();
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    throw new Problem("unreachable", 0, "");
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function problemOf(answer: Response, document: unknown): Problem {
  const told = isRecord(document) ? document : {};
  const errors = Array.isArray(told["errors"]) ? told["errors"].filter(isRecord) : [];
  return new Problem(
    text(told["type"]).split("/").pop() || "unknown",
    answer.status,
    text(told["detail"]),
    errors.map((e) => ({
      pointer: text(e["pointer"]),
      code: text(e["code"]),
      detail: text(e["detail"]),
    })),
    Number(answer.headers.get("Retry-After")) || 0,
  );
}
