// The fleet at a glance: who waits to be let in, and every session with how it stands.

import { granted, mayAll, type Session, type Whom } from "./api";
import { ages, fill, h, type Leave, since } from "./dom";
import type { FanOut } from "./fanout";
import { List } from "./list";
import type { Live } from "./live";
import { pendingSection } from "./pending";
import { selecting } from "./selector";
import { milliseconds, spark } from "./spark";

const STATES: Session["state"][] = ["up", "connecting", "backoff", "awaiting", "parked"];
const FACTS = ["hostname", "device_model", "os_name", "os_version"];
const kept = { search: "", state: "", aliases: new Set<string>() }; // over a visit to a session

export function showFleet(page: Element, live: Live, whom: Whom, many: FanOut | null): Leave {
  const search = h("input", {
    id: "search",
    type: "search",
    value: kept.search,
    placeholder: "edge1, site:ams, edge*, !lab*",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "found",
  });
  const found = h("p", { id: "found", role: "status" });
  const states = h("div", { class: "states", role: "group", "aria-label": "Show one state alone" });
  const pending = pendingSection(live, whom);
  const list = new List<Session>("Sessions", ["State", "Session", "About", "Latency", "Since", "Why"], cells);
  const empty = h("div", { class: "empty" });
  let shown: Session[] = [];
  const buttons = STATES.map((state) => stateButton(state, () => draw()));
  fill(states, ...buttons.map(({ button }) => button));
  fill(
    page,
    h(
      "main",
      { class: "fleet" },
      h("h1", { class: "unseen" }, "The fleet"),
      pending.element,
      h("div", { class: "tools" }, h("label", { for: "search", class: "unseen" }, "Search or selector"), search, states, found),
      many?.element,
      list.element,
      empty,
    ),
  );

  function draw(): void {
    const counts = new Map<string, number>();
    const match = selecting(search.value, isAlias);
    shown = [];
    for (const session of live.sessions.values()) {
      if (!match(session)) continue;
      counts.set(session.state, (counts.get(session.state) ?? 0) + 1);
      if (kept.state === "" || kept.state === session.state) shown.push(session);
    }
    for (const { state, show } of buttons) show(counts.get(state) ?? 0);
    const text = live.loaded ? `${shown.length} of ${live.sessions.size} sessions` : "Connecting to the daemon";
    if (found.textContent !== text) found.textContent = text;
    list.element.hidden = shown.length === 0;
    if (many) many.element.hidden = live.sessions.size === 0;
    many?.show(shown.map((session) => session.alias));
    empty.hidden = shown.length > 0 || !live.loaded;
    if (!empty.hidden) fill(empty, ...(live.sessions.size === 0 ? welcome(whom) : nothingFound()));
    list.show(shown);
    pending.draw();
  }

  // What was an alias as the search was written stays one: it would mean others once its session is gone.
  function isAlias(term: string): boolean {
    if (live.sessions.has(term)) kept.aliases.add(term);
    return kept.aliases.has(term);
  }

  function written(): void {
    kept.search = search.value;
    kept.aliases.clear();
    draw();
  }

  search.addEventListener("input", written);
  live.addEventListener("change", draw);
  const clock = window.setInterval(() => document.hidden || ages(page), 10_000); // what "5m" says
  draw();
  return () => {
    live.removeEventListener("change", draw);
    window.clearInterval(clock);
  };
}

function stateButton(state: Session["state"], changed: () => void) {
  const count = h("b", {}, "0");
  const button = h(
    "button",
    {
      type: "button",
      class: `state ${state}`,
      "aria-pressed": "false",
      click: () => {
        kept.state = kept.state === state ? "" : state;
        changed();
      },
    },
    count,
    ` ${state}`,
  );
  const show = (number: number): void => {
    if (count.textContent !== String(number)) count.textContent = String(number);
    button.setAttribute("aria-pressed", String(kept.state === state));
  };
  return { button, state, show };
}

function cells(session: Session): (Node | string)[] {
  const link = h("a", { href: `#/sessions/${session.alias}` }, session.alias);
  const way = session.direction === "dialed" ? "dialed" : "called home";
  const why = session.state === "up" ? "" : [session.reason, advice(session)].filter(Boolean).join(": ");
  return [
    h("span", { class: `state ${session.state}` }, session.state),
    h("span", { class: "name" }, link, h("small", {}, way)),
    h("span", { class: "about" }, ...session.labels.map((label) => h("i", { class: "label" }, label)), h("small", {}, facts(session))),
    h("span", { class: "latency" }, ...(session.ping === null || session.latency.length === 0 ? [] : [spark(session.latency), milliseconds(session.ping)])),
    since(session.since),
    h("span", { class: "trouble", title: why }, why),
  ];
}

// What to do about a session that is not up, or what is done about it anyway.
export function advice(session: Session): string | null {
  if (session.hint) return session.hint;
  if (session.state === "awaiting") return "its device dials by itself; if it does not, look at the device and its network";
  if (session.error === null) return null;
  if (session.state === "backoff") return "it is tried again by itself; if that goes on, see whether the host and its SSH server run";
  return session.state === "parked" ? "mend it, then connect" : null;
}

export function facts(session: Session): string {
  return FACTS.map((name) => session.facts[name])
    .filter((fact) => typeof fact === "string" && fact !== "")
    .join(" ");
}

function welcome(whom: Whom): Node[] {
  if (!mayAll(whom)) return [h("h2", {}, "No session that this token may see"), h("p", {}, granted(whom))];
  return [
    h("h2", {}, "No session yet"),
    h("p", {}, "Hold one that the daemon dials; it stays up from then on:"),
    h("pre", {}, h("code", {}, "mooring start edge1://admin@192.0.2.7")),
    h("p", {}, "Or have devices call home, and approve them here:"),
    h("pre", {}, h("code", {}, "mooringd --call-home 0.0.0.0:4334")),
    h("p", {}, "To look round without a fleet, let three simulated devices call:"),
    h("pre", {}, h("code", {}, "mooring simulate junos --count 3 --call-home 127.0.0.1:4334")),
  ];
}

function nothingFound(): Node[] {
  return [
    h("h2", {}, "No session matches"),
    h("p", {}, "Search for a part of a name, label or fact, or write a selector: edge1, a,b, edge*, site:ams, !lab*."),
  ];
}
