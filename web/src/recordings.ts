// What terminals showed: a list, to be played.

import { ask, Problem, type Recording, words } from "./api";
import { alertOf, bytes, fill, h, lasted, type Leave, when } from "./dom";
import { List } from "./list";
import { urlOf } from "./player";

const COLUMNS = ["Began", "Session", "Who", "What", "Length", "Size", "Do"];

export function showRecordings(page: Element): Leave {
  const search = h("input", { id: "recordings", type: "search", placeholder: "edge1, ann", autocomplete: "off", spellcheck: "false" });
  const list = new List<Recording>("Recordings", COLUMNS, cells);
  const found = h("p", { class: "how", role: "status" });
  const fault = h("div");
  const empty = h("div", { class: "empty", hidden: true });
  let recordings: Recording[] = [];
  let left = false;

  list.element.hidden = true;
  list.element.classList.add("recordings");

  async function read(): Promise<void> {
    try {
      recordings = (await ask<{ recordings: Recording[] }>("GET", "/v1/recordings")).recordings.reverse();
      if (!left) draw();
    } catch (error) {
      if (left) return;
      empty.hidden = false;
      if (error instanceof Problem && error.code === "state-error") fill(empty, ...notKept(error));
      else fill(empty, alertOf(words(error)));
    }
  }

  function draw(): void {
    const wanted = search.value.trim().toLowerCase();
    const shown = recordings.filter(({ alias, who, what }) => `${alias} ${who} ${what}`.toLowerCase().includes(wanted));
    list.element.hidden = shown.length === 0;
    list.show(shown);
    empty.hidden = recordings.length > 0;
    found.textContent = recordings.length === 0 ? "" : `${shown.length} of ${recordings.length} recordings`;
    if (!empty.hidden) fill(empty, ...nothing());
  }

  function cells(recording: Recording): Node[] {
    const { id, alias, who, door, what, began, seconds, bytes: size, columns, rows: high } = recording;
    const remove = h("button", { type: "button", class: "small", "aria-label": `Remove the recording of ${alias}` }, "Remove");
    let sure = false;
    remove.addEventListener("click", () => {
      if (sure) void take(id);
      sure = true;
      remove.textContent = "Really?";
      remove.classList.add("grave");
    });
    return [
      when(began),
      h("span", { class: "name" }, h("a", { href: `#/sessions/${alias}` }, alias)),
      h("span", {}, who, " ", h("small", {}, door)),
      h("span", {}, what, " ", h("small", {}, `${columns}×${high}`)),
      h("span", { class: "number" }, seconds === null ? h("span", { class: "state up" }, "goes on") : lasted(seconds)),
      h("span", { class: "number" }, bytes(size)),
      h(
        "span",
        { class: "buttons" },
        h("a", { class: "button small", href: `#/recordings/${encodeURIComponent(id)}`, "aria-label": `Play the recording of ${alias}` }, "Play"),
        seconds === null ? null : remove,
      ),
    ];
  }

  async function take(id: string): Promise<void> {
    fill(fault);
    try {
      await ask("DELETE", urlOf(id));
    } catch (error) {
      fill(fault, alertOf(words(error)));
    }
    await read();
  }

  search.addEventListener("input", draw);
  fill(
    page,
    h(
      "main",
      { class: "listing" },
      h("h1", {}, "What terminals showed"),
      h("div", { class: "tools" }, h("label", { for: "recordings", class: "unseen" }, "Search recordings"), search, found),
      fault,
      list.element,
      empty,
    ),
  );
  void read();
  return () => {
    left = true;
  };
}

function notKept(error: Problem): Node[] {
  return [
    h("h2", {}, "No terminal is recorded"),
    h("p", {}, `${error.message}. To have it keep what terminals show, write into its configuration and start it again:`),
    h("pre", {}, h("code", {}, "[recordings]\nenabled = true")),
  ];
}

function nothing(): Node[] {
  return [
    h("h2", {}, "No recording yet"),
    h("p", {}, "Terminals are recorded from their beginning on. Open one on a session's page, or on the command line:"),
    h("pre", {}, h("code", {}, "mooring term edge1")),
  ];
}
