// One session: how it stands, and what happened to it.

import { ask, type Change, granted, may, mayAll, type Measures, type Session, sessionPath, type Whom, words } from "./api";
import { alertOf, ago, counted, fill, h, type Leave, when } from "./dom";
import { commandSection } from "./command";
import { filesSection } from "./files";
import { advice, facts } from "./fleet";
import { forwardsSection } from "./forwards";
import type { Live } from "./live";
import { netconfSection } from "./netconf";
import { milliseconds, spark } from "./spark";
import { terminalSection } from "./terminal";
import { trustBox } from "./trust";

export function showSession(page: Element, live: Live, whom: Whom, alias: string, terminal?: string): Leave {
  const state = h("span", { class: "state" });
  const trouble = h("div", { class: "trouble", role: "status" });
  const trust = h("div");
  const fault = h("div");
  const labels = h("span");
  const about = h("dl", { class: "about" });
  const pace = h("div", { class: "pace" });
  const retry = h("button", { type: "button", click: () => void act("POST", "/retry") }, "Connect now");
  const command = may(whom, "run") ? commandSection(alias) : null;
  const screen = may(whom, "shell") ? terminalSection(alias, terminal, live) : null;
  const files = may(whom, "files") ? filesSection(alias) : null;
  const forwards = forwardsSection(alias, may(whom, "forward"));
  const history = historySection(alias);
  const columns = h("div", { class: "columns" });
  let drawn: Session | undefined;
  let seen = false;

  function trusts(session: Session): boolean {
    return Boolean(session.offered_key) && mayAll(whom);
  }

  async function act(method: string, path: string): Promise<void> {
    fill(fault);
    try {
      await ask(method, sessionPath(alias) + path);
    } catch (error) {
      fill(fault, alertOf(words(error)));
    }
  }

  function draw(): void {
    const session = live.sessions.get(alias);
    if (!session) {
      state.className = "state closed";
      state.textContent = live.loaded ? "not held" : "";
      fill(trouble, ...(live.loaded ? nobody(alias, whom) : []));
      fill(trust);
    } else if (session !== drawn) {
      state.className = `state ${session.state}`;
      state.textContent = session.state;
      fill(trouble, ...why(session, trusts(session)));
      fill(labels, ...session.labels.map((label) => h("i", { class: "label" }, label)), h("small", {}, facts(session)));
      fill(about, ...told(session));
      fill(pace, ...latency(session));
      if (session.offered_key !== drawn?.offered_key || session.error !== drawn?.error) {
        fill(trust, trusts(session) ? trustBox(session) : null);
      }
    }
    seen ||= session !== undefined;
    columns.hidden = live.loaded && !seen; // one that was there leaves what is on its screen
    retry.hidden = !session || session.state === "up" || session.direction !== "dialed" || !may(whom);
    drawn = session;
  }

  const happened = (event: Event): void => {
    const { alias: whose, kind } = (event as CustomEvent<Change>).detail;
    if (whose !== alias) return;
    history.refresh();
    if (["state", "restored", "forward"].includes(kind)) forwards.refresh(); // they stand and fall with it
  };
  const anew = (): void => {
    if (!live.sessions.has(alias)) return; // the page says so
    history.refresh();
    forwards.refresh();
    screen?.refresh();
  };
  const measured = (event: Event): void => forwards.measured((event as CustomEvent<Measures>).detail);

  fill(
    columns,
    h("div", { class: "work" }, command?.element, screen?.element, may(whom, "netconf") ? netconfSection(alias) : null, files?.element, forwards.element),
    h(
      "div",
      { class: "known" },
      h("section", { class: "card", "aria-labelledby": "about" }, h("h2", { id: "about" }, "About"), pace, about),
      history.element,
    ),
  );
  fill(
    page,
    h(
      "main",
      { class: "session" },
      h("div", { class: "title" }, h("h1", {}, alias), state, labels, retry),
      trouble,
      trust,
      fault,
      columns,
    ),
  );
  live.addEventListener("change", draw);
  live.addEventListener("happened", happened);
  live.addEventListener("measured", measured);
  live.addEventListener("snapshot", anew);
  draw();
  return () => {
    live.removeEventListener("change", draw);
    live.removeEventListener("happened", happened);
    live.removeEventListener("measured", measured);
    live.removeEventListener("snapshot", anew);
    command?.leave();
    screen?.leave();
    files?.leave();
  };
}

