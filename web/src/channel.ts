// One remote process or terminal over a WebSocket; its frames are those of docs/rest.md, "The channel".

import { Problem, sessionPath, socketTo } from "./api";

const FRAME = 256 * 1024;
const KIND = {
  open: 0x00,
  stdin: 0x01,
  eof: 0x02,
  resize: 0x03,
  signal: 0x04,
  take: 0x05,
  opened: 0x10,
  stdout: 0x11,
  stderr: 0x12,
  exit: 0x13,
  error: 0x14,
  window: 0x15,
  notice: 0x16,
} as const;

export interface Opening {
  kind: "exec" | "terminal";
  command?: string;
  name?: string;
  view?: "attach" | "watch";
  term?: { type: string; columns: number; rows: number };
}

export interface Notice {
  drives: boolean;
  driver: string | null;
  missed: number;
}

export interface Listener {
  opened(name: string | undefined): void;
  output(data: Uint8Array, error: boolean): void;
  notice?(notice: Notice): void;
  // The end, once: how it ended, or why it could not go on.
  ended(how: { exit_status: number | null; exit_signal: string | null } | Problem): void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Channel {
  stage: "new" | "asked" | "open" | "ended" = "new"; // only what was asked for may have begun
  #socket: WebSocket;
  #window = 0;
  #waiting: Uint8Array[] = [];

  constructor(
    alias: string,
    opening: Opening,
    private readonly listener: Listener,
  ) {
    this.#socket = socketTo(`${sessionPath(alias)}/channel`);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.addEventListener("open", () => {
      if (this.stage !== "new") return;
      this.stage = "asked";
      this.#send(KIND.open, json(opening));
    });
    this.#socket.addEventListener("message", (event) => this.#receive(new Uint8Array(event.data as ArrayBuffer)));
    this.#socket.addEventListener("close", () => this.lose());
  }

  write(data: Uint8Array | string): void {
    this.#waiting.push(typeof data === "string" ? encoder.encode(data) : data);
    this.#flush();
  }

  endInput(): void {
    if (this.stage === "open") this.#send(KIND.eof);
  }

  resize(columns: number, rows: number): void {
    if (this.stage === "open") this.#send(KIND.resize, json({ columns, rows }));
  }

  signal(name: string): void {
    if (this.stage === "open") this.#send(KIND.signal, encoder.encode(name));
  }

  take(): void {
    if (this.stage === "open") this.#send(KIND.take);
  }

  // Leave: a process is ended by that, a terminal goes on.
  close(): void {
    this.stage = "ended";
    this.#socket.close();
  }

  // Nothing comes any more: so the browser says, or who knows it sooner.
  lose(): void {
    this.#socket.close();
    this.#end(
      this.stage === "new"
        ? new Problem(0, "daemon-unreachable", "the daemon is away, or holds no such session any more", null)
        : new Problem(0, "session-lost", "the connection to the daemon was lost", "what ran may run on"),
    );
  }

  #flush(): void {
    while (this.stage === "open" && this.#window > 0 && this.#waiting[0]) {
      const data = this.#waiting[0];
      const part = data.subarray(0, Math.min(this.#window, FRAME));
      if (part.length < data.length) this.#waiting[0] = data.subarray(part.length);
      else this.#waiting.shift();
      this.#window -= part.length;
      this.#send(KIND.stdin, part);
    }
  }

  #send(kind: number, payload: Uint8Array = new Uint8Array()): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const frame = new Uint8Array(payload.length + 1);
    frame[0] = kind;
    frame.set(payload, 1);
    this.#socket.send(frame);
  }

  #receive(frame: Uint8Array): void {
    if (this.stage === "ended") return;
    const payload = frame.subarray(1);
    switch (frame[0]) {
      case KIND.opened:
        this.stage = "open";
        this.listener.opened((parse(payload) as { name?: string }).name);
        break;
      case KIND.stdout:
      case KIND.stderr:
        this.listener.output(payload, frame[0] === KIND.stderr);
        break;
      case KIND.window:
        this.#window += new DataView(payload.buffer, payload.byteOffset).getUint32(0);
        this.#flush();
        break;
      case KIND.notice:
        this.listener.notice?.(parse(payload) as Notice);
        break;
      case KIND.exit:
        this.#end(parse(payload) as { exit_status: number | null; exit_signal: string | null });
        break;
      case KIND.error: {
        const told = parse(payload) as { status: number; code: string; detail: string; hint: string | null };
        this.#end(new Problem(told.status, told.code, told.detail, told.hint));
        break;
      }
    }
  }

  #end(how: Parameters<Listener["ended"]>[0]): void {
    if (this.stage === "ended") return;
    this.stage = "ended";
    this.listener.ended(how);
  }
}

function json(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

function parse(payload: Uint8Array): unknown {
  return JSON.parse(decoder.decode(payload));
}
