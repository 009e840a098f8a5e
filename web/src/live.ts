// The fleet as it is now: a snapshot, then every change, over one WebSocket.

import { ask, type Change, type Measures, type Pending, Problem, problemOf, type Session, sessionPath, socketTo } from "./api";

const TRIPS = 20; // round trips of a session, as the daemon keeps them
const DETAILS = 40; // aliases that are asked for by name; beyond, all are
const KINDS = ["state", "host-key", "restored", "forward", "facts", "pending", "approved", "rejected", "replaced", "refused"];
const AGAIN = [1, 2, 5, 10]; // seconds
const SILENCE = 45_000; // milliseconds: three signs of life of the daemon that did not come
const ANSWER = 10_000; // milliseconds within which the daemon says whether it is there
const NAME = "event: ";
const DATA = "data: ";

// Tells of a `change` once a frame, and of each Change (`happened`) and Measures (`measured`) as it comes; of `silence`
// where the daemon's signs of life do not come any more.
export class Live extends EventTarget {
  readonly sessions = new Map<string, Session>();
  pending: Pending[] = [];
  connected = false;
  loaded = false; // whether what is watched is known
  refused = ""; // why the daemon gives no stream
  #whole = false; // whether all of the fleet was known once

  #alias: string | null = null;
  #socket: WebSocket | null = null;
  #heard = false; // whether the stream ever began
  #failures = 0;
  #retry = 0;
  #silence = 0;
  #stale = new Set<string>();
  #refreshing = false;
  #pendingAsked = false;
  #told = false;

  constructor(private readonly seesWaiting: boolean) {
    super();
  }

  // Follow one session closely, or all of them. A snapshot is told of, also where that was followed already.
  watch(alias: string | null): void {
    if (this.#socket && alias === this.#alias) {
      if (this.connected) queueMicrotask(() => this.dispatchEvent(new Event("snapshot"))); // once the view listens
      return;
    }
    this.close();
    this.#alias = alias;
    this.loaded = alias === null ? this.#whole : this.sessions.has(alias);
    this.#open();
  }

