// What a session carries: its forwards, with their numbers as they change.

import { ask, type Forward, type Measures, words } from "./api";
import { alertOf, bytes, fill, h } from "./dom";

const COLUMNS = ["Forward", "Listens", "Leads to", "State", "Connections", "Out", "In"];

export function forwardsSection(alias: string, mayAdd: boolean) {
  const rows = h("tbody");
  const table = h("table", {}, h("thead", {}, h("tr", {}, ...COLUMNS.map((name) => h("th", { scope: "col" }, name)))), rows);
  const adding = [" To carry a port: ", h("code", {}, `mooring forward add -L 8080:localhost:80 ${alias}`)];
  const empty = h("p", {}, "None.", ...(mayAdd ? adding : []));
  const body = h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Forwards and their numbers" });
  const known = new Map<string, HTMLElement>();
  let asked = 0;

  async function refresh(): Promise<void> {
    const mine = ++asked;
    try {
      const { forwards } = await ask<{ forwards: Forward[] }>("GET", `/v1/forwards?selector=${encodeURIComponent(alias)}`);
      if (mine !== asked) return;
      known.clear();
      fill(rows);
      forwards.forEach(show);
      fill(body, forwards.length > 0 ? table : empty);
    } catch (error) {
      if (mine === asked) fill(body, alertOf(words(error)));
    }
  }

  function show(forward: Forward): void {
    const row = rowOf(forward);
    const old = known.get(forward.name);
    if (old) old.replaceWith(row);
    else rows.append(row);
    known.set(forward.name, row);
  }

  return {
    element: h("section", { class: "card", "aria-labelledby": "forwards" }, h("h2", { id: "forwards" }, "Forwards"), body),
    refresh: () => void refresh(),
    measured: ({ forwards }: Measures) => forwards.filter(({ name }) => known.has(name)).forEach(show),
  };
}

function rowOf(forward: Forward): HTMLElement {
  const standing = forward.state === "standing";
  const state = forward.error && !standing ? `${forward.state}: ${forward.error}` : forward.state;
  return h(
    "tr",
    {},
    h("td", {}, forward.name, " ", h("small", {}, forward.kind)),
    h("td", {}, forward.listen),
    h("td", {}, forward.destination ?? "as each asks"),
    h("td", {}, h("span", { class: `state ${standing ? "up" : "backoff"}` }, state)),
    h("td", { class: "number" }, String(forward.connections)),
    h("td", { class: "number" }, bytes(forward.sent)),
    h("td", { class: "number" }, bytes(forward.received)),
  );
}
