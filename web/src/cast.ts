// asciicast, version 3, as the daemon records it: what a terminal showed, with the time between.

import { problemOf } from "./api";

const MOST = 64 * 1024 * 1024; // characters; what is longer is played up to there

const LARGEST = 1000; // columns, and rows

export interface Shown {
  at: number; // seconds from the beginning
  code: string; // o output, i input, r another size, m a remark, x the exit status
  data: string;
}

export interface Cast {
  columns: number;
  rows: number;
  title: string;
  events: Shown[];
  cut: boolean; // whether it is longer
  damaged: number[]; // the numbers of lines that are no events
}

export async function readCast(url: string, signal: AbortSignal): Promise<Cast> {
  const answer = await fetch(url, { signal, cache: "no-store" });
  if (!answer.ok || !answer.body) throw await problemOf(answer);
  const cast: Cast = { columns: 80, rows: 24, title: "", events: [], cut: false, damaged: [] };
  let at = 0;
  let number = 0;
  for await (const line of lines(answer.body, cast)) {
    number += 1;
    if (line === "" || line.startsWith("#")) continue;
    const value = parsed(line);
    if (number === 1 && value !== null) {
      const header = value as { term?: { cols?: unknown; rows?: unknown }; title?: string };
      [cast.columns, cast.rows] = sizeOf(header.term?.cols, header.term?.rows) ?? [80, 24];
      cast.title = header.title ?? "";
    } else if (Array.isArray(value) && value.length === 3 && Number.isFinite(value[0])) {
      const [interval, code, data] = value as [number, string, string];
      at += interval;
      cast.events.push({ at, code, data: String(data) });
    } else cast.damaged.push(number);
  }
  return cast;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

// A size that a screen can have: whoever opened the terminal said it.
export function sizeOf(columns: unknown, rows: unknown): [number, number] | null {
  return may(columns) && may(rows) ? [columns, rows] : null;
}

function may(length: unknown): length is number {
  return Number.isInteger(length) && (length as number) > 0 && (length as number) <= LARGEST;
}

async function* lines(body: ReadableStream<Uint8Array>, cast: Cast): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let taken = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    taken += value.length;
    const whole = (text + decoder.decode(value, { stream: true })).split("\n");
    text = whole.pop() ?? "";
    yield* whole;
    if (taken > MOST) {
      cast.cut = true;
      await reader.cancel();
      return;
    }
  }
  yield text;
}

// The same with no longer stillness than this.
export function livelier(events: readonly Shown[], stillness: number): Shown[] {
  let before = 0;
  let at = 0;
  return events.map((event) => {
    at += Math.min(stillness, event.at - before);
    before = event.at;
    return { ...event, at };
  });
}
