import type { Host } from "../lib/host/host";
import type { RegistryAccount } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";

/** Who the person is to registries, as docker's files had it when they were last read. */
export class Accounts {
  items = $state.raw<readonly RegistryAccount[]>([]);
  failure = $state.raw<IpcFailure | null>(null);

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  async refresh(): Promise<void> {
    try {
      this.items = await this.#host.call("registry.accounts", null);
      this.failure = null;
    } catch (error) {
      this.failure = IpcFailure.from(error);
    }
  }

  /** Answers whether it worked. */
  async logOut(registry: string): Promise<boolean> {
    try {
      await this.#host.call("registry.logout", { registry });
    } catch (error) {
      this.failure = IpcFailure.from(error);
      return false;
    }
    await this.refresh();
    return true;
  }
}
