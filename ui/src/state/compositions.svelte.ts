import type { Host } from "../lib/host/host";
import type { OutputChunk } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";
import { bytesFrom } from "../lib/text/lines";
import { newId } from "./id";
import { LinesOf, Said } from "./said.svelte";

export type CompositionKind = "up" | "down";

/** What compose does for this window: what it says, and how it ended. */
export class Composition {
  readonly id = newId("compose");
  readonly kind: CompositionKind;
  /** The file, or the project that goes. */
  readonly name: string;
  /** Does the same once more. */
  readonly again: () => void;
  readonly said = new Said();
  outcome = $state<"running" | "done" | "cancelled" | "failed">("running");
  failure = $state.raw<IpcFailure | null>(null);

  readonly #streams = {
    stdout: { decoder: new TextDecoder(), lines: new LinesOf() },
    stderr: { decoder: new TextDecoder(), lines: new LinesOf() },
  };

  constructor(kind: CompositionKind, name: string, again: () => void) {
    this.kind = kind;
    this.name = name;
    this.again = again;
  }

  apply({ source, data }: OutputChunk): void {
    if (source === "end") return;
    const { decoder, lines } = this.#streams[source];
    this.said.add(lines.push(decoder.decode(bytesFrom(data), { stream: true })));
  }

  end(outcome: "done" | "cancelled" | "failed"): void {
    for (const { lines } of Object.values(this.#streams)) this.said.add(lines.end());
    this.outcome = outcome;
  }
}

/** What compose does or did for this window, newest first. */
export class Compositions {
  items = $state.raw<readonly Composition[]>([]);

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Brings the file's services up; answers the project's name, or nothing when that did not work. */
  async up(composition: Composition, file: string): Promise<string | null> {
    const request = { file, stream_id: composition.id };
    const up = await this.#run(composition, () =>
      this.#host.stream("project.up", request, (chunk) => composition.apply(chunk)),
    );
    return up?.name ?? null;
  }

  /** Removes the project's containers and networks, and its volumes if it is told; answers whether that worked. */
  async down(composition: Composition, volumes: boolean): Promise<boolean> {
    const request = { name: composition.name, volumes, stream_id: composition.id };
    await this.#run(composition, () =>
      this.#host.stream("project.down", request, (chunk) => composition.apply(chunk)),
    );
    return composition.outcome === "done";
  }

  async cancel(composition: Composition): Promise<void> {
    try {
      await this.#host.call("stream.close", { stream_id: composition.id });
    } catch (error) {
      composition.failure = IpcFailure.from(error);
    }
  }

  dismiss(composition: Composition): void {
    this.items = this.items.filter((other) => other !== composition);
  }

  async #run<T>(composition: Composition, send: () => Promise<T>): Promise<T | null> {
    const { kind, name } = composition;
    const stays = (other: Composition) => other.outcome === "running" || other.kind !== kind || other.name !== name;
    this.items = [composition, ...this.items.filter(stays)];
    try {
      const answer = await send();
      composition.end("done");
      // What worked is seen in the list itself.
      this.dismiss(composition);
      return answer;
    } catch (error) {
      composition.failure = IpcFailure.from(error);
      composition.end(composition.failure.kind === "cancelled" ? "cancelled" : "failed");
      return null;
    }
  }
}
