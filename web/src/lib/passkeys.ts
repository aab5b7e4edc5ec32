// The API's side of passkeys: options, then the browser's answer.
import { call } from "./api";
import type { LoginReply } from "./session";
import { create, get, type CreationJSON, type RequestJSON } from "./webauthn";

export interface Passkey {
  id: string;
  name: string;
  created_at: string;
  last_used_at: string | null;
}

export async function add(name: string): Promise<void> {
  const options = await call<CreationJSON>("POST", "/v1/me/passkeys/options");
  const credential = await create(options);
  await call("POST", "/v1/me/passkeys", { name, credential });
}

/** A log-in without a password: the passkey says who it is. */
export async function pick(
  more: { mediation?: CredentialMediationRequirement; signal?: AbortSignal } = {},
): Promise<object> {
  return get(await call<RequestJSON>("POST", "/v1/auth/passkey/options"), more);
}

export async function logInWith(credential: object): Promise<LoginReply> {
  return call<LoginReply>("POST", "/v1/auth/passkey", { credential, mode: "cookie" });
}

/** The second factor, or a step-up. */
export async function verify(): Promise<LoginReply> {
  const options = await call<RequestJSON>("POST", "/v1/auth/passkey/verify/options");
  const credential = await get(options);
  return call<LoginReply>("POST", "/v1/auth/passkey/verify", { credential });
}
