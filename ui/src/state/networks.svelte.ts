import type { Host } from "../lib/host/host";
import type { NetworkCreate, NetworkSummary } from "../lib/ipc/bindings";
import { Listing } from "./listing.svelte";
import { Pending } from "./pending.svelte";

/** The networks as the engine last said them, and what is under way. */
export class Networks {
  readonly list: Listing<NetworkSummary>;
  /** By id. */
  readonly pending = new Pending<"remove" | "connect" | "disconnect">();

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    this.list = new Listing(() => host.call("network.list", null));
  }

  /** By its id or its name. */
  find(network: string): NetworkSummary | undefined {
    return this.list.items?.find(({ id, name }) => id === network || name === network);
  }

  /** Answers the new one's id, rejects with an `IpcFailure`. */
  async create(request: NetworkCreate): Promise<string> {
    const { id } = await this.#host.call("network.create", request);
    await this.list.refresh();
    return id;
  }

  remove(id: string): Promise<boolean> {
    return this.pending.run(
      id,
      "remove",
      () => this.#host.call("network.remove", { id }),
      () => this.list.refresh(),
    );
  }

  link(id: string, containerId: string, verb: "connect" | "disconnect"): Promise<boolean> {
    return this.pending.run(
      id,
      verb,
      () => this.#host.call(`network.${verb}`, { id, container_id: containerId }),
      () => this.list.refresh(),
    );
  }
}
