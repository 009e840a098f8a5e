// Devices that called home and wait for somebody's word.

import { ask, may, type Pending, type Session, type Whom, words } from "./api";
import { alertOf, counted, fill, h, since } from "./dom";
import type { Live } from "./live";

interface Row {
  element: HTMLElement;
  configured: boolean;
  form: HTMLElement;
  update: (device: Pending) => void;
}

export function pendingSection(live: Live, whom: Whom) {
  const rows = h("ul");
  const count = h("span");
  const element = h("section", { class: "pending", "aria-labelledby": "waiting" }, h("h2", { id: "waiting" }, count), rows);
  const known = new Map<string, Row>();

  function draw(): void {
    // As they came: the daemon has the one that called last at the end, and a button would move under the mouse.
    const waiting = live.pending.filter((device) => !device.rejected).sort((one, other) => one.first_seen - other.first_seen);
    element.hidden = waiting.length === 0;
    count.textContent = waiting.length === 1 ? "1 device waits to be let in" : `${waiting.length} devices wait to be let in`;
    for (const [id, row] of known) {
      if (waiting.some((device) => device.id === id)) continue;
      row.element.remove();
      known.delete(id);
    }
    let place = 0;
    for (const device of waiting) {
      let row = known.get(device.id);
      if (!row || (row.form.hidden && row.configured !== isConfigured(device))) {
        row?.element.remove();
        row = deviceRow(device, live, whom);
      }
      known.set(device.id, row);
      row.update(device);
      if (rows.children[place] !== row.element) rows.insertBefore(row.element, rows.children[place] ?? null);
      place += 1;
    }
  }

  return { element, draw };
}

// What the configuration knows is let in with the credentials that stand there: its key alone is in question.
function isConfigured(device: Pending): boolean {
  return device.reason.startsWith("claims ");
}

function deviceRow(device: Pending, live: Live, whom: Whom): Row {
  const fault = h("div");
  const name = device.device_id ?? "a device that gives no name";
  const configured = isConfigured(device);
  const form = configured ? trusting(device, () => void act("trust", { fingerprint: device.fingerprint })) : approval(device, fault, live);
  const act = async (path: string, body?: unknown): Promise<void> => {
    try {
      await ask("POST", `/v1/pending/${encodeURIComponent(device.id)}/${path}`, body);
      await live.refreshPending();
    } catch (error) {
      fill(fault, alertOf(words(error)));
    }
  };
  const approve = h("button", { type: "button", class: "first", "aria-expanded": "false" }, configured ? "Trust its key…" : "Approve…");
  approve.addEventListener("click", () => {
    form.hidden = !form.hidden;
    approve.setAttribute("aria-expanded", String(!form.hidden));
    if (!form.hidden) form.querySelector("input")?.focus();
  });
  const reject = h("button", { type: "button", click: () => void act("reject") }, "Reject");
  const told = h("small");
  const why = h("small", { class: "why", hidden: !configured });
  let shown = "";
  const element = h(
    "li",
    {},
    h("div", { class: "claim" }, h("b", {}, name), told, h("code", {}, device.fingerprint), why),
    may(whom, "approve") ? h("div", { class: "buttons" }, approve, reject) : null,
    form,
    fault,
  );
  // What changes with each call; the row stays, and with it what somebody fills in.
  function update({ address, calls, last_seen, also, reason }: Pending): void {
    const now = JSON.stringify([address, calls, last_seen, also, reason]);
    if (now === shown) return;
    shown = now;
    const claims = also.length > 0 ? `, also called itself ${also.join(", ")}` : "";
    fill(told, `from ${address}, ${counted(calls, "call")}, the last `, since(last_seen), ` ago${claims}`);
    why.textContent = reason;
  }
  return { element, configured, form, update };
}

// A device that is known, with a key that is not, or is another: to be said in so many letters.
function trusting(device: Pending, trust: () => void): HTMLFormElement {
  const id = `trust-${device.id}`;
  const typed = h("input", { id, autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  const submit = h("button", { type: "submit", class: "grave", disabled: true }, "Trust this key");
  typed.addEventListener("input", () => {
    submit.disabled = typed.value !== device.device_id;
  });
  return h(
    "form",
    {
      class: "approval",
      hidden: true,
      submit: (event: SubmitEvent) => {
        event.preventDefault();
        trust();
      },
    },
    h("label", { for: id }, `Compare the fingerprint with the device's own, and type ${device.device_id ?? ""}`, typed),
    submit,
  );
}

function approval(device: Pending, fault: Element, live: Live): HTMLFormElement {
  const field = (name: string, label: string, attributes: Record<string, string | boolean>) => {
    const id = `${name}-${device.id}`;
    return h("label", { for: id }, label, h("input", { id, name, autocomplete: "off", spellcheck: "false", ...attributes }));
  };
  const alias = (device.device_id ?? "").replace(/[^A-Za-z0-9._-]/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  const form = h(
    "form",
    { class: "approval", hidden: true },
    field("alias", "Session", { value: alias, required: true }),
    field("username", "User", { required: true }),
    field("password", "Password", { type: "password", autocomplete: "new-password" }),
    field("label", "Labels", { placeholder: "site:ams, role:edge" }),
    field("fingerprint", "Fingerprint (compared if given)", { placeholder: "SHA256:…" }),
    h("button", { type: "submit", class: "first" }, "Let it in"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  async function submit(): Promise<void> {
    const given = new FormData(form);
    const text = (name: string): string => String(given.get(name) ?? "").trim();
    const labels = text("label").split(/[\s,]+/).filter(Boolean);
    const body = {
      alias: text("alias"),
      username: text("username"),
      ...(given.get("password") ? { password: String(given.get("password")) } : {}),
      ...(labels.length > 0 ? { label: labels } : {}),
      ...(text("fingerprint") ? { fingerprint: text("fingerprint") } : {}),
    };
    fill(fault);
    try {
      await ask<Session>("POST", `/v1/pending/${encodeURIComponent(device.id)}/approve`, body);
      form.reset();
      (document.activeElement as HTMLElement | null)?.blur();
      await live.refreshPending();
    } catch (error) {
      fill(fault, alertOf(words(error)));
    }
  }
  return form;
}
