// The files of one session: what a folder holds, download and upload.

import { ask, Problem, sessionPath, words } from "./api";
import { alertOf, bytes, fill, h, type Leave, when } from "./dom";
import { put, type Transfer } from "./transfer";

interface Entry {
  name: string;
  kind: "file" | "folder" | "link" | "other";
  size: number;
  modified: number | null;
}

export function filesSection(alias: string): { element: HTMLElement; leave: Leave } {
  const path = h("input", { id: "path", autocomplete: "off", spellcheck: "false", value: "." });
  const rows = h("tbody");
  const table = h(
    "table",
    { class: "files", hidden: true },
    h("thead", {}, h("tr", {}, ...["Name", "Size", "Written"].map((name) => h("th", { scope: "col" }, name)))),
    rows,
  );
  const how = h("p", { class: "how", role: "status" });
  const chosen = h("input", { id: "upload", type: "file" });
  const submit = h("button", { type: "submit" }, "Upload");
  const upload = h("form", { class: "command upload", hidden: true }, h("label", { for: "upload" }, "Upload here"), chosen, submit);
  const bar = h("progress", { "aria-label": "Bytes sent" });
  const amount = h("span", { class: "amount" });
  const cancel = h("button", { type: "button", click: () => going?.cancel() }, "Cancel");
  const progress = h("div", { class: "moving", hidden: true }, bar, amount, cancel);
  let folder = ".";
  let names = new Set<string>(); // of what the folder held when it was listed: of the rest the daemon knows
  let sure = ""; // what somebody was asked about
  let going: Transfer | null = null;

  async function list(where: string): Promise<void> {
    how.textContent = "";
    asked("");
    try {
      const { files, more } = await ask<{ files: Entry[]; more: boolean }>("GET", `${urlOf(alias, where)}&view=list`);
      folder = where;
      path.value = where;
      names = new Set(files.map(({ name }) => name));
      files.sort((one, other) => Number(other.kind === "folder") - Number(one.kind === "folder") || one.name.localeCompare(other.name));
      fill(rows, up(), ...files.map(row));
      table.hidden = upload.hidden = false;
      how.textContent = more ? "There are more than are shown." : files.length === 0 ? "The folder is empty." : "";
    } catch (error) {
      fill(how, alertOf(words(error)));
    }
  }

  function up(): HTMLElement {
    return h("tr", {}, h("td", {}, h("button", { type: "button", class: "link", click: () => void list(joined(folder, "..")) }, "..")), h("td"), h("td"));
  }

  function row(entry: Entry): HTMLElement {
    const where = joined(folder, entry.name);
    const name =
      entry.kind === "file"
        ? h("a", { href: urlOf(alias, where), download: entry.name, click: () => saved(entry) }, entry.name)
        : entry.kind === "other"
          ? entry.name
          : h("button", { type: "button", class: "link", click: () => void list(where) }, `${entry.name}/`);
    return h("tr", {}, h("td", {}, name), h("td", { class: "number" }, entry.kind === "file" ? h("span", { title: `${entry.size} bytes` }, bytes(entry.size)) : entry.kind), h("td", {}, entry.modified === null ? "" : when(entry.modified)));
  }

  // The page holds nothing of a file that it gives, however large: it cannot tell how far it is.
  function saved(entry: Entry): void {
    how.textContent = `${entry.name}, ${bytes(entry.size)}: the browser saves it, and shows how far it is`;
  }

  // Whether to put something in the place of what is there.
  function asked(where: string): void {
    sure = where;
    submit.textContent = where ? "Replace it" : "Upload";
    submit.classList.toggle("grave", where !== "");
  }

  function askedToReplace(file: File): void {
    asked(joined(folder, file.name));
    how.textContent = `${file.name} is there already; what it holds would be lost`;
  }

  function given(file: File): void {
    const replaces = sure === joined(folder, file.name);
    if (names.has(file.name) && !replaces) {
      askedToReplace(file);
      return;
    }
    asked("");
    void send(file, replaces);
  }

  chosen.addEventListener("change", () => asked(""));

  async function send(file: File, replaces: boolean): Promise<void> {
    const where = joined(folder, file.name);
    how.textContent = `sending ${file.name}`;
    try {
      await moved(put(urlOf(alias, where), file, replaces));
      chosen.value = "";
      await list(folder);
      how.textContent = `${file.name} is there, ${bytes(file.size)}`;
    } catch (error) {
      if (error instanceof Problem && error.code === "file-exists" && where === joined(folder, file.name)) askedToReplace(file);
      else fill(how, alertOf(words(error)));
    }
  }

  // What is under way, with its progress, and a button that ends it.
  async function moved(transfer: Transfer): Promise<void> {
    going = transfer;
    bar.removeAttribute("value"); // not known yet
    progress.hidden = false;
    submit.disabled = true;
    amount.textContent = "";
    transfer.progress = (done, total) => {
      bar.max = Math.max(total, 1);
      bar.value = done;
      amount.textContent = `${bytes(done)} of ${bytes(total)}${transfer.pace(done)}`;
    };
    try {
      await transfer.whole;
    } finally {
      progress.hidden = true;
      submit.disabled = false;
      going = null;
    }
  }

  upload.addEventListener("submit", (event) => {
    event.preventDefault();
    if (chosen.files?.[0] && !going) given(chosen.files[0]);
  });
  const open = h(
    "form",
    {
      class: "command",
      submit: (event: SubmitEvent) => {
        event.preventDefault();
        void list(path.value.trim() || ".");
      },
    },
    h("label", { for: "path", class: "unseen" }, "Folder"),
    path,
    h("button", { type: "submit" }, "Show folder"),
  );
  return {
    element: h("section", { class: "card", "aria-labelledby": "files" }, h("h2", { id: "files" }, "Files"), open, how, h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "What the folder holds" }, table), upload, progress),
    leave: () => going?.cancel(),
  };
}

// A byte of a name that is no text comes as \udcXX, and goes back as %XX.
function urlOf(alias: string, path: string): string {
  const encoded = encodeURIComponent(path).replace(/%5Cudc([89a-f][0-9a-f])/g, "%$1");
  return `${sessionPath(alias)}/files?path=${encoded}`;
}

function joined(folder: string, name: string): string {
  if (name === "..") {
    if (folder === "/" || folder === "") return "/";
    const parts = folder.replace(/\/+$/, "").split("/");
    if (parts.at(-1) === "." || parts.at(-1) === "..") return `${folder === "." ? "" : `${folder}/`}..`;
    const rest = parts.slice(0, -1).join("/");
    return rest || (folder.startsWith("/") ? "/" : ".");
  }
  return folder === "." ? name : `${folder.replace(/\/+$/, "")}/${name}`;
}
