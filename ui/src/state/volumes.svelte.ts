import { SvelteMap } from "svelte/reactivity";

import type { Host } from "../lib/host/host";
import type { VolumeSummary } from "../lib/ipc/bindings";
import { Listing } from "./listing.svelte";
import { Pending } from "./pending.svelte";

/** The volumes as the engine last said them, and what is under way. */
export class Volumes {
  readonly list: Listing<VolumeSummary>;
  /** By name. */
  readonly pending = new Pending<"remove">();
  /** Bytes by name; one that is not there was not measured yet. */
  readonly sizes = new SvelteMap<string, number>();

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    this.list = new Listing(() => host.call("volume.list", null));
  }

  find(name: string): VolumeSummary | undefined {
    return this.list.items?.find((volume) => volume.name === name);
  }

  /** Answers the new one's name, rejects with an `IpcFailure`. */
  async create(name: string): Promise<string> {
    const created = await this.#host.call("volume.create", { name });
    await this.list.refresh();
    return created.name;
  }

  remove(name: string): Promise<boolean> {
    return this.pending.run(
      name,
      "remove",
      () => this.#host.call("volume.remove", { name }),
      () => this.list.refresh(),
    );
  }

  /** Apart from the list: the engine looks at every file for it. */
  async measure(): Promise<void> {
    try {
      const sizes = await this.#host.call("volume.sizes", null);
      this.sizes.clear();
      for (const { name, bytes } of sizes) this.sizes.set(name, bytes);
    } catch {
      // The list is whole without; the next look at it measures again.
    }
  }
}
