// The way in: a token, which goes into a cookie that no script can read.

import { ask, Problem, type Whom, words } from "./api";
import { alertOf, fill, h } from "./dom";

export function showSignIn(page: Element, word: string, done: (whom: Whom) => void): void {
  const fault = h("div");
  const token = h("input", {
    id: "token",
    name: "token",
    type: "password",
    autocomplete: "current-password",
    required: true,
    spellcheck: "false",
  });
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    fill(fault);
    try {
      done(await ask<Whom>("POST", "/signin", { token: token.value.trim() }));
    } catch (error) {
      // Its hint is for programs.
      fill(fault, alertOf(error instanceof Problem && error.status === 401 ? error.message : words(error)));
      token.select();
    }
  };
  fill(
    page,
    h(
      "main",
      { class: "signin" },
      h("h1", {}, "Mooring"),
      word ? h("p", { role: "status" }, word) : null,
      h(
        "form",
        { class: "card", submit: (event: SubmitEvent) => void submit(event) },
        h("label", { for: "token" }, "Token"),
        token,
        h("button", { type: "submit", class: "first" }, "Sign in"),
        fault,
      ),
      h("p", {}, "The daemon's own token, on its machine:"),
      h("pre", {}, h("code", {}, "cat ~/.local/state/mooring/token")),
      h("p", {}, "Or one for part of the fleet:"),
      h("pre", {}, h("code", {}, "mooring token create me --allow read,run,shell --on 'site:ams'")),
    ),
  );
  token.focus();
}
