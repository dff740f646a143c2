import { SvelteMap } from "svelte/reactivity";

import type { Host } from "../lib/host/host";
import type { VolumeSummary } from "../lib/ipc/bindings";
import { Listing } from "./listing.svelte";
import { Pending } from "./pending.svelte";
import { Transfer, Transfers } from "./transfers.svelte";

/** The volumes as the engine last said them, and what is under way. */
export class Volumes {
  readonly list: Listing<VolumeSummary>;
  /** By name. */
  readonly pending = new Pending<"remove">();
  /** Bytes by name; one that is not there was not measured yet. */
  readonly sizes = new SvelteMap<string, number>();
  /** Backups, and what comes out of them; copies. */
  readonly transfers: Transfers;
  /** How often each was restored: what was known of its files is not so any more. */
  readonly restored = new SvelteMap<string, number>();

  readonly #host: Host;

  constructor(host: Host, ended: (transfer: Transfer) => void) {
    this.#host = host;
    this.transfers = new Transfers(host, ended);
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

  /** Writes all files of a volume into the file at `path`. */
  async backUp(name: string, path: string): Promise<void> {
    const transfer = new Transfer("backup", name, () => void this.backUp(name, path));
    await this.transfers.run(transfer, ({ id }) =>
      this.#host.stream("volume.backup", { name, path, stream_id: id }, (item) => (transfer.file = item)),
    );
  }

  /** Makes what is in the file at `path` all that is in a volume; what is in it goes only with `replace`. */
  async restore(name: string, path: string, replace: boolean): Promise<void> {
    const transfer = new Transfer("restore", name, () => void this.restore(name, path, replace));
    await this.transfers.run(transfer, ({ id }) =>
      this.#host.stream("volume.restore", { name, path, replace, stream_id: id }, (item) => (transfer.file = item)),
    );
    if (transfer.outcome === "done") this.restored.set(name, (this.restored.get(name) ?? 0) + 1);
    await this.#look();
  }

  /** Makes the volume `to` with all files of another. */
  async clone(name: string, to: string): Promise<void> {
    const transfer = new Transfer("clone", to, () => void this.clone(name, to));
    await this.transfers.run(transfer, ({ id }) =>
      this.#host.stream("volume.clone", { name, to, stream_id: id }, (item) => (transfer.file = item)),
    );
    await this.#look();
  }

  async #look(): Promise<void> {
    await this.list.refresh();
    await this.measure();
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
