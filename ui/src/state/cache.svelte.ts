import type { Host } from "../lib/host/host";
import { IpcFailure } from "../lib/ipc/failure";

/** The steps of builds that the engine keeps for the next ones, as far as they are thrown away. */
export class BuildCache {
  busy = $state(false);
  failure = $state.raw<IpcFailure | null>(null);
  /** How often something came free: what was counted before is wrong by then. */
  times = $state(0);

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Throws away what no build uses; answers the bytes that came free, `null` when that failed. */
  async free(): Promise<number | null> {
    if (this.busy) return null;
    this.busy = true;
    this.failure = null;
    try {
      const { bytes } = await this.#host.call("build.prune", null);
      this.times += 1;
      return bytes;
    } catch (error) {
      this.failure = IpcFailure.from(error);
      return null;
    } finally {
      this.busy = false;
    }
  }
}
