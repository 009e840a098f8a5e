// A command on one session, its output as it comes.

import { Problem } from "./api";
import { Channel } from "./channel";
import { h, type Leave } from "./dom";
import { Output } from "./output";

const PATIENCE = 2000; // milliseconds for the last words of a command that was interrupted, as `mooring run` gives it
const SAME = 500; // milliseconds within which a second click is the first
const commands: string[] = []; // run before, newest last, for the arrow keys

export function commandSection(alias: string): { element: HTMLElement; leave: Leave } {
  const input = h("input", {
    id: "command",
    name: "command",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    required: true,
    placeholder: "show version",
  });
  const run = h("button", { type: "submit", class: "first" }, "Run");
  const stop = h("button", { type: "button", hidden: true, click: interrupt }, "Stop");
  const how = h("p", { class: "how", role: "status" });
  const output = new Output();
  let channel: Channel | null = null;
  let patience = 0;
  let told = 0; // when it was told to stop
  let at = commands.length;

  function begin(command: string): void {
    if (commands.at(-1) !== command) commands.push(command);
    at = commands.length;
    output.clear();
    running(true);
    how.textContent = `running ${command}`;
    const started = performance.now();
    channel = new Channel(alias, { kind: "exec", command }, {
      opened: () => channel?.endInput(),
      output: (data, error) => output.add(data, error),
      ended: (end) => {
        finish();
        const seconds = ((performance.now() - started) / 1000).toFixed(2);
        how.classList.toggle("fault", end instanceof Problem || end.exit_status !== 0);
        if (end instanceof Problem) how.textContent = end.words;
        else if (end.exit_signal) how.textContent = `ended by ${end.exit_signal} after ${seconds} s`;
        else how.textContent = `${command}: exit status ${end.exit_status ?? "not told"} after ${seconds} s`;
        if (output.cut) how.append(". Only the end of the output is shown.");
      },
    });
  }

  // Not every server passes a signal on (OpenSSH before 9.4 none to what root runs), and the second time nobody waits.
  function interrupt(): void {
    if (channel?.stage === "new") return abandon("it was stopped before it began");
    if (channel?.stage === "asked") return abandon("it was stopped as it was about to begin: it may have begun");
    if (patience === 0) {
      channel?.signal("INT");
      how.textContent = "told to stop";
      told = performance.now();
      patience = window.setTimeout(leave, PATIENCE);
    } else if (performance.now() - told >= SAME) leave();
  }

  function leave(): void {
    abandon("it did not stop when told to, and was left: it may still run there");
  }

  function abandon(words: string): void {
    channel?.close();
    finish();
    how.classList.add("fault");
    how.textContent = words;
  }

  function finish(): void {
    window.clearTimeout(patience);
    patience = 0;
    output.end();
    running(false);
  }

  function running(yes: boolean): void {
    run.disabled = yes;
    stop.hidden = !yes;
    how.classList.remove("fault");
  }

  input.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (step === 0) return;
    event.preventDefault();
    at = Math.min(commands.length, Math.max(0, at + step));
    input.value = commands[at] ?? "";
  });
  const form = h(
    "form",
    {
      class: "command",
      submit: (event: SubmitEvent) => {
        event.preventDefault();
        if (!run.disabled && input.value.trim() !== "") begin(input.value);
      },
    },
    h("label", { for: "command", class: "unseen" }, "Command"),
    input,
    run,
    stop,
  );
  return {
    element: h("section", { class: "card", "aria-labelledby": "run" }, h("h2", { id: "run" }, "Run a command"), form, how, output.element),
    leave: () => {
      window.clearTimeout(patience);
      channel?.close();
    },
  };
}
