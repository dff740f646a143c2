import { SvelteMap } from "svelte/reactivity";

import type { Host } from "../lib/host/host";
import type { PullProgress } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";
import { newId } from "./id";

/** Layers in these states need nothing more. */
const FINISHED = new Set(["Pull complete", "Already exists"]);

/** One pull: its layers as the engine last said them, and how it ended. */
export class Pull {
  readonly id = newId("pull");
  readonly reference: string;
  readonly layers = new SvelteMap<string, PullProgress>();
  outcome = $state<"running" | "done" | "cancelled" | "failed">("running");
  failure = $state.raw<IpcFailure | null>(null);
  readonly finishedLayers = $derived(
    [...this.layers.values()].filter((layer) => FINISHED.has(layer.status)).length,
  );

  constructor(reference: string) {
    this.reference = reference;
  }

  apply(progress: PullProgress): void {
    if (progress.layer !== null) this.layers.set(progress.layer, progress);
  }
}

/** The pulls of this window, newest first. */
export class Pulls {
  items = $state.raw<readonly Pull[]>([]);

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Pulls; resolves when it has ended, however it did. */
  async begin(reference: string): Promise<Pull> {
    const pull = new Pull(reference);
    this.items = [pull, ...this.items.filter((other) => other.reference !== reference || other.outcome === "running")];
    try {
      await this.#host.stream("image.pull", { reference, pull_id: pull.id }, (item) => pull.apply(item));
      pull.outcome = "done";
    } catch (error) {
      const failure = IpcFailure.from(error);
      pull.failure = failure;
      pull.outcome = failure.kind === "cancelled" ? "cancelled" : "failed";
    }
    return pull;
  }

  async cancel(pull: Pull): Promise<void> {
    try {
      await this.#host.call("image.pull_cancel", { pull_id: pull.id });
    } catch (error) {
      pull.failure = IpcFailure.from(error);
    }
  }

  dismiss(pull: Pull): void {
    this.items = this.items.filter((other) => other !== pull);
  }
}
