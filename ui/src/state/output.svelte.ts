import type { Host } from "../lib/host/host";
import type { OutputChunk } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";
import { bytesFrom, LineCutter, type TimedLine } from "../lib/text/lines";
import { newId } from "./id";

/** How many lines are kept; older ones go. */
export const KEPT_LINES = 100_000;
/** How many of the last lines a log begins with. */
const TAIL = 5000;

export interface OutputLine extends TimedLine {
  readonly number: number;
  readonly stderr: boolean;
}

/** A container's log, followed live until it is closed. */
export class Output {
  lines = $state.raw<readonly OutputLine[]>([]);
  phase = $state<"opening" | "open" | "ended" | "failed">("opening");
  failure = $state.raw<IpcFailure | null>(null);

  readonly #host: Host;
  readonly #streamId = newId("logs");
  readonly #cutters = { stdout: new LineCutter(), stderr: new LineCutter() };
  #arrived: OutputLine[] = [];
  #count = 0;
  #scheduled = false;
  #closed = false;

  constructor(host: Host) {
    this.#host = host;
  }

  open(containerId: string): Promise<void> {
    const request = { id: containerId, stream_id: this.#streamId, tail: TAIL };
    return this.#follow(() => this.#host.stream("container.logs", request, (chunk) => this.#take(chunk)));
  }

  /** The machine's own console in a container's place. */
  openConsole(): Promise<void> {
    const request = { stream_id: this.#streamId };
    return this.#follow(() => this.#host.stream("machine.console", request, (chunk) => this.#take(chunk)));
  }

  async #follow(begin: () => Promise<null>): Promise<void> {
    try {
      await begin();
      if (this.phase === "opening") this.phase = "open";
    } catch (error) {
      this.failure = IpcFailure.from(error);
      this.phase = "failed";
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    try {
      await this.#host.call("stream.close", { stream_id: this.#streamId });
    } catch {
      // Nobody is left to tell, and the app ends the stream with the window anyway.
    }
  }

  #take({ source, data }: OutputChunk): void {
    if (this.#closed) return;
    if (source === "end") {
      this.#add(false, this.#cutters.stdout.end());
      this.#add(true, this.#cutters.stderr.end());
      this.phase = "ended";
    } else {
      this.phase = "open";
      this.#add(source === "stderr", this.#cutters[source].push(bytesFrom(data)));
    }
  }

  #add(stderr: boolean, lines: TimedLine[]): void {
    for (const line of lines) {
      this.#count += 1;
      this.#arrived.push(Object.assign(line, { number: this.#count, stderr }));
    }
    // A window that is hidden has no frames, maybe for hours.
    if (this.#arrived.length > 2 * KEPT_LINES) this.#arrived = this.#arrived.slice(-KEPT_LINES);
    // A busy log sends thousands of chunks a second; the screen needs one list a frame.
    if (this.#scheduled || this.#arrived.length === 0) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.lines = this.lines.concat(this.#arrived).slice(-KEPT_LINES);
      this.#arrived = [];
    });
  }
}
