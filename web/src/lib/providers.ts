// Providers of OpenID Connect that the administrator set up.
import { call } from "./api";

export interface Provider {
  id: string;
  name: string;
}

export async function listProviders(): Promise<Provider[]> {
  return (await call<{ items: Provider[] }>("GET", "/v1/auth/providers")).items;
}
