// One command on every session that is shown: results as they come, the same ones together.

import { problemOf, words } from "./api";
import { alertOf, fill, h, type Leave } from "./dom";
import { shown } from "./output";

interface Result {
  exit_status: number | null;
  exit_signal: string | null;
  stdout: string;
  stderr: string;
  dropped: number;
}

interface Line {
  alias?: string;
  result?: Result;
  error?: { code: string; detail: string; hint: string | null };
}

interface Group {
  aliases: string[];
  names: HTMLElement;
  count: HTMLElement;
}

// It goes on while another view is looked at: there is one for as long as somebody is signed in.
export interface FanOut {
  element: HTMLElement;
  show: (aliases: string[]) => void; // on whom the next would run
  leave: Leave;
}

export function fanOut(): FanOut {
  const input = h("input", {
    id: "many",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    required: true,
    placeholder: "show version",
  });
  const run = h("button", { type: "submit", class: "first" }, "Run");
  const stop = h("button", { type: "button", hidden: true, click: () => stopping?.abort() }, "Stop");
  const bar = h("progress", { "aria-label": "Sessions done", hidden: true });
  const how = h("p", { class: "how", role: "status" });
  const results = h("div", { class: "groups" });
  let stopping: AbortController | null = null;
  let running = false;
  let meant: string[] = [];

  function show(aliases: string[]): void {
    meant = aliases;
    run.textContent = `Run on ${aliases.length}`;
    run.disabled = running || aliases.length === 0;
  }

  async function begin(command: string, aliases: string[]): Promise<void> {
    const groups = new Map<string, Group>();
    let done = 0;
    let failed = 0;
    const tell = (end: string): void => {
      bar.value = done;
      how.textContent = `${command}: ${done} of ${aliases.length} done, ${failed} failed${end}`;
    };
    fill(results);
    bar.max = aliases.length;
    bar.hidden = stop.hidden = false;
    run.disabled = running = true;
    stopping = new AbortController();
    tell("");
    try {
      for await (const line of lines(aliases, command, stopping.signal)) {
        if (line.alias === undefined) {
          if (line.error) throw new Error(line.error.detail);
          continue;
        }
        done += 1;
        if (line.error || line.result?.exit_status !== 0) failed += 1;
        add(groups, results, line.alias, line);
        tell("");
      }
      tell(done === aliases.length ? "" : ". It ended early; the others may have run");
    } catch (error) {
      tell(stopping.signal.aborted ? ". Stopped: what was running was ended" : "");
      if (!stopping.signal.aborted) how.append(alertOf(words(error)));
    } finally {
      running = false;
      show(meant);
      stop.hidden = bar.hidden = true;
    }
  }

  const form = h(
    "form",
    {
      class: "command",
      submit: (event: SubmitEvent) => {
        event.preventDefault();
        if (!run.disabled && input.value.trim() !== "") void begin(input.value, meant);
      },
    },
    h("label", { for: "many", class: "unseen" }, "Command for all that are shown"),
    input,
    run,
    stop,
  );
  return {
    element: h("details", { class: "fanout" }, h("summary", {}, "Run a command on all that are shown"), form, bar, how, results),
    show,
    leave: () => stopping?.abort(),
  };
}

async function* lines(aliases: string[], command: string, signal: AbortSignal): AsyncGenerator<Line> {
  const body = JSON.stringify({ selector: aliases.join(","), command, max_output: 65_536 });
  const headers = { "content-type": "application/json" };
  const answer = await fetch("/v1/run", { method: "POST", body, headers, signal });
  if (!answer.ok || !answer.body) throw await problemOf(answer);
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const whole = text.split("\n");
    text = whole.pop() ?? "";
    for (const line of whole) yield JSON.parse(line) as Line;
  }
}

function add(groups: Map<string, Group>, results: HTMLElement, alias: string, { result, error }: Line): void {
  const how = error
    ? `${error.code}: ${without(alias, error.detail)}${error.hint ? `: ${error.hint}` : ""}`
    : result?.exit_signal
      ? `ended by ${result.exit_signal}`
      : `exit status ${result?.exit_status ?? "not told"}`;
  const key = JSON.stringify([how, result?.stdout, result?.stderr]);
  let group = groups.get(key);
  if (!group) {
    const names = h("p", { class: "names" });
    const count = h("b");
    const good = !error && result?.exit_status === 0;
    group = { aliases: [], names, count };
    groups.set(key, group);
    results.append(
      h(
        "details",
        { class: "group", open: groups.size === 1 },
        h("summary", {}, count, " ", h("span", good ? {} : { class: "fault" }, how)),
        names,
        result?.stdout ? h("pre", { tabindex: 0 }, shown(result.stdout)) : null,
        result?.stderr ? h("pre", { tabindex: 0, class: "stderr" }, shown(result.stderr)) : null,
        result?.dropped ? h("small", {}, `${result.dropped} bytes more are not shown`) : null,
      ),
    );
  }
  group.aliases.push(alias);
  if (grown.size === 0) requestAnimationFrame(count);
  grown.add(group);
}

// What is told of a session, as it would be told of another. Its name may be a part of other words.
function without(alias: string, text: string): string {
  return text.replaceAll(alias, (found, at: number) => {
    const end = at + alias.length;
    const alone = !/[\w.-]/.test(text.charAt(at - 1)) && !/^(?:[\w-]|\.\w)/.test(text.slice(end, end + 2));
    return alone ? "…" : found;
  });
}

const grown = new Set<Group>();

// Once a frame, since thousands may come in one.
function count(): void {
  for (const { aliases, names, count } of grown) {
    names.textContent = aliases.join(", ");
    names.hidden = aliases.length === 1; // it stands above
    count.textContent = aliases.length === 1 ? (aliases[0] as string) : `${aliases.length} sessions`;
  }
  grown.clear();
}
