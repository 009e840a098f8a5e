// NETCONF requests on one session: XML in, and the reply as a tree that is unfolded where one looks.

import { problemOf, sessionPath, words } from "./api";
import { alertOf, fill, h } from "./dom";
import { type Node, parse } from "./xml";

const AT_ONCE = 100; // children that are shown before one asks for more
const OPEN = 3; // levels that are unfolded to begin with

export function netconfSection(alias: string): HTMLElement {
  const input = h("textarea", { id: "rpc", rows: 4, spellcheck: "false" }, "<get-config><source><running/></source></get-config>");
  const run = h("button", { type: "submit", class: "first" }, "Send");
  const how = h("p", { class: "how", role: "status" });
  const tree = h("div", { class: "tree" });

  async function send(): Promise<void> {
    run.disabled = true;
    how.textContent = "asking";
    fill(tree);
    try {
      fill(tree, node(await rpc(alias, input.value), 0));
      how.textContent = "";
    } catch (error) {
      fill(how, alertOf(words(error)));
    } finally {
      run.disabled = false;
    }
  }

  return h(
    "section",
    { class: "card", "aria-labelledby": "netconf" },
    h("h2", { id: "netconf" }, "NETCONF"),
    h(
      "form",
      {
        class: "command",
        submit: (event: SubmitEvent) => {
          event.preventDefault();
          void send();
        },
      },
      h("label", { for: "rpc", class: "unseen" }, "Operation"),
      input,
      run,
    ),
    how,
    tree,
  );
}

async function rpc(alias: string, operation: string): Promise<Node> {
  const answer = await fetch(`${sessionPath(alias)}/netconf/rpc`, { method: "POST", body: operation });
  if (!answer.ok) throw await problemOf(answer);
  return parse(await answer.text());
}

function node({ tag, attributes, children, text }: Node, depth: number): HTMLElement {
  const name = h("span", { class: "tag" }, tag);
  const told = attributes.map(([key, value]) => ` ${key}="${value}"`).join("");
  const about = told ? h("small", {}, told) : null;
  if (children.length === 0) return h("div", { class: "leaf" }, name, about, " ", h("span", {}, text));
  const below = h("div", { class: "below" }, text.trim());
  const folded = h("details", { open: depth < OPEN }, h("summary", {}, name, about, h("small", {}, ` ${children.length}`)), below);
  let shown = 0;
  const more = (): void => {
    below.querySelector(":scope > button")?.remove();
    const next = children.slice(shown, shown + AT_ONCE);
    below.append(...next.map((child) => node(child, depth + 1)));
    shown += next.length;
    if (shown < children.length) {
      below.append(h("button", { type: "button", click: more }, `Show ${Math.min(AT_ONCE, children.length - shown)} more`));
    }
  };
  folded.addEventListener("toggle", () => folded.open && shown === 0 && more());
  if (folded.open) more();
  return folded;
}
