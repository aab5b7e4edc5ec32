// The one-time token of a link. It comes in the fragment, which no server sees, and leaves the
// address bar and the history at once; it is kept nowhere but in the page.

export function takeToken(): string {
  const token = new URLSearchParams(window.location.hash.slice(1)).get("token") ?? "";
  if (window.location.hash) window.history.replaceState(null, "", window.location.pathname);
  return token;
}
