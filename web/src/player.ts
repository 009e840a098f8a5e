// A recording played: what a terminal showed, at the pace of then or another.

import { words } from "./api";
import { type Cast, livelier, readCast, type Shown, sizeOf } from "./cast";
import { alertOf, fill, h, lasted, type Leave } from "./dom";
import { makeScreen } from "./screen";

const SPEEDS = [0.5, 1, 2, 5, 10, 20];
const STILL = 2; // seconds of stillness that are left where it is skipped
const NAMED = 10; // damaged lines whose numbers are told
const STEP = 5; // seconds that an arrow key goes

type Screen = import("@xterm/xterm").Terminal;

export function showPlayer(page: Element, id: string): Leave {
  const leaving = new AbortController();
  const place = h("div", { class: "screen played" });
  const how = h("p", { class: "how", role: "status" }, "fetching the recording");
  const title = h("h1", {}, "Recording");
  fill(
    page,
    h(
      "main",
      { class: "page player" },
      h("div", { class: "title" }, title, h("a", { class: "button", href: urlOf(id), download: `${id}.cast` }, "Download")),
      place,
      how,
    ),
  );
  let dispose: Leave | null = null;

  async function open(): Promise<void> {
    try {
      const cast = await readCast(urlOf(id), leaving.signal);
      const { screen } = await makeScreen({ cols: cast.columns, rows: cast.rows, disableStdin: true, scrollback: 0, cursorInactiveStyle: "none" });
      if (leaving.signal.aborted) return;
      if (cast.title) title.textContent = cast.title;
      if (cast.damaged.length) place.before(h("p", { class: "how", role: "alert" }, damagedOf(cast.damaged)));
      screen.open(place);
      screen.attachCustomKeyEventHandler(() => false);
      screen.textarea?.setAttribute("tabindex", "-1"); // nothing is typed here
      const player = new Player(cast, screen, place, how);
      place.after(player.controls);
      dispose = () => player.dispose();
      player.controls.querySelector("button")?.focus();
    } catch (error) {
      if (!leaving.signal.aborted) fill(how, alertOf(words(error)));
    }
  }

  void open();
  return () => {
    leaving.abort();
    dispose?.();
  };
}

export function urlOf(id: string): string {
  return `/v1/recordings/${encodeURIComponent(id)}`;
}

function damagedOf(lines: readonly number[]): string {
  const more = lines.length > NAMED ? ` and ${lines.length - NAMED} more` : "";
  return `The recording is damaged: passed over ${lines.length > 1 ? "lines" : "line"} ${lines.slice(0, NAMED).join(", ")}${more}.`;
}

class Player {
  readonly controls: HTMLElement;
  #events: Shown[];
  #next = 0; // the event that comes next
  #at = 0; // seconds from the beginning
  #playing = false;
  #frame = 0;
  #before = 0;
  #play = h("button", { type: "button", class: "first play", click: () => this.#toggle() }, "Play");
  #slider = h("input", { type: "range", min: 0, step: 0.1, "aria-label": "Position" });
  #time = h("span", { class: "time" });
  #speed = h("select", { id: "speed", "aria-label": "Speed" }, ...SPEEDS.map((speed) => h("option", { value: speed, selected: speed === 1 }, `${speed}×`)));
  #skip = h("input", { id: "skip", type: "checkbox" });
  #watch: ResizeObserver;

