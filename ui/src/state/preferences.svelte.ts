import type { Host } from "../lib/host/host";
import type { Settings } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";

/** The settings as the app last said them. */
export class Preferences {
  /** `null` until the first answer. */
  settings = $state.raw<Settings | null>(null);
  failure = $state.raw<IpcFailure | null>(null);

  readonly #host: Host;
  /** Each change builds on what the one before left, else it would take it back. */
  #changes: Promise<boolean> = Promise.resolve(true);

  constructor(host: Host) {
    this.#host = host;
  }

  async refresh(): Promise<void> {
    try {
      this.settings = await this.#host.call("settings.get", null);
    } catch (error) {
      this.failure = IpcFailure.from(error);
    }
  }

  /** Changes some of them; answers whether it worked. */
  change(changes: Partial<Settings>): Promise<boolean> {
    this.#changes = this.#changes.then(() => this.#send(changes));
    return this.#changes;
  }

  async #send(changes: Partial<Settings>): Promise<boolean> {
    if (this.settings === null) return false;
    this.failure = null;
    try {
      this.settings = await this.#host.call("settings.set", { ...this.settings, ...changes });
      return true;
    } catch (error) {
      this.failure = IpcFailure.from(error);
      return false;
    }
  }
}
