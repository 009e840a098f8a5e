// The page put together: who is signed in, what is shown, and the way between.

import { ask, granted, may, mayAll, Problem, signedOut, type Whom, words } from "./api";
import { showAudit } from "./audit";
import { alertOf, fill, h, type Leave } from "./dom";
import { fanOut, type FanOut } from "./fanout";
import { showFleet } from "./fleet";
import { Live } from "./live";
import { showPlayer } from "./player";
import { showRecordings } from "./recordings";
import { showSession } from "./session";
import { showSignIn } from "./signin";

const page = document.querySelector("#page") as HTMLElement;

const PLACES: { name: string; at: string; open: (whom: Whom) => boolean }[] = [
  { name: "Fleet", at: "", open: () => true },
  { name: "Recordings", at: "recordings", open: mayAll },
  { name: "Audit", at: "audit", open: mayAll },
];

function placeLink(name: string, at: string, place: string): HTMLElement {
  const here = at === place || (at === "" && place === "sessions");
  return h("a", { href: `#/${at}`, "aria-current": here ? "page" : null }, name);
}

function closed(whom: Whom): HTMLElement {
  return h("main", {}, h("div", { class: "empty" }, h("h2", {}, "It takes admin on all"), h("p", {}, granted(whom))));
}

function nowhere(): HTMLElement {
  const fleet = h("a", { href: "#/" }, "The fleet");
  return h("main", {}, h("div", { class: "empty" }, h("h2", {}, "There is nothing at this address"), h("p", {}, fleet)));
}

function anchor(): SVGSVGElement {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const attributes = { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": "2.2", "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" };
  for (const [name, value] of Object.entries(attributes)) picture.setAttribute(name, value);
  path.setAttribute("d", "M12 7.5V21M12 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5M8 11h8M3.5 13.5c0 4.5 3.5 7.5 8.5 7.5s8.5-3 8.5-7.5M2 15.5l1.5-2 2 1.5M22 15.5l-1.5-2-2 1.5");
  picture.append(path);
  return picture;
}

class Shown {
  #live: Live;
  #leave: Leave | null = null;
  #many: FanOut | null;
  #content = h("div", { class: "content" });
  #places = h("nav", { "aria-label": "Parts of the page" });
  #connection = h("p", { class: "connection", role: "status" });
  #route = (): void => this.#show();
  #change = (): void => {
    const { connected, loaded, refused } = this.#live;
    const text = connected ? "" : refused || (loaded ? "The daemon is away; what is shown is how it was" : "");
    if (this.#connection.textContent !== text) this.#connection.textContent = text;
  };

  constructor(private readonly whom: Whom) {
    this.#live = new Live(may(whom, "approve") || mayAll(whom, "read"));
    this.#many = may(whom, "run") ? fanOut() : null;
    const out = h("button", { type: "button", click: () => void signOut() }, "Sign out");
    fill(
      page,
      h(
        "header",
        {},
        h("a", { href: "#/", class: "home" }, anchor(), "Mooring"),
        this.#places,
        this.#connection,
        h("span", { class: "whom" }, whom.name),
        whom.signed_in ? out : null,
      ),
      this.#content,
    );
    window.addEventListener("hashchange", this.#route);
    this.#live.addEventListener("change", this.#change);
    this.#show();
  }

  #show(): void {
    this.#leave?.();
    this.#leave = null;
    const [place = "", id] = location.hash.replace(/^#\//, "").split("/");
    fill(this.#places, ...PLACES.filter(({ open }) => open(this.whom)).map(({ name, at }) => placeLink(name, at, place)));
    window.scrollTo(0, 0);
    const found = /^#\/sessions\/([A-Za-z0-9._-]+)(?:\/terminals\/([A-Za-z0-9._-]+))?$/.exec(location.hash);
    const alias = found?.[1];
    this.#live.watch(alias ?? null);
    const named = PLACES.find(({ at }) => at !== "" && at === place);
    document.title = [alias ?? named?.name, "Mooring"].filter(Boolean).join(" · ");
    if (alias) this.#leave = showSession(this.#content, this.#live, this.whom, alias, found?.[2]);
    else if (named && !named.open(this.whom)) fill(this.#content, closed(this.whom));
    else if (place === "recordings" && /^[\w.-]+$/.test(id ?? "")) this.#leave = showPlayer(this.#content, id as string);
    else if (place === "recordings") this.#leave = showRecordings(this.#content);
    else if (place === "audit") this.#leave = showAudit(this.#content);
    else if (place !== "") fill(this.#content, nowhere());
    else this.#leave = showFleet(this.#content, this.#live, this.whom, this.#many);
  }

  close(): void {
    window.removeEventListener("hashchange", this.#route);
    this.#leave?.();
    this.#many?.leave();
    this.#live.close();
  }
}

let shown: Shown | null = null;

function signIn(word = ""): void {
  shown?.close();
  shown = null;
  document.title = "Sign in · Mooring";
  showSignIn(page, word, (whom) => {
    shown = new Shown(whom);
  });
}

async function signOut(): Promise<void> {
  shown?.close(); // the daemon cuts what goes on
  shown = null; // who is told meanwhile that nobody is signed in knows it
  try {
    await ask("POST", "/signout");
  } finally {
    signIn();
  }
}

async function begin(): Promise<void> {
  try {
    shown = new Shown(await ask<Whom>("GET", "/signin"));
  } catch (error) {
    if (!(error instanceof Problem && error.status === 401)) fill(page, h("main", {}, alertOf(words(error))));
    else signIn();
  }
}

signedOut.addEventListener("401", () => {
  if (shown) signIn("Your sign-in has ended: its token was revoked or has expired, or the daemon was started again.");
});
void begin();