  constructor(
    private readonly cast: Cast,
    private readonly screen: Screen,
    private readonly place: HTMLElement,
    private readonly how: HTMLElement,
  ) {
    this.#events = cast.events;
    this.#slider.addEventListener("input", () => this.#seek(Number(this.#slider.value)));
    this.#skip.addEventListener("change", () => this.#retime());
    this.controls = h(
      "div",
      { class: "controls", role: "group", "aria-label": "Playback", keydown: (event: KeyboardEvent) => this.#key(event) },
      this.#play,
      this.#slider,
      this.#time,
      this.#speed,
      h("label", { for: "skip" }, this.#skip, "Skip stillness"),
    );
    this.#watch = new ResizeObserver(() => this.#fit());
    this.#watch.observe(place);
    this.#fit();
    this.#told();
  }

  dispose(): void {
    cancelAnimationFrame(this.#frame);
    this.#watch.disconnect();
    this.screen.dispose();
  }

  get #length(): number {
    return this.#events.at(-1)?.at ?? 0;
  }

  #toggle(): void {
    this.#playing = !this.#playing;
    if (this.#playing && this.#next >= this.#events.length) this.#seek(0);
    this.#before = performance.now();
    if (this.#playing) this.#frame = requestAnimationFrame((now) => this.#turn(now));
    else cancelAnimationFrame(this.#frame);
    this.#told();
  }

  #turn(now: number): void {
    this.#at = Math.min(this.#length, this.#at + ((now - this.#before) / 1000) * Number(this.#speed.value));
    this.#before = now;
    this.#showUpTo(this.#at);
    if (this.#next >= this.#events.length) this.#playing = false;
    else this.#frame = requestAnimationFrame((later) => this.#turn(later));
    this.#told();
  }

  // A screen is what came to it: going back is beginning anew, and quickly.
  #seek(at: number): void {
    const to = Math.min(this.#length, Math.max(0, at));
    if (to < this.#at) {
      this.#next = 0;
      this.screen.write("\x1bc"); // in its turn, behind what was written and is not drawn yet
      this.#resize(`${this.cast.columns}x${this.cast.rows}`);
    }
    this.#at = to;
    this.#showUpTo(to);
    this.#told();
  }

  #showUpTo(at: number): void {
    let output = "";
    for (let event = this.#events[this.#next]; event && event.at <= at; event = this.#events[this.#next]) {
      this.#next += 1;
      if (event.code === "o") output += event.data;
      else if (event.code === "r") {
        this.screen.write(output);
        output = "";
        this.#resize(event.data);
      } else if (event.code === "m") this.how.textContent = event.data;
    }
    if (output) this.screen.write(output);
  }

  #resize(said: string): void {
    const [columns, rows] = said.split("x").map(Number);
    const size = sizeOf(columns, rows);
    if (!size) return;
    this.screen.write("", () => {
      this.screen.resize(...size);
      this.#fit();
    });
  }

  // All of its columns in sight, at a size that can be read.
  #fit(): void {
    const room = this.place.clientWidth - 16;
    this.screen.options.fontSize = Math.max(7, Math.min(15, Math.floor(room / this.screen.cols / 0.61)));
  }

  #retime(): void {
    const index = this.#next;
    this.#events = this.#skip.checked ? livelier(this.cast.events, STILL) : this.cast.events;
    this.#at = index > 0 ? (this.#events[index - 1]?.at ?? 0) : 0;
    this.#told();
  }

  #key(event: KeyboardEvent): void {
    const { target, key } = event;
    if (target === this.#play && (key === "ArrowLeft" || key === "ArrowRight")) {
      event.preventDefault();
      this.#seek(this.#at + (key === "ArrowLeft" ? -STEP : STEP));
    } else if (target === this.#slider && key === " ") {
      event.preventDefault();
      this.#toggle();
    }
  }

  #told(): void {
    this.#play.textContent = this.#playing ? "Pause" : this.#at > 0 && this.#next >= this.#events.length ? "Play again" : "Play";
    this.#slider.max = String(this.#length);
    this.#slider.value = String(this.#at);
    const text = `${lasted(this.#at)} of ${lasted(this.#length)}`;
    this.#slider.setAttribute("aria-valuetext", text);
    this.#time.textContent = text;
    const end = this.#events.at(-1);
    if (this.#next < this.#events.length) this.how.textContent = "";
    else if (this.cast.cut) this.how.textContent = "It is longer: the rest is in the file.";
    else if (end?.code === "x") this.how.textContent = `It ended with exit status ${end.data}.`;
    else if (end?.code !== "m") this.how.textContent = "That is the end, or as far as it has come.";
  }
}
