// The daemon's API, as docs/rest.md has it.

export interface Channels {
  open: number;
  limit: number;
  waiting: number;
  refused: number;
  forwarded: number;
}

export interface Session {
  alias: string;
  target: string;
  direction: "dialed" | "called-home";
  state: "connecting" | "up" | "backoff" | "awaiting" | "parked" | "closed";
  reason: string;
  since: number;
  labels: string[];
  facts: Record<string, unknown>;
  error: string | null;
  hint: string | null;
  attempts: number;
  connects: number;
  retry_in: number | null;
  username: string | null;
  peer: string | null;
  via: string[];
  server: string | null;
  host_key: string | null;
  offered_key: string | null;
  host_key_policy: string;
  algorithms: Record<string, string>;
  legacy: string[];
  channels: Channels;
  commands: number;
  ping: number | null;
  latency: number[];
}

export interface Measures {
  sessions: Pick<Session, "alias" | "ping" | "channels" | "commands">[];
  forwards: Forward[];
  pending: Pending[];
}

export interface Change {
  kind: string;
  alias: string;
  at: number;
  reason: string;
  state: Session["state"] | null;
  previous: Session["state"] | null;
  error: string | null;
  lost: number;
}

export interface Pending {
  id: string;
  device_id: string | null;
  also: string[];
  fingerprint: string;
  host_key: string;
  address: string;
  first_seen: number;
  last_seen: number;
  calls: number;
  reason: string;
  rejected: boolean;
}

export interface Forward {
  alias: string;
  name: string;
  kind: string;
  listen: string;
  destination: string | null;
  state: string;
  connections: number;
  sent: number;
  received: number;
  error: string | null;
}

export interface Terminal {
  alias: string;
  name: string;
  program: string | null;
  opened_by: string;
  since: number;
  viewers: { actor: string; drives: boolean }[];
}

export interface AuditRecord {
  seq: number;
  at: number;
  who: string;
  door: string;
  what: string;
  alias: string;
  outcome: string;
  of: number | null;
  detail: Record<string, unknown>;
}

export interface AuditPage {
  records: AuditRecord[];
  next: number | null;
}

export interface AuditReport {
  records: number;
  last: number;
  hash: string;
  faults: { seq: number; kind: string; message: string }[];
}

export interface Recording {
  id: string;
  alias: string;
  who: string;
  door: string;
  what: string;
  began: number;
  seconds: number | null;
  bytes: number;
  columns: number;
  rows: number;
}

export interface Whom {
  name: string;
  grants: { selector: string; actions: string[] }[];
  signed_in: boolean;
}

export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly hint: string | null,
  ) {
    super(detail);
  }

  get words(): string {
    return this.hint ? `${this.message}: ${this.hint}` : this.message;
  }
}

export function words(error: unknown): string {
  if (error instanceof Problem) return error.words;
  return error instanceof Error ? error.message : String(error);
}

export const signedOut = new EventTarget();

export async function ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      cache: "no-store",
      ...(signal && { signal }),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  } catch {
    throw new Problem(0, "daemon-unreachable", "the daemon does not answer", "is mooringd running?");
  }
  if (!answer.ok) throw await problemOf(answer);
  return (await answer.json()) as T;
}

export async function problemOf(answer: Response): Promise<Problem> {
  if (answer.status === 401) signedOut.dispatchEvent(new Event("401"));
  try {
    const { code, detail, hint } = (await answer.json()) as { code: string; detail: string; hint: string | null };
    return new Problem(answer.status, code, detail, hint);
  } catch {
    return new Problem(answer.status, "unknown", `the daemon answered ${answer.status}`, null);
  }
}

const OPENING = 10_000; // milliseconds within which the daemon opens a WebSocket; else it counts as lost

// A browser has six connections to a host for all of its tabs, and others for WebSockets: what stays open is one.
export function socketTo(path: string): WebSocket {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
  const deadline = window.setTimeout(() => socket.close(), OPENING); // what is asked may be taken and never answered
  for (const settled of ["open", "close"]) socket.addEventListener(settled, () => window.clearTimeout(deadline));
  return socket;
}

export function sessionPath(alias: string): string {
  return `/v1/sessions/${encodeURIComponent(alias)}`;
}

// Whether an action is granted on all, and by default everything is: what is of no session takes that.
export function mayAll(whom: Whom, action = "admin"): boolean {
  return whom.grants.some(({ selector, actions }) => {
    const terms = selector.split(",").map((term) => term.trim());
    const all = terms.some((term) => ["all", "*"].includes(term)) && !terms.some((term) => term.startsWith("!"));
    return all && (actions.includes("admin") || actions.includes(action));
  });
}

// Whether something is granted on anything at all: what is refused on one session says so when it is tried.
export function may(whom: Whom, ...actions: string[]): boolean {
  return whom.grants.some((grant) => grant.actions.some((one) => one === "admin" || actions.includes(one)));
}

// What a token may do, and on what, in words.
export function granted(whom: Whom): string {
  const grants = whom.grants.map(({ selector, actions }) => `${actions.join(", ")} on ${selector}`);
  const blind = may(whom, "read") ? "" : "; its grant has no read, and what it may not read does not exist for it";
  return `${whom.name} may do ${grants.join("; ") || "nothing"}${blind}. Whoever has admin on all can make it another.`;
}
