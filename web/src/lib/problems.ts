// What a problem means to a person, in a sentence or two.
import { Problem } from "./api";

const MESSAGES: Record<string, string> = {
  unreachable: "The server cannot be reached. Check your connection and try again.",
  unauthenticated: "You are logged out. Log in again.",
  "bad-credentials": "The e-mail address or the password is not right.",
  "bad-token": "This link has been used, has expired, or is not complete. Ask for a new one.",
  "login-throttled": "Too many failed attempts. Wait a little before the next one.",
  "rate-limited": "Too many requests. Wait a little before the next one.",
  "network-denied": "Requests from your network are not accepted. Ask your administrator.",
  csrf: "This page is out of date. Reload it and try again.",
  "password-change-required": "Change your one-time password first.",
  "second-factor-required": "Finish logging in first: your second factor is missing.",
  "enrolment-required": "Set up a second factor first.",
  unavailable: "A part of the service does not answer at the moment. Try again shortly.",
  busy: "The service is busy at the moment. Try again shortly.",
  internal: "Something went wrong on the server. Try again; if it stays, tell your administrator.",
};

/** special: what a problem means just here. */
export function explain(error: unknown, special: Record<string, string> = {}): string {
  if (error instanceof Problem) {
    const known = special[error.slug] ?? MESSAGES[error.slug];
    return known ?? (error.detail ? sentence(error.detail) : "That did not work. Try again.");
  }
  console.error(error);
  return "Something went wrong in this page. Reload it and try again.";
}

/** "must differ from the current password" -> "It must differ from the current password." */
export function sentence(detail: string): string {
  const whole = /^(must|is|was|has) /.test(detail) ? `It ${detail}` : detail;
  const capital = whole.charAt(0).toUpperCase() + whole.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
