// Who is logged in, and for how long.
import { call, onAnswer, onOldToken, Problem, setCsrf } from "./api";

export interface User {
  id: string;
  email: string;
  name: string;
  role: string;
  scopes: string[];
}

export type Stage = "full" | "second-factor" | "enrol";
export type Method = "totp" | "recovery" | "passkey" | "password";

/** How far a log-in has come; of LoginReply and of GET /v1/me. */
export interface Standing {
  stage: Stage;
  methods: Method[];
  amr: string[];
  step_up_until: string | null;
  expires_at: string;
  idle_timeout_seconds: number;
}

export interface LoginReply extends Standing {
  csrf_token?: string;
  session_id: string;
  password_change_required: boolean;
  user: User;
}

interface Me {
  user: User;
  session?: Standing & { id: string; csrf_token?: string; created_at: string };
  password_change_required: boolean;
}

/** Whose page this is, once it shows somebody's account. */
let owner = "";

/** Somebody else has logged in in another tab: what this one shows is not hers. */
async function anew(): Promise<never> {
  window.location.reload();
  return new Promise<never>(() => undefined);
}

export async function whoAmI(): Promise<LoginReply> {
  const me = await call<Me>("GET", "/v1/me");
  const session = me.session;
  if (!session) throw new Error("no session");
  if (owner && me.user.id !== owner) return anew();
  setCsrf(session.csrf_token);
  return {
    ...session,
    session_id: session.id,
    user: me.user,
    password_change_required: me.password_change_required,
  };
}

/** Leaves no page of a session behind: neither here nor in other tabs. */
export async function logOut(standing: Standing): Promise<void> {
  const federated = standing.amr.includes("oidc");
  const end = federated ? "/v1/auth/oidc/logout" : "/v1/auth/logout";
  try {
    const after = await call<{ url: string | null } | undefined>("POST", end);
    // The provider has a session of its own to end.
    leave("logged-out", after?.url ?? undefined);
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) throw error;
    leave("logged-out");
  }
}

const tabs = "BroadcastChannel" in window ? new BroadcastChannel("eleusis-session") : undefined;

/** To the log-in page, which says why. */
export function leave(why: "logged-out" | "idle" | "expired", to = `/login#${why}`): void {
  tabs?.postMessage("over");
  window.location.replace(to);
}

const WARNING_SECONDS = 60;
const OWNER = "owner ";

/**
 * Ends the page when the session ends: after silence, of which it warns, or at its last minute.
 * What the person does here counts as activity and is told to the server, now and then; what she
 * does in another tab counts too.
 */
export function watch(
  standing: LoginReply,
  warn: (secondsLeft: number) => void,
  calm: () => void,
): void {
  owner = standing.user.id;
  const idle = standing.idle_timeout_seconds;
  const warning = Math.min(WARNING_SECONDS, idle / 3);
  const retry = Math.min(5000, idle * 100);
  const end = Date.parse(standing.expires_at);
  let answered = Date.now();
  let active = Date.now();
  let asked = 0;
  const answer = (): void => {
    answered = Date.now();
    calm();
  };

  onAnswer(() => {
    answer();
    tabs?.postMessage("alive");
  });
  tabs?.addEventListener("message", (event: MessageEvent<unknown>) => {
    if (event.data === "alive") answer();
    else if (event.data === "over") window.location.replace("/login#logged-out");
    else if (event.data !== OWNER + owner) void anew();
  });
  tabs?.postMessage(OWNER + owner);
  onOldToken(whoAmI);
  for (const kind of ["pointerdown", "keydown", "scroll"])
    window.addEventListener(kind, () => (active = Date.now()), { passive: true });

  window.setInterval(() => {
    const now = Date.now();
    const left = idle - (now - answered) / 1000;
    if (now >= end) leave("expired");
    else if (left <= 0) leave("idle");
    else if (active > answered && now - answered > (idle * 1000) / 4 && now - asked > retry) {
      asked = now;
      void stay();
    } else if (left <= warning) warn(Math.ceil(left));
  }, 1000);
}

/** Asks the server for something small: the silence ends, unless there is no answer just now. */
export async function stay(): Promise<void> {
  try {
    await whoAmI();
  } catch (error) {
    if (error instanceof Problem && error.status === 401) leave("expired");
  }
}
