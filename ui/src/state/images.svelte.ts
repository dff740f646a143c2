import { SvelteSet } from "svelte/reactivity";

import type { Host } from "../lib/host/host";
import type { ImageSummary } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";
import { Listing } from "./listing.svelte";
import { Pulls } from "./pulls.svelte";

/** The images as the engine last said them, and the pulls of this window. */
export class Images {
  readonly list: Listing<ImageSummary>;
  readonly pulls: Pulls;
  /** Names or ids that are being removed. */
  readonly removing = new SvelteSet<string>();
  /** The last removal that failed. */
  failure = $state.raw<IpcFailure | null>(null);

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    this.list = new Listing(() => host.call("image.list", null));
    this.pulls = new Pulls(host);
  }

  async pull(reference: string): Promise<void> {
    await this.pulls.begin(reference);
    await this.list.refresh();
  }

  /** By a name or by its id. */
  find(name: string): ImageSummary | undefined {
    return this.list.items?.find(({ id, tags }) => id === name || tags.includes(name));
  }

  /** Gives the image one more name; rejects with an `IpcFailure`. */
  async tag(image: string, name: string): Promise<void> {
    await this.#host.call("image.tag", { image, name });
    await this.list.refresh();
  }

  async remove(name: string, force: boolean): Promise<void> {
    this.removing.add(name);
    this.failure = null;
    try {
      await this.#host.call("image.remove", { image: name, force });
    } catch (error) {
      this.failure = IpcFailure.from(error);
    }
    await this.list.refresh();
    this.removing.delete(name);
  }
}
