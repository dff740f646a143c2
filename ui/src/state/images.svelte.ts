import { SvelteMap, SvelteSet } from "svelte/reactivity";

import type { Host } from "../lib/host/host";
import type { ImageSummary } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";
import { Listing } from "./listing.svelte";
import { Transfer, Transfers } from "./transfers.svelte";

/** The last part of a path, of either kind of system. */
export const fileName = (path: string): string => path.split(/[/\\]/).at(-1) ?? path;

/** The images as the engine last said them, and what this window moves. */
export class Images {
  readonly list: Listing<ImageSummary>;
  readonly transfers: Transfers;
  /** Names or ids that are being removed. */
  readonly removing = new SvelteSet<string>();
  /** The removals that failed, by name or id. */
  readonly failures = new SvelteMap<string, IpcFailure>();

  readonly #host: Host;

  constructor(host: Host, ended: (transfer: Transfer) => void) {
    this.#host = host;
    this.list = new Listing(() => host.call("image.list", null));
    this.transfers = new Transfers(host, ended);
  }

  /** By a name or by its id. */
  find(name: string): ImageSummary | undefined {
    return this.list.items?.find(({ id, tags }) => id === name || tags.includes(name));
  }

  async pull(reference: string): Promise<void> {
    const transfer = new Transfer("pull", reference, () => void this.pull(reference));
    await this.transfers.run(transfer, ({ id }) =>
      this.#host.stream("image.pull", { reference, pull_id: id }, (item) => transfer.apply(item)),
    );
    await this.list.refresh();
  }

  async push(reference: string): Promise<void> {
    const transfer = new Transfer("push", reference, () => void this.push(reference));
    await this.transfers.run(transfer, ({ id }) =>
      this.#host.stream("image.push", { reference, stream_id: id }, (item) => transfer.apply(item)),
    );
  }

  /** Writes the images into the file at `path`. */
  async save(images: readonly string[], path: string): Promise<void> {
    const transfer = new Transfer("save", fileName(path), () => void this.save(images, path));
    await this.transfers.run(transfer, ({ id }) =>
      this.#host.stream("image.save", { images: [...images], path, stream_id: id }, (item) => (transfer.file = item)),
    );
  }

  /** Takes the images out of the file at `path`. */
  async load(path: string): Promise<void> {
    const transfer = new Transfer("load", fileName(path), () => void this.load(path));
    await this.transfers.run(transfer, async ({ id }) => {
      const request = { path, stream_id: id };
      const { images } = await this.#host.stream("image.load", request, (item) => (transfer.file = item));
      transfer.brought = images;
    });
    await this.list.refresh();
  }

  /** Gives the image one more name; rejects with an `IpcFailure`. */
  async tag(image: string, name: string): Promise<void> {
    await this.#host.call("image.tag", { image, name });
    await this.list.refresh();
  }

  async remove(name: string, force: boolean): Promise<void> {
    this.removing.add(name);
    this.failures.delete(name);
    try {
      await this.#host.call("image.remove", { image: name, force });
    } catch (error) {
      this.failures.set(name, IpcFailure.from(error));
    }
    await this.list.refresh();
    this.removing.delete(name);
  }
}
