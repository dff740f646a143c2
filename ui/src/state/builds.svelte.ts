import type { Host } from "../lib/host/host";
import type { BuildEvent, ImageBuild } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";
import { newId } from "./id";
import { LinesOf, Said } from "./said.svelte";

/** The first and the last line of an instruction, from 1. */
export type BuildLines = Extract<BuildEvent, { type: "failed" }>["lines"];

export type StepState = "running" | "done" | "cached" | "failed" | "ended";

/** One step of a build, with what it has said. */
export class BuildStep {
  readonly number: number;
  readonly text: string;
  /** Where it stands in the Dockerfile. */
  readonly lines: BuildLines | null;
  readonly began = performance.now();
  state = $state<StepState>("running");
  /** Milliseconds that it took. */
  took = $state<number | null>(null);
  readonly said = new Said();

  readonly #lines = new LinesOf();

  constructor(number: number, text: string, lines: BuildLines | null) {
    this.number = number;
    this.text = text;
    this.lines = lines;
  }

  say(text: string): void {
    this.said.add(this.#lines.push(text));
  }

  end(state: StepState): void {
    if (this.state !== "running") return;
    this.said.add(this.#lines.end());
    this.state = state;
    this.took = performance.now() - this.began;
  }
}

/** A build of this window: what is known of it, and how it ended. */
export class Build {
  readonly id = newId("build");
  readonly request: Omit<ImageBuild, "stream_id">;
  /** The Dockerfile as it was when it was chosen. */
  readonly dockerfile: string;
  readonly began = performance.now();
  steps = $state.raw<readonly BuildStep[]>([]);
  total = $state(0);
  /** Bytes of the folder that are sent. */
  sent = $state(0);
  /** The layer of an image below that was last heard of. */
  pulling = $state<string | null>(null);
  outcome = $state<"running" | "done" | "cancelled" | "failed">("running");
  failure = $state.raw<IpcFailure | null>(null);
  failedAt = $state.raw<BuildLines | null>(null);
  /** Milliseconds that it took. */
  took = $state<number | null>(null);

  constructor(request: Omit<ImageBuild, "stream_id">, dockerfile: string) {
    this.request = request;
    this.dockerfile = dockerfile;
  }

  /** The image's name with its tag, as lists have it. */
  get image(): string {
    const { name } = this.request;
    return /:[^/]*$/.test(name) ? name : `${name}:latest`;
  }

  apply(event: BuildEvent): void {
    const now = this.steps.at(-1);
    switch (event.type) {
      case "sent":
        this.sent = event.bytes;
        break;
      case "pulling":
        if (event.progress.layer !== null) this.pulling = event.progress.layer;
        break;
      case "step":
        this.total = event.total;
        this.steps = [...this.steps, new BuildStep(event.number, event.text, event.lines)];
        break;
      case "output":
        now?.say(event.text);
        break;
      case "ended":
        now?.end(event.cached ? "cached" : "done");
        break;
      case "failed":
        this.failedAt = event.lines;
        break;
    }
  }

  /** What has not ended by itself ends with it: several may be under way at once. */
  end(outcome: "done" | "cancelled" | "failed"): void {
    this.took = performance.now() - this.began;
    this.outcome = outcome;
    const at = this.failedAt;
    for (const step of this.steps) {
      const failed = outcome === "failed" && at !== null && step.lines?.first === at.first;
      step.end(failed ? "failed" : "ended");
    }
  }
}

/** The builds of this window, newest first. */
export class Builds {
  items = $state.raw<readonly Build[]>([]);

  readonly #host: Host;
  readonly #ended: (build: Build) => void;

  constructor(host: Host, ended: (build: Build) => void) {
    this.#host = host;
    this.#ended = ended;
  }

  /** Does it; resolves when it has ended, however it did. */
  async run(build: Build): Promise<void> {
    const same = (other: Build) => other.request.name === build.request.name;
    this.items = [build, ...this.items.filter((other) => other.outcome === "running" || !same(other))];
    try {
      const request = { ...build.request, stream_id: build.id };
      await this.#host.stream("image.build", request, (event) => build.apply(event));
      build.end("done");
    } catch (error) {
      build.failure = IpcFailure.from(error);
      build.end(build.failure.kind === "cancelled" ? "cancelled" : "failed");
    }
    this.#ended(build);
  }

  async cancel(build: Build): Promise<void> {
    try {
      await this.#host.call("stream.close", { stream_id: build.id });
    } catch (error) {
      build.failure = IpcFailure.from(error);
    }
  }

  dismiss(build: Build): void {
    this.items = this.items.filter((other) => other !== build);
  }
}
