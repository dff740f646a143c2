import type { OutputChunk } from "../ipc/bindings";
import type { Handlers } from "./fake_close";
import { chunk } from "./samples";

/** Terminals whose shell says back what is typed, and ends by Ctrl+D. */
export class FakeTerminals {
  /** What runs in each of them. */
  programs: string[] = [];

  readonly #open = new Map<string, (item: OutputChunk) => void>();

  readonly handlers: Pick<
    Handlers,
    "terminal.open" | "terminal.write" | "terminal.resize" | "terminal.programs" | "stream.close"
  > = {
    "terminal.open": ({ stream_id }, onItem) => {
      this.#open.set(stream_id, onItem);
      onItem(chunk("stdout", "/ # "));
      return Promise.resolve(null);
    },
    "terminal.write": ({ stream_id, text }) => {
      const send = this.#open.get(stream_id);
      if (text === "\u0004") send?.(chunk("end", ""));
      else send?.(chunk("stdout", text.replace("\r", "\r\n/ # ")));
      return Promise.resolve(null);
    },
    "terminal.resize": () => Promise.resolve(null),
    "terminal.programs": () => Promise.resolve({ commands: this.programs }),
    "stream.close": ({ stream_id }) => {
      this.#open.delete(stream_id);
      return Promise.resolve(null);
    },
  };
}
