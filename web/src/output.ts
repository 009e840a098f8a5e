// What a command wrote, as text.

import { fill, h } from "./dom";

const KEPT = 100_000; // characters of output on the page; of more, the first go
const PACE = 100; // milliseconds between drawings: laying much text out takes as long

// Text of both streams in the order in which it came; drawn once a frame, however much comes.
export class Output {
  readonly element = h("pre", { class: "output", tabindex: 0, "aria-label": "Output", hidden: true });
  #decoders = [new TextDecoder(), new TextDecoder()];
  #waiting: { text: string; error: boolean }[] = [];
  #size = 0;
  cut = false; // whether only the end is shown
  #drawing = 0;

  clear(): void {
    fill(this.element);
    this.element.hidden = true;
    this.#decoders = [new TextDecoder(), new TextDecoder()];
    this.#waiting = [];
    this.#size = 0;
    this.cut = false;
  }

  add(data: Uint8Array, error: boolean): void {
    this.#take((this.#decoders[Number(error)] as TextDecoder).decode(data, { stream: true }), error);
  }

  end(): void {
    this.#decoders.forEach((decoder, error) => this.#take(decoder.decode(), error === 1));
    window.clearTimeout(this.#drawing);
    this.#draw();
  }

  #take(text: string, error: boolean): void {
    if (text === "") return;
    const last = this.#waiting.at(-1);
    if (last?.error === error) last.text += shown(text);
    else this.#waiting.push({ text: shown(text), error });
    this.#drawing ||= window.setTimeout(() => this.#draw(), this.element.hidden ? 0 : PACE);
  }

  #draw(): void {
    this.#drawing = 0;
    if (this.#waiting.length === 0) return;
    const pre = this.element;
    const follows = pre.hidden || pre.scrollTop + pre.clientHeight > pre.scrollHeight - 40;
    pre.hidden = false;
    for (const { text, error } of this.#waiting.splice(0)) {
      pre.append(h("span", error ? { class: "stderr" } : {}, text.slice(-KEPT)));
      this.#size += Math.min(text.length, KEPT);
      this.cut ||= text.length > KEPT;
    }
    while (this.#size > KEPT && pre.childNodes.length > 1) {
      this.#size -= pre.firstChild?.textContent?.length ?? 0;
      pre.firstChild?.remove();
      this.cut = true;
    }
    if (follows) pre.scrollTop = pre.scrollHeight;
  }
}

// Control characters as pictures of themselves: this is no terminal.
export function shown(text: string): string {
  return text
    .replace(/\r\n/g, "\n")
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (char) =>
      char === "\u007f" ? "\u2421" : String.fromCharCode(0x2400 + char.charCodeAt(0)),
    );
}