  #open(): void {
    const socket = socketTo(this.#path());
    this.#socket = socket;
    this.#heard = false;
    const lose = (): void => {
      if (socket !== this.#socket) return;
      socket.removeEventListener("close", lose); // which comes late where nobody answers
      window.clearTimeout(this.#silence);
      socket.close();
      void this.#broken(socket);
    };
    const listen = (): void => {
      if (socket !== this.#socket) return;
      window.clearTimeout(this.#silence);
      this.#silence = window.setTimeout(() => {
        lose();
        this.dispatchEvent(new Event("silence"));
      }, SILENCE);
    };
    socket.addEventListener("open", listen);
    socket.addEventListener("message", (event) => {
      listen();
      if (socket === this.#socket) this.#hear(event.data as string);
    });
    socket.addEventListener("close", lose);
  }

  #path(): string {
    // Written as a pattern, it may name a session that is yet to come.
    const one = this.#alias === null ? "" : `selector=${encodeURIComponent(`[${this.#alias[0]}]${this.#alias.slice(1)}`)}&`;
    return `/v1/events?${one}measures=${this.#alias === null ? 15 : 1}`;
  }

  // One event, as a stream of server-sent events has it; a comment is a sign of life alone.
  #hear(text: string): void {
    this.#heard = true;
    if (!text.startsWith(NAME)) return;
    const end = text.indexOf("\n");
    const kind = text.slice(NAME.length, end);
    const data: unknown = JSON.parse(text.slice(end + 1 + DATA.length));
    if (kind === "snapshot") this.#snapshot(data as { sessions: Session[] });
    else if (kind === "measures") this.#measure(data as Measures);
    else if (kind === "lost") this.#again(); // what is known is out of date: a new snapshot
    else if (KINDS.includes(kind)) this.#change(data as Change);
  }

  close(): void {
    window.clearTimeout(this.#retry);
    window.clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = null;
    // One that is not open yet would have the browser complain.
    if (socket?.readyState === WebSocket.CONNECTING) socket.addEventListener("open", () => socket.close());
    else socket?.close();
  }

  #again(): void {
    this.close();
    this.#open();
  }

  // Ask whether the daemon is there and knows us, and come back to it.
  async #broken(socket: WebSocket, waited = false): Promise<void> {
    this.connected = false;
    this.#tell();
    try {
      await within((signal) => ask("GET", "/signin", undefined, signal));
      if (waited && socket === this.#socket) this.#again();
      else if (!this.#heard) await this.#askWhy();
    } catch (error) {
      this.refused = "";
      if (error instanceof Problem && error.status === 401) return; // main.ts was told
    }
    if (socket !== this.#socket) return;
    const seconds = AGAIN[Math.min(this.#failures, AGAIN.length - 1)] as number;
    this.#failures += 1;
    this.#retry = window.setTimeout(() => void this.#broken(socket, true), seconds * 1000);
  }

  // A WebSocket that is refused does not say why.
  async #askWhy(): Promise<void> {
    this.refused = await within(async (signal) => {
      const answer = await fetch(this.#path(), { cache: "no-store", signal });
      return answer.ok ? "" : (await problemOf(answer)).words;
    });
    this.#tell();
  }

  #snapshot(snapshot: { sessions: Session[] }): void {
    if (this.#alias === null) {
      this.sessions.clear();
      this.#whole = true;
    } else if (snapshot.sessions.length === 0) this.sessions.delete(this.#alias);
    for (const session of snapshot.sessions) this.sessions.set(session.alias, session);
    this.connected = this.loaded = true;
    this.refused = "";
    this.#failures = 0;
    this.#tell();
    this.dispatchEvent(new Event("snapshot"));
    if (this.#alias === null) void this.refreshPending();
  }

  // Numbers, which change without anything happening.
  #measure(measures: Measures): void {
    for (const { alias, ping, channels, commands } of measures.sessions) {
      const session = this.sessions.get(alias);
      if (!session) continue;
      const again = ping === null || ping === session.ping;
      const latency = again ? session.latency : [...session.latency, ping].slice(-TRIPS);
      this.sessions.set(alias, { ...session, ping, latency, channels, commands });
    }
    // Who is new, or waits no more, an event tells.
    this.pending = this.pending.map((one) => measures.pending.find((other) => other.id === one.id) ?? one);
    this.dispatchEvent(new CustomEvent("measured", { detail: measures }));
    if (measures.sessions.length + measures.pending.length > 0) this.#tell();
  }

  #change(change: Change): void {
    this.dispatchEvent(new CustomEvent("happened", { detail: change }));
    const session = this.sessions.get(change.alias);
    if (change.state === "closed") {
      this.sessions.delete(change.alias);
      this.#stale.delete(change.alias);
    } else if (change.alias !== "") {
      if (session && change.state) {
        const { state, reason, error, at } = change;
        this.sessions.set(change.alias, { ...session, state, reason, error, since: at, hint: null, retry_in: null });
      }
      this.#stale.add(change.alias);
      void this.#refresh();
    }
    if (["pending", "approved", "rejected"].includes(change.kind)) void this.refreshPending();
    this.#tell();
  }

  // What an event does not tell (facts, peer, hint) is asked for once, whatever came meanwhile.
  async #refresh(): Promise<void> {
    if (this.#refreshing) return;
    this.#refreshing = true;
    try {
      while (this.#stale.size > 0) {
        const aliases = [...this.#stale];
        this.#stale.clear();
        await this.#read(aliases);
        this.#tell();
      }
    } catch {
      // The stream says when the daemon is back, with a snapshot.
    } finally {
      this.#refreshing = false;
    }
  }

  async #read(aliases: string[]): Promise<void> {
    if (aliases.length > DETAILS) {
      const { sessions } = await ask<{ sessions: Session[] }>("GET", "/v1/sessions");
      for (const session of sessions) this.sessions.set(session.alias, session);
      return;
    }
    const found = await Promise.allSettled(aliases.map((alias) => ask<Session>("GET", sessionPath(alias))));
    found.forEach((one, number) => {
      const alias = aliases[number] as string;
      if (one.status === "fulfilled") this.sessions.set(alias, one.value);
      else if (one.reason instanceof Problem && one.reason.status === 404) this.sessions.delete(alias);
    });
  }

  async refreshPending(): Promise<void> {
    if (this.#pendingAsked || !this.seesWaiting) return;
    this.#pendingAsked = true;
    await Promise.resolve(); // events come in bunches
    this.#pendingAsked = false;
    try {
      this.pending = (await ask<{ pending: Pending[] }>("GET", "/v1/pending")).pending;
    } catch {
      // The stream says when the daemon is back; until then what somebody fills in stays.
    }
    this.#tell();
  }

  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    requestAnimationFrame(() => {
      this.#told = false;
      this.dispatchEvent(new Event("change"));
    });
  }
}

// What is asked may be taken and never answered; what still comes of an answer is not waited for.
async function within<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const asking = new AbortController();
  const deadline = window.setTimeout(() => asking.abort(), ANSWER);
  try {
    return await work(asking.signal);
  } finally {
    window.clearTimeout(deadline);
    asking.abort();
  }
}
