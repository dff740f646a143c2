import { SvelteMap } from "svelte/reactivity";

import type { Host } from "../lib/host/host";
import type { FileProgress, PullProgress } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";
import { Rate } from "../lib/rate";
import { newId } from "./id";

/** Layers in these states need nothing more. */
const FINISHED = new Set(["Pull complete", "Already exists", "Pushed", "Layer already exists"]);
/** In these, `current` counts bytes that come or go over the network. */
const MOVING = new Set(["Downloading", "Pushing"]);
const BEFORE = new Set(["Pulling fs layer", "Waiting"]);

export type TransferKind = "pull" | "push" | "save" | "load" | "backup" | "restore" | "clone";

export const isFinished = ({ status }: PullProgress): boolean =>
  FINISHED.has(status) || status.startsWith("Mounted from");

/** Images, or a volume's files, on their way: what the engine last said of it, and how it ended. */
export class Transfer {
  readonly id = newId("transfer");
  readonly kind: TransferKind;
  /** The image or images, the file, or the volume. */
  readonly name: string;
  /** Does the same once more. */
  readonly again: () => void;
  readonly layers = new SvelteMap<string, PullProgress>();
  file = $state.raw<FileProgress | null>(null);
  outcome = $state<"running" | "done" | "cancelled" | "failed">("running");
  failure = $state.raw<IpcFailure | null>(null);
  /** Bytes a second. */
  speed = $state<number | null>(null);
  /** The images that a file brought. */
  brought = $state.raw<readonly string[]>([]);
  readonly finishedLayers = $derived([...this.layers.values()].filter(isFinished).length);

  /** Bytes of each layer, as far as known: what comes after the bytes' way counts others. */
  readonly #moved = new SvelteMap<string, { moved: number; size: number }>();
  readonly #rate = new Rate();

  constructor(kind: TransferKind, name: string, again: () => void) {
    this.kind = kind;
    this.name = name;
    this.again = again;
  }

  apply(progress: PullProgress): void {
    const { layer, status, current, total } = progress;
    if (layer === null) return;
    this.layers.set(layer, progress);
    const known = this.#moved.get(layer);
    if (MOVING.has(status) && current !== null) {
      this.#moved.set(layer, { moved: current, size: total ?? known?.size ?? current });
    } else if (known !== undefined && !MOVING.has(status) && !BEFORE.has(status)) {
      this.#moved.set(layer, { moved: known.size, size: known.size });
    }
  }

  get moved(): number {
    if (this.file !== null) return this.file.bytes;
    return [...this.#moved.values()].reduce((sum, { moved }) => sum + moved, 0);
  }

  /** Bytes in all; `null` while a layer has not said how large it is. */
  get size(): number | null {
    if (this.file !== null) return this.file.total;
    const told = [...this.layers].every(([id, layer]) => isFinished(layer) || this.#moved.has(id));
    if (!told || this.#moved.size === 0) return null;
    return [...this.#moved.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Seconds that are left if it goes on so. */
  get secondsLeft(): number | null {
    const { size, speed } = this;
    return size === null || speed === null || speed === 0 ? null : (size - this.moved) / speed;
  }

  /** Called now and then, also when nothing comes: the speed falls then. */
  measure(now: number): void {
    this.#rate.add(now, this.moved);
    this.speed = this.#rate.perSecond;
  }
}

/** The transfers of this window, newest first. */
export class Transfers {
  items = $state.raw<readonly Transfer[]>([]);

  readonly #host: Host;
  readonly #ended: (transfer: Transfer) => void;

  constructor(host: Host, ended: (transfer: Transfer) => void) {
    this.#host = host;
    this.#ended = ended;
  }

  /** Does it; resolves when it has ended, however it did. */
  async run(transfer: Transfer, send: (transfer: Transfer) => Promise<unknown>): Promise<void> {
    const same = (other: Transfer) => other.kind === transfer.kind && other.name === transfer.name;
    this.items = [transfer, ...this.items.filter((other) => other.outcome === "running" || !same(other))];
    try {
      await send(transfer);
      transfer.outcome = "done";
    } catch (error) {
      const failure = IpcFailure.from(error);
      transfer.failure = failure;
      transfer.outcome = failure.kind === "cancelled" ? "cancelled" : "failed";
    }
    this.#ended(transfer);
  }

  async cancel(transfer: Transfer): Promise<void> {
    try {
      if (transfer.kind === "pull") await this.#host.call("image.pull_cancel", { pull_id: transfer.id });
      else await this.#host.call("stream.close", { stream_id: transfer.id });
    } catch (error) {
      transfer.failure = IpcFailure.from(error);
    }
  }

  dismiss(transfer: Transfer): void {
    this.items = this.items.filter((other) => other !== transfer);
  }
}
