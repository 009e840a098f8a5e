// A host key that is not trusted, and somebody who has compared it and says that it is right.

import { ask, type Session, sessionPath, words } from "./api";
import { alertOf, fill, h } from "./dom";

export function trustBox(session: Session): HTMLElement {
  const changed = session.error === "host-key-changed";
  const fault = h("div");
  const typed = h("input", { id: "trust-alias", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  const trust = h("button", { type: "submit", class: changed ? "grave" : "first", disabled: changed }, "Trust this key and connect");
  typed.addEventListener("input", () => {
    trust.disabled = typed.value !== session.alias;
  });
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    trust.disabled = true;
    try {
      await ask("POST", `${sessionPath(session.alias)}/trust`, { fingerprint: session.offered_key });
    } catch (error) {
      fill(fault, alertOf(words(error)));
      trust.disabled = changed && typed.value !== session.alias;
    }
  };
  return h(
    "form",
    { class: `trust${changed ? " changed" : ""}`, "aria-label": "Host key", submit: (event: SubmitEvent) => void submit(event) },
    h("h2", {}, changed ? "The host key is another than it was" : "The host key is not known yet"),
    h(
      "p",
      {},
      changed
        ? "Somebody may be between you and the host, or it was set up anew. Trust it only if you know why it changed, and have compared this fingerprint with the host's own:"
        : "Compare this fingerprint with the host's own, on its console:",
    ),
    h("p", {}, h("code", { class: "fingerprint" }, session.offered_key ?? "")),
    changed ? h("label", { for: typed.id }, `Type ${session.alias} to say that you have`, typed) : null,
    h("div", { class: "buttons" }, trust),
    h("small", {}, "Where it is read: ", h("code", {}, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")),
    fault,
  );
}
