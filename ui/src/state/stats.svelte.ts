import type { Host } from "../lib/host/host";
import type { StatsSample } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";
import { newId } from "./id";

/** How many samples are kept, one a second: what a chart shows. */
export const KEPT_SAMPLES = 120;

/** Bytes a second between two samples of a sum. */
const rate = (before: StatsSample, now: StatsSample, sum: (sample: StatsSample) => number): number => {
  const seconds = (now.time_ms - before.time_ms) / 1000;
  // A sum that has become smaller is another container's, which began anew.
  return seconds <= 0 ? 0 : Math.max(0, sum(now) - sum(before)) / seconds;
};

/** What a container uses, from `open` until it is closed. */
export class Stats {
  samples = $state.raw<readonly StatsSample[]>([]);
  phase = $state<"opening" | "open" | "ended" | "failed">("opening");
  failure = $state.raw<IpcFailure | null>(null);

  readonly #host: Host;
  readonly #streamId = newId("stats");

  constructor(host: Host) {
    this.#host = host;
  }

  get last(): StatsSample | undefined {
    return this.samples.at(-1);
  }

  /** What is counted up, as it grows: one value less than there are samples. */
  rates(sum: (sample: StatsSample) => number): number[] {
    return this.samples.slice(1).map((sample, at) => rate(this.samples[at] ?? sample, sample, sum));
  }

  async open(containerId: string): Promise<void> {
    try {
      await this.#host.stream("container.stats", { id: containerId, stream_id: this.#streamId }, (sample) => {
        if (sample.time_ms === 0) {
          this.phase = "ended";
          return;
        }
        this.phase = "open";
        this.samples = [...this.samples, sample].slice(-KEPT_SAMPLES);
      });
    } catch (error) {
      this.failure = IpcFailure.from(error);
      this.phase = "failed";
    }
  }

  async close(): Promise<void> {
    try {
      await this.#host.call("stream.close", { stream_id: this.#streamId });
    } catch {
      // Nobody is left to tell, and the app ends the stream with the window anyway.
    }
  }
}
