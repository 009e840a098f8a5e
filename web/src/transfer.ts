// A file on its way to a session: how far it is, and its end. `fetch` tells nothing of what it has sent.

import { Problem, problemOf } from "./api";

export interface Transfer {
  whole: Promise<void>;
  progress: (done: number, total: number) => void;
  pace: (done: number) => string;
  cancel: () => void;
}

// Unless it replaces, what has come to have its name meanwhile is answered with 412 and stands.
export function put(url: string, file: File, replaces: boolean): Transfer {
  const request = new XMLHttpRequest();
  const began = performance.now();
  const transfer: Transfer = {
    progress: () => undefined,
    pace: (done) => {
      const seconds = (performance.now() - began) / 1000;
      return seconds > 1 ? `, ${(done / seconds / 1024 ** 2).toFixed(1)} MiB/s` : "";
    },
    cancel: () => request.abort(),
    whole: new Promise((resolve, reject) => {
      request.upload.addEventListener("progress", ({ loaded, total }) => transfer.progress(loaded, total));
      request.addEventListener("abort", () => reject(new Problem(0, "cancelled", "It was cancelled; what was there before stands", null)));
      request.addEventListener("error", () => reject(new Problem(0, "session-lost", "the connection to the daemon was lost", "the file is not there; send it again")));
      request.addEventListener("load", () => {
        if (request.status < 300) resolve();
        else void problemOf(new Response(request.responseText, { status: request.status })).then(reject);
      });
      request.open("PUT", url);
      if (!replaces) request.setRequestHeader("If-None-Match", "*");
      request.send(file);
    }),
  };
  return transfer;
}
