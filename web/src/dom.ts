// Elements made of text. What a device sends is a string here, and a string never becomes anything but a text node.

type Child = Node | string | null | undefined | false;
type Handler = (event: never) => void;
type Attributes = Record<string, string | number | boolean | null | undefined | Handler>;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  fill(element, ...children);
  return element;
}

export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter((child): child is Node | string => Boolean(child)));
}

// A cell of a table which on a narrow screen stands behind its name.
export function cell(name: string, inside: Child[]): HTMLElement {
  return h("td", { "data-name": name }, inside.some(Boolean) && h("div", { class: name ? null : "buttons" }, ...inside));
}

// A text that reports itself to whoever cannot see it.
export function alertOf(text: string): HTMLElement {
  return h("p", { class: "fault", role: "alert" }, text);
}

// Pieces of a page that listen to something; what they return is called when the page is left.
export type Leave = () => void;

export function ago(seconds: number): string {
  const age = Math.max(0, Date.now() / 1000 - seconds);
  if (age < 60) return `${Math.floor(age)}s`;
  if (age < 3600) return `${Math.floor(age / 60)}m`;
  if (age < 172_800) return `${Math.floor(age / 3600)}h`;
  return `${Math.floor(age / 86_400)}d`;
}

// How long ago something was, in an element that `ages` keeps true.
export function since(seconds: number): HTMLElement {
  return h("span", { class: "age", "data-since": seconds }, ago(seconds));
}

export function ages(within: Element): void {
  for (const age of within.querySelectorAll<HTMLElement>("[data-since]")) age.textContent = ago(Number(age.dataset["since"]));
}

// How long something took, or lasts.
export function lasted(seconds: number): string {
  if (seconds < 0.1) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(seconds / 60);
  const two = (number: number): string => String(number).padStart(2, "0");
  return minutes < 60 ? `${minutes}:${two(Math.floor(seconds % 60))}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(Math.floor(seconds % 60))}`;
}

export function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  const power = Math.min(4, Math.floor(Math.log2(count) / 10));
  const number = count / 1024 ** power;
  return `${number.toFixed(number < 10 ? 1 : 0)} ${["KiB", "MiB", "GiB", "TiB"][power - 1]}`;
}

export function when(seconds: number): HTMLElement {
  const moment = new Date(seconds * 1000);
  if (Number.isNaN(moment.getTime())) return h("time", {}, "at no time"); // further than a date goes
  const date = moment.toISOString();
  return h("time", { datetime: date, title: date }, `${date.slice(0, 10)} ${date.slice(11, 19)}`);
}
