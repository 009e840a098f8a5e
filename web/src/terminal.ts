// A terminal on one session. The daemon keeps it: it goes on when the page is left, and is come back to by its name,
// which stands in the address, also while the connection to the daemon is lost.

import { ask, Problem, type Terminal, words } from "./api";
import { Channel, type Notice } from "./channel";
import { ago, alertOf, fill, h, type Leave } from "./dom";
import type { Live } from "./live";
import { makeScreen } from "./screen";

// What the keyboard of a telephone has no keys for.
const KEYS = { Esc: "\x1b", Tab: "\t", "Ctrl-C": "\x03", "Ctrl-D": "\x04", "Ctrl-Z": "\x1a", "↑": "A", "↓": "B", "←": "D", "→": "C" };

const AGAIN = [1, 2, 5, 10]; // seconds before each attempt to come back to a terminal

export function terminalSection(alias: string, name: string | undefined, live: Live): { element: HTMLElement; refresh: () => void; leave: Leave } {
  const others = h("ul", { class: "others" });
  const place = h("div", { class: "screen" });
  const how = h("p", { class: "how", role: "status" });
  const hint = h("small", { hidden: true }, "Ctrl+Shift+F6 leads out of the terminal.");
  const start = h("button", { type: "button", class: "first", click: () => void open() }, "Open a terminal");
  const take = h("button", { type: "button", hidden: true, click: () => channel?.take() }, "Take over");
  const detach = h("button", { type: "button", hidden: true, click: () => leaveTerminal("It goes on without you.") }, "Detach");
  const hangUp = h("button", { type: "button", hidden: true, click: () => void end() }, "Hang up");
  const keys = h("div", { class: "keys", role: "group", "aria-label": "Keys", hidden: true });
  let channel: Channel | null = null;
  let current: string | undefined;
  let dispose: Leave | null = null;
  let left = false;
  let meant = name; // to be come back to, once it is known that there is such a session, or the daemon is back
  let failures = 0; // since there was a terminal
  let retry = 0;

  async function open(attach?: string): Promise<void> {
    window.clearTimeout(retry);
    meant = undefined;
    leaveTerminal("");
    start.disabled = true;
    try {
      const { screen, fit } = await makeScreen({ scrollback: 5000 });
      if (left) return;
      screen.attachCustomKeyEventHandler((event) => {
        if (!(event.key === "F6" && event.ctrlKey && event.shiftKey)) return true;
        detach.focus(); // all other keys are the terminal's
        return false;
      });
      place.hidden = hint.hidden = false;
      screen.open(place);
      fit.fit();
      show(screen, fit, attach);
    } catch (error) {
      meant = attach; // what shows it could not be fetched
      fill(how, alertOf(words(error) + comeBack()));
    } finally {
      start.disabled = false;
    }
  }

  function show(screen: import("@xterm/xterm").Terminal, fit: import("@xterm/addon-fit").FitAddon, attach?: string): void {
    const term = { type: "xterm-256color", columns: screen.cols, rows: screen.rows };
    const opening = attach ? { kind: "terminal" as const, name: attach, view: "attach" as const, term } : { kind: "terminal" as const, term };
    const mine = new Channel(alias, opening, {
      opened: (given) => {
        current = given;
        failures = 0;
        detach.hidden = hangUp.hidden = keys.hidden = false;
        start.hidden = true;
        history.replaceState(null, "", `#/sessions/${alias}/terminals/${encodeURIComponent(given ?? "")}`);
        how.textContent = `terminal ${given}`;
        if (!document.activeElement?.matches("input, textarea, select")) screen.focus(); // somebody may type there
        void list();
      },
      output: (data) => screen.write(data),
      notice: (notice) => drives(notice),
      ended: (end) => {
        if (end instanceof Problem && end.status === 0) meant = current ?? attach;
        const told = end instanceof Problem ? end.words : `it ended with ${end.exit_signal ?? `exit status ${end.exit_status ?? "not told"}`}`;
        closed(told + comeBack());
      },
    });
    channel = mine;
    fill(keys, ...Object.entries(KEYS).map(([label, text]) => key(screen, label, text)));
    screen.onData((text) => mine.write(text));
    screen.onBinary((text) => mine.write(Uint8Array.from(text, (char) => char.charCodeAt(0))));
    screen.onResize(({ cols, rows }) => mine.resize(cols, rows));
    const watch = new ResizeObserver(() => fit.fit());
    watch.observe(place);
    dispose = () => {
      watch.disconnect();
      mine.close();
      screen.dispose();
    };
  }

  function drives(notice: Notice): void {
    take.hidden = notice.drives;
    const who = notice.drives ? "you type" : notice.driver ? `${notice.driver} types, you look on` : "nobody types";
    const missed = notice.missed > 0 ? `; ${notice.missed} bytes went by too fast` : "";
    how.textContent = `terminal ${current}: ${who}${missed}`;
  }

  // Nothing more comes; what is on the screen stays to be read.
  function closed(told: string): void {
    channel = null;
    current = undefined;
    start.hidden = false;
    take.hidden = detach.hidden = hangUp.hidden = keys.hidden = true;
    how.textContent = told;
    if (!left && !meant) history.replaceState(null, "", `#/sessions/${alias}`);
    void list();
  }

  function leaveTerminal(told: string): void {
    dispose?.();
    dispose = null;
    place.hidden = hint.hidden = true;
    if (channel) closed(told);
  }

  async function end(): Promise<void> {
    try {
      await ask("DELETE", `/v1/terminals/${encodeURIComponent(alias)}/${encodeURIComponent(current ?? "")}`);
    } catch (error) {
      fill(how, alertOf(words(error)));
    }
  }

  // Its connection alone may be lost: then no snapshot tells of the daemon.
  function comeBack(): string {
    if (!meant || left) return "";
    const seconds = AGAIN[failures];
    if (seconds === undefined) return "; attach it below, if it is there";
    failures += 1;
    retry = window.setTimeout(() => {
      if (live.connected && live.sessions.has(alias)) begin();
      else how.textContent = `terminal ${meant} is attached again when the daemon is back`;
    }, seconds * 1000);
    return `; terminal ${meant} is attached again in ${seconds} s`;
  }

  function begin(): void {
    if (meant) void open(meant);
  }

  async function list(): Promise<void> {
    if (left) return;
    try {
      const { terminals } = await ask<{ terminals: Terminal[] }>("GET", `/v1/terminals?selector=${encodeURIComponent(alias)}`);
      const there = terminals.filter((one) => one.name !== current);
      fill(others, ...there.map(item));
    } catch {
      fill(others); // the session is not there; the page says so
    }
  }

  function item(one: Terminal): HTMLElement {
    const what = `${one.name}: ${one.program ?? "shell"}, opened by ${one.opened_by} ${ago(one.since)} ago, ${one.viewers.length} look at it`;
    return h("li", {}, h("button", { type: "button", class: "small", click: () => void open(one.name) }, `Attach ${one.name}`), " ", what);
  }

  const silence = (): void => channel?.lose(); // its own is as quiet when nobody types

  place.hidden = true;
  live.addEventListener("silence", silence);
  if (live.sessions.has(alias)) begin();
  return {
    element: h(
      "section",
      { class: "card", "aria-labelledby": "terminal" },
      h("h2", { id: "terminal" }, "Terminal"),
      h("div", { class: "buttons" }, start, take, detach, hangUp),
      how,
      place,
      keys,
      hint,
      others,
    ),
    refresh: () => {
      failures = 0;
      begin();
      void list();
    },
    leave: () => {
      left = true;
      live.removeEventListener("silence", silence);
      window.clearTimeout(retry);
      dispose?.();
    },
  };
}

function key(screen: import("@xterm/xterm").Terminal, label: string, text: string): HTMLElement {
  const press = (): void => {
    const arrow = /^[A-D]$/.test(text);
    screen.input(arrow ? `\x1b${screen.modes.applicationCursorKeysMode ? "O" : "["}${text}` : text);
    screen.focus();
  };
  return h("button", { type: "button", class: "small", click: press }, label);
}
