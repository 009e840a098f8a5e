// The audit trail: who did what, newest first, a page at a time. What has a beginning and an end is one line.

import { ask, type AuditPage, type AuditRecord, type AuditReport, Problem, words } from "./api";
import { alertOf, cell, fill, h, type Leave, lasted, when } from "./dom";

const AT_ONCE = 100;
const OUTCOMES = ["begun", "done", "failed", "cancelled", "refused"];
const AGES: [string, number][] = [
  ["at any time", 0],
  ["in the last hour", 3600],
  ["in the last day", 86_400],
  ["in the last week", 604_800],
  ["in the last month", 2_592_000],
];
const COLUMNS = ["When", "Who", "What", "On", "Outcome", "Took", "More"];

// What began and how it ended, as far as both have come.
interface Deed {
  begun: AuditRecord | null;
  ended: AuditRecord | null;
  row: HTMLTableRowElement;
}

export function showAudit(page: Element): Leave {
  const who = field("who", "ci, ann*");
  const what = field("what", "run, files");
  const on = field("alias", "edge*");
  const outcome = h("select", { id: "audit-outcome" }, h("option", { value: "" }, "any"), ...OUTCOMES.map((one) => h("option", {}, one)));
  const since = h("select", { id: "audit-since" }, ...AGES.map(([name, seconds]) => h("option", { value: seconds }, name)));
  const rows = h("tbody");
  const table = h("table", { class: "wide audit", hidden: true }, h("thead", {}, h("tr", {}, ...COLUMNS.map((name) => h("th", { scope: "col" }, name)))), rows);
  const more = h("button", { type: "button", hidden: true, click: () => void read(next) }, "Show older ones");
  const how = h("p", { class: "how", role: "status" });
  const checked = h("p", { class: "how", role: "status" });
  const empty = h("div", { class: "empty", hidden: true });
  const deeds = new Map<number, Deed>();
  let next: number | null = null;
  let asked = 0;

  async function read(start: number | null): Promise<void> {
    const mine = ++asked;
    more.disabled = true;
    try {
      const { records, next: older } = await ask<AuditPage>("GET", `/v1/audit?${query(start)}`);
      if (mine !== asked) return; // other filters were set meanwhile
      if (start === null) {
        deeds.clear();
        fill(rows);
      }
      records.forEach(take);
      next = older;
      told();
    } catch (error) {
      if (mine !== asked) return;
      table.hidden = true;
      if (error instanceof Problem && error.code === "state-error") fill(empty, ...notKept(error));
      else fill(empty, alertOf(words(error)));
      empty.hidden = false;
    } finally {
      more.disabled = false;
    }
  }

  function query(start: number | null): URLSearchParams {
    const given = new URLSearchParams({ limit: String(AT_ONCE) });
    const filters = { who: who.value, what: what.value, alias: on.value, outcome: outcome.value };
    for (const [name, value] of Object.entries(filters)) if (value.trim() !== "") given.set(name, value.trim());
    if (since.value !== "0") given.set("since", String(Date.now() / 1000 - Number(since.value)));
    if (start !== null) given.set("start", String(start));
    return given;
  }

  function take(record: AuditRecord): void {
    const known = deeds.get(record.of ?? record.seq);
    const deed = known ?? { begun: null, ended: null, row: h("tr") };
    if (record.of === null) deed.begun = record;
    else deed.ended = record;
    draw(deed);
    if (known) return;
    deeds.set(record.of ?? record.seq, deed);
    rows.append(deed.row);
  }

  function told(): void {
    table.hidden = deeds.size === 0;
    more.hidden = next === null;
    empty.hidden = deeds.size > 0;
    how.textContent = deeds.size === 0 ? "" : `${deeds.size} shown${next === null ? ", that is all" : ""}`;
    if (!empty.hidden) fill(empty, ...nothing());
  }

  async function verify(): Promise<void> {
    checked.classList.remove("fault");
    checked.textContent = "checking every record";
    try {
      const report = await ask<AuditReport>("GET", "/v1/audit/verify");
      const faulty = report.faults.length > 0;
      checked.classList.toggle("fault", faulty);
      fill(
        checked,
        faulty ? `The trail does not hold together: ${report.faults.map((fault) => fault.message).join("; ")}` : `${report.records} records hold together.`,
        " The end, to keep elsewhere: ",
        h("code", {}, `${report.last}:${report.hash}`),
      );
    } catch (error) {
      fill(checked, alertOf(words(error)));
    }
  }

  const form = h(
    "form",
    {
      class: "filters card",
      submit: (event: SubmitEvent) => {
        event.preventDefault();
        void read(null);
      },
      change: () => void read(null),
    },
    labelled("Who", who),
    labelled("What", what),
    labelled("On session", on),
    labelled("Outcome", outcome),
    labelled("Since", since),
    h("button", { type: "submit", class: "first" }, "Show"),
    h("button", { type: "button", click: () => void verify() }, "Verify"),
  );
  fill(page, h("main", { class: "page" }, h("h1", {}, "What was done"), form, checked, h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Records" }, table), empty, how, more));
  void read(null);
  return () => {
    asked += 1;
  };
}

function field(name: string, placeholder: string): HTMLInputElement {
  return h("input", { id: `audit-${name}`, placeholder, autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
}

function labelled(label: string, control: HTMLElement): HTMLElement {
  return h("label", { for: control.id }, label, control);
}

function draw(deed: Deed): void {
  const { begun, ended } = deed;
  const record = (begun ?? ended) as AuditRecord;
  const { outcome } = ended ?? record;
  const detail = { ...begun?.detail, ...ended?.detail };
  const seconds = detail["seconds"];
  const at = begun || typeof seconds !== "number" ? record.at : record.at - seconds;
  const cells: [string, (Node | string)[]][] = [
    ["When", [when(at)]],
    ["Who", [record.who || "nobody known", " ", h("small", {}, record.door)]],
    ["What", [record.what]],
    ["On", record.alias ? [h("a", { href: `#/sessions/${record.alias}` }, record.alias)] : []],
    ["Outcome", [h("span", { class: `state ${outcome}` }, outcome === "begun" ? "under way" : outcome)]],
    ["Took", typeof seconds === "number" ? [lasted(seconds)] : []],
    ["More", [more(detail)]],
  ];
  fill(deed.row, ...cells.map(([name, inside]) => cell(name, inside)));
}

// The command or path in sight, the rest where one asks for it.
function more(detail: Record<string, unknown>): Node {
  const rest = Object.entries(detail).filter(([name]) => name !== "seconds");
  const first = ["command", "path", "target", "listen", "error"].map((name) => detail[name]).find((value) => typeof value === "string");
  const text = rest.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
  if (rest.length === 0) return h("span");
  if (rest.length === 1) return h("code", {}, String(first ?? text[0]));
  return h("details", {}, h("summary", {}, h("code", {}, String(first ?? text[0]))), ...text.map((line) => h("div", {}, line)));
}

function notKept(error: Problem): Node[] {
  return [
    h("h2", {}, "Nothing is recorded"),
    h("p", {}, `${error.message}. To have it record who did what, write into its configuration and start it again:`),
    h("pre", {}, h("code", {}, "[audit]\nenabled = true")),
  ];
}

function nothing(): Node[] {
  return [
    h("h2", {}, "No record matches"),
    h("p", {}, "Who and session take * and ?; what is an action with all of its kinds (files) or one of them (files.write)."),
    h("p", {}, "The same on the command line:"),
    h("pre", {}, h("code", {}, "mooring audit --who 'ann*' --outcome refused --since 1d")),
  ];
}
