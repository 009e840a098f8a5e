// A list of any length of which only the rows in sight are elements. Arrow keys, Home and End walk it.

import { fill, h } from "./dom";

const BEYOND = 8; // rows above and below what is in sight

export class List<Item> {
  readonly element: HTMLElement;
  #items: readonly Item[] = [];
  #rows = new Map<number, { item: Item; row: HTMLElement }>();
  #body: HTMLElement;
  #active = 0;
  #height = 0;
  #drawing = 0;

  constructor(
    label: string,
    readonly columns: string[],
    readonly cells: (item: Item) => (Node | string)[],
  ) {
    const head = h(
      "div",
      { role: "rowgroup", class: "head" },
      h("div", { role: "row", class: "row", "aria-rowindex": 1 }, ...columns.map((column) => h("span", { role: "columnheader" }, column))),
    );
    this.#body = h("div", { role: "rowgroup", class: "body" });
    this.element = h(
      "div",
      { role: "table", class: "list", "aria-label": label, "aria-colcount": columns.length, tabindex: 0 },
      head,
      this.#body,
    );
    this.element.addEventListener("scroll", () => this.#soon(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#resize()).observe(this.element);
  }

  show(items: readonly Item[]): void {
    this.#items = items;
    this.element.setAttribute("aria-rowcount", String(items.length + 1));
    this.#draw();
  }

  #resize(): void {
    this.#height = 0;
    this.#soon();
  }

  #soon(): void {
    if (this.#drawing) return;
    this.#drawing = requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    cancelAnimationFrame(this.#drawing);
    this.#drawing = 0;
    if (!this.element.isConnected) return;
    this.#height ||= Number.parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 40;
    this.#body.style.height = `${this.#items.length * this.#height}px`;
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.#height) - BEYOND);
    const last = Math.min(
      this.#items.length,
      Math.ceil((this.element.scrollTop + this.element.clientHeight) / this.#height) + BEYOND,
    );
    for (const [index, { row }] of this.#rows) {
      if (index < first || index >= last) {
        row.remove();
        this.#rows.delete(index);
      }
    }
    for (let index = first; index < last; index += 1) this.#place(index, this.#items[index] as Item);
  }

  #place(index: number, item: Item): void {
    const known = this.#rows.get(index);
    const row = known?.row ?? h("div", { role: "row", class: "row", "aria-rowindex": index + 2 });
    if (known?.item !== item) {
      const focused = row.contains(document.activeElement);
      renew(row, this.cells(item).map((cell) => h("span", { role: "cell" }, cell)));
      this.#rows.set(index, { item, row });
      if (focused) row.querySelector("a")?.focus({ preventScroll: true });
    }
    row.style.transform = `translateY(${index * this.#height}px)`;
    if (!known) this.#body.append(row);
  }

  #key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#height) - 2);
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -this.#items.length,
      End: this.#items.length,
    };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey || this.#items.length === 0) return;
    event.preventDefault();
    const focused = [...this.#rows].find(([, { row }]) => row.contains(document.activeElement));
    const from = focused ? focused[0] : step > 0 ? -1 : this.#active;
    this.#active = Math.min(this.#items.length - 1, Math.max(0, from + step));
    const top = this.#active * this.#height;
    const above = this.#body.offsetTop;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    const bottom = top + this.#height - this.element.clientHeight + above;
    if (bottom > this.element.scrollTop) this.element.scrollTop = bottom;
    this.#draw();
    this.#rows.get(this.#active)?.row.querySelector("a")?.focus({ preventScroll: true });
  }
}

// A cell that says the same stays: what is put in its place while a mouse is pressed on it would never be clicked.
function renew(row: Element, cells: readonly Element[]): void {
  if (row.children.length !== cells.length) fill(row, ...cells);
  for (const [index, cell] of cells.entries()) {
    const shown = row.children[index];
    if (shown && shown !== cell && !shown.isEqualNode(cell)) shown.replaceWith(cell);
  }
}
