import type { Host } from "../lib/host/host";
import { IpcFailure } from "../lib/ipc/failure";
import { bytesFrom } from "../lib/text/lines";
import { newId } from "./id";

export interface Size {
  rows: number;
  cols: number;
}

/** What runs in a terminal, and as whom; empty for the best shell there is and the container's own user. */
export interface Program {
  command: string[];
  user: string;
}

/** A shell in a container, from `open` to its end. */
export class Shell {
  phase = $state<"opening" | "open" | "ended" | "failed">("opening");
  failure = $state.raw<IpcFailure | null>(null);

  readonly #host: Host;
  readonly #streamId = newId("terminal");
  /** Keeps what is typed in order: each write waits for the one before. */
  #writes: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(host: Host) {
    this.#host = host;
  }

  async open(containerId: string, program: Program, size: Size, onOutput: (bytes: Uint8Array) => void): Promise<void> {
    try {
      await this.#host.stream("terminal.open", { id: containerId, stream_id: this.#streamId, ...program, ...size }, (chunk) => {
        if (this.#closed) return;
        if (chunk.source === "end") {
          this.phase = "ended";
        } else {
          if (this.phase === "opening") this.phase = "open";
          onOutput(bytesFrom(chunk.data));
        }
      });
      if (this.phase === "opening") this.phase = "open";
      // While it was opening nobody knew its name: it would run on, and nobody see it.
      if (this.#closed) await this.#end();
    } catch (error) {
      if (this.#closed) return;
      this.failure = IpcFailure.from(error);
      this.phase = "failed";
    }
  }

  write(text: string): void {
    if (this.phase !== "open") return;
    this.#writes = this.#writes
      .then(() => this.#host.call("terminal.write", { stream_id: this.#streamId, text }))
      .catch((error: unknown) => this.#lost(error));
  }

  resize(size: Size): void {
    if (this.phase !== "open") return;
    this.#host.call("terminal.resize", { stream_id: this.#streamId, ...size }).catch((error: unknown) => {
      this.#lost(error);
    });
  }

  /** The command lines of what it has started that still runs. */
  async programs(): Promise<readonly string[]> {
    return (await this.#host.call("terminal.programs", { stream_id: this.#streamId })).commands;
  }

  async close(): Promise<void> {
    if (this.phase === "ended") return;
    this.#closed = true;
    this.phase = "ended";
    await this.#end();
  }

  async #end(): Promise<void> {
    try {
      await this.#host.call("stream.close", { stream_id: this.#streamId });
    } catch {
      // Nobody is left to tell, and the app ends the stream with the window anyway.
    }
  }

  #lost(error: unknown): void {
    // A shell that ended between the key and its arrival is no failure to show.
    if (this.phase !== "open") return;
    this.failure = IpcFailure.from(error);
    this.phase = "failed";
  }
}