function nobody(alias: string, whom: Whom): Node[] {
  if (!mayAll(whom)) return [h("p", {}, `No session that this token may see is called ${alias}. ${granted(whom)}`)];
  return [h("p", {}, `No session is called ${alias}. To hold one:`), h("pre", {}, h("code", {}, `mooring start ${alias}://user@host`))];
}

// Why it is not up, and what to do about it.
function why(session: Session, trusts: boolean): Node[] {
  if (session.state === "up") return [h("p", { class: "reason" }, session.reason)];
  const todo = trusts ? "compare the fingerprint with the host's own, and trust the key below if they are the same" : advice(session);
  const again = session.retry_in === null ? "" : `It tries again within ${Math.ceil(session.retry_in)} s, for the ${ordinal(session.attempts + 1)} time.`;
  return [
    h("p", { class: "reason" }, session.reason, session.error ? h("code", {}, session.error) : null),
    ...(todo ? [h("p", { class: "hint" }, h("b", {}, "What to do: "), todo)] : []),
    ...(again ? [h("p", { class: "hint" }, again)] : []),
  ];
}

function ordinal(number: number): string {
  const last = number % 100 > 10 && number % 100 < 14 ? 0 : number % 10;
  return `${number}${["th", "st", "nd", "rd"][last] ?? "th"}`;
}

function latency(session: Session): Node[] {
  if (session.ping === null || session.latency.length === 0) return [];
  return [h("b", {}, milliseconds(session.ping)), spark(session.latency, 240, 40), h("small", {}, counted(session.latency.length, "round trip"))];
}

function historySection(alias: string) {
  const list = h("ol", { class: "history", tabindex: 0, "aria-label": "What happened, newest first" });
  let asking = false;
  let again = false;

  // Events come in bunches: one question at a time, and one more if there was another event meanwhile.
  async function refresh(): Promise<void> {
    again = asking;
    if (asking) return;
    asking = true;
    try {
      const { history } = await ask<{ history: Change[] }>("GET", `${sessionPath(alias)}/history`);
      fill(list, ...history.reverse().map(line));
    } catch {
      fill(list); // it is not held; the page says so
    } finally {
      asking = false;
    }
    if (again) await refresh();
  }

  return {
    element: h("section", { class: "card", "aria-labelledby": "history" }, h("h2", { id: "history" }, "What happened"), list),
    refresh: () => void refresh(),
  };
}

function line(change: Change): HTMLElement {
  const kind = change.state ?? change.kind;
  return h("li", {}, when(change.at), h("span", { class: `state ${kind}` }, kind), h("span", { class: "what" }, change.reason));
}

function told(session: Session): HTMLElement[] {
  const found = Object.entries(session.facts).map(([name, fact]): [string, unknown] => [name.replaceAll("_", " "), fact]);
  const { open, limit, waiting, forwarded } = session.channels;
  const rows: [string, unknown][] = [
    ["target", session.target],
    ["direction", session.direction === "dialed" ? "dialed" : "called home"],
    ["since", `${ago(session.since)} ago, ${counted(session.connects, "connection")} so far`],
    ["logged in as", session.username],
    ["peer", session.peer],
    ["through", session.via.join(", ")],
    ["server", session.server],
    ["host key", session.host_key && `${session.host_key} (${session.host_key_policy})`],
    ["algorithms", Object.values(session.algorithms).filter(Boolean).join(", ")],
    ["old algorithms", session.legacy.join(", ")],
    ["channels", `${open} of ${limit} open, ${waiting} waiting, ${forwarded} forwarded`],
    ["commands", session.commands],
    ["last error", session.error],
    ...found,
  ];
  return rows.flatMap(([name, value]) =>
    value === null || value === undefined || value === "" ? [] : [h("dt", {}, name), h("dd", {}, plain(value))],
  );
}

function plain(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
