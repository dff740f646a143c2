import type { Host } from "../lib/host/host";
import type { MachineUsage as Look } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";
import { KEPT_SAMPLES } from "./stats.svelte";
import { lookAgain } from "./watching";

/** From one look to the next, in milliseconds. */
const EVERY = 1000;

/** The share of all its processors that worked between two looks. */
const share = (before: Look, now: Look): number => {
  const could = (now.time_ms - before.time_ms) * now.cpus;
  return could <= 0 ? 0 : Math.min(1, Math.max(0, now.cpu_ms - before.cpu_ms) / could);
};

/** What the machine uses, looked at for as long as somebody watches. */
export class MachineUsage {
  looks = $state.raw<readonly Look[]>([]);
  failure = $state.raw<IpcFailure | null>(null);
  /** One value less than there are looks. */
  readonly cpus = $derived(this.looks.slice(1).map((look, at) => share(this.looks[at] ?? look, look)));

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  get last(): Look | undefined {
    return this.looks.at(-1);
  }

  /** Looks again and again until the answer is called. */
  begin(): () => void {
    return lookAgain(EVERY, () => this.#read());
  }

  async #read(): Promise<void> {
    try {
      this.#take(await this.#host.call("machine.usage", null));
      this.failure = null;
    } catch (error) {
      // The same is not said anew at every look.
      this.failure ??= IpcFailure.from(error);
    }
  }

  #take(now: Look): void {
    // A clock that went back is that of a new start.
    const before = (this.last?.time_ms ?? 0) > now.time_ms ? [] : this.looks;
    this.looks = [...before, now].slice(-KEPT_SAMPLES - 1);
  }
}
