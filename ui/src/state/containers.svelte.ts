import { SvelteMap } from "svelte/reactivity";

import type { Host } from "../lib/host/host";
import type { ContainerRun, ContainerSummary } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";
import { Listing } from "./listing.svelte";

/** What was asked of a container and is not done yet. */
export type Verb = "start" | "stop" | "restart" | "remove";

/** The containers as the engine last said them, and what is under way. */
export class Containers {
  readonly list: Listing<ContainerSummary>;
  /** By container id. Never mixed into the engine's own states. */
  readonly pending = new SvelteMap<string, Verb>();
  /** By container id: what could not be done. */
  readonly failures = new SvelteMap<string, IpcFailure>();
  readonly runningCount = $derived.by(
    () => this.list.items?.filter((container) => container.state === "running").length ?? 0,
  );

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    this.list = new Listing(() => host.call("container.list", null));
  }

  find(id: string): ContainerSummary | undefined {
    return this.list.items?.find((container) => container.id === id);
  }

  /** Creates and starts; answers the container's id, rejects with an `IpcFailure`. */
  async run(request: ContainerRun): Promise<string> {
    const { id } = await this.#host.call("container.run", request);
    await this.list.refresh();
    return id;
  }

  async act(container: ContainerSummary, verb: Verb): Promise<void> {
    const { id } = container;
    if (this.pending.has(id)) return;
    this.pending.set(id, verb);
    this.failures.delete(id);
    try {
      await this.#send(container, verb);
    } catch (error) {
      this.failures.set(id, IpcFailure.from(error));
    }
    await this.list.refresh();
    this.pending.delete(id);
  }

  async #send({ id, state }: ContainerSummary, verb: Verb): Promise<void> {
    if (verb === "remove") {
      await this.#host.call("container.remove", { id, force: state === "running" || state === "paused" });
    } else {
      await this.#host.call(`container.${verb}`, { id });
    }
  }
}
