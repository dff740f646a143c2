import type { Host } from "../lib/host/host";
import type { ContainerRun, ContainerSummary } from "../lib/ipc/bindings";
import { Listing } from "./listing.svelte";
import { Pending } from "./pending.svelte";

/** What was asked of a container and is not done yet. */
export type Verb = "start" | "stop" | "restart" | "pause" | "unpause" | "kill" | "remove";

/** Whether a container lives, so that it can be stopped. */
export const isLive = ({ state }: ContainerSummary): boolean =>
  state === "running" || state === "paused" || state === "restarting";

/** The exit statuses of what ended well, or was told to end: by SIGKILL, by SIGTERM. */
const AS_WANTED: ReadonlySet<string> = new Set(["0", "137", "143"]);

/** A container that has ended by itself, and not well. */
export interface Death {
  container: ContainerSummary;
  exitCode: string;
}

/** Those that lived before, and have died since. */
const deathsIn = (before: readonly ContainerSummary[], after: readonly ContainerSummary[]): Death[] => {
  const lived = new Set(before.filter(isLive).map(({ id }) => id));
  return after.flatMap((container) => {
    const exitCode = /^Exited \((\d+)\)/.exec(container.status)?.[1];
    if (container.state !== "exited" || exitCode === undefined || AS_WANTED.has(exitCode)) return [];
    return lived.has(container.id) ? [{ container, exitCode }] : [];
  });
};

/** The containers as the engine last said them, and what is under way. */
export class Containers {
  readonly list: Listing<ContainerSummary>;
  /** By container id. */
  readonly pending = new Pending<Verb>();
  readonly runningCount = $derived.by(
    () => this.list.items?.filter((container) => container.state === "running").length ?? 0,
  );

  readonly #host: Host;

  /** `died` hears of those that this window has not told to end, `there` of those that there are now. */
  constructor(host: Host, died: (death: Death) => void, there: (ids: readonly string[]) => void) {
    this.#host = host;
    this.list = new Listing(
      () => host.call("container.list", null),
      (before, after) => {
        there(after.map(({ id }) => id));
        for (const death of deathsIn(before, after)) if (!this.pending.verbs.has(death.container.id)) died(death);
      },
    );
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

  /** Makes it anew with these settings; answers the new one's id, rejects with an `IpcFailure`. */
  async remake(id: string, settings: ContainerRun): Promise<string> {
    try {
      return (await this.#host.call("container.remake", { id, settings })).id;
    } finally {
      await this.list.refresh();
    }
  }

  /** Answers whether it worked. */
  act(container: ContainerSummary, verb: Verb): Promise<boolean> {
    return this.pending.run(
      container.id,
      verb,
      () => this.#send(container, verb),
      () => this.list.refresh(),
    );
  }

  /** The same for each of several for which it makes sense. */
  async actAll(containers: readonly ContainerSummary[], verb: "start" | "stop" | "restart"): Promise<void> {
    const running = (container: ContainerSummary) => container.state === "running";
    const meant = containers.filter((each) => verb === "restart" || running(each) === (verb === "stop"));
    await Promise.all(meant.map((container) => this.act(container, verb)));
  }

  /** Rejects with an `IpcFailure`. */
  async rename(id: string, name: string): Promise<void> {
    await this.#host.call("container.rename", { id, name });
    await this.list.refresh();
  }

  async #send({ id, state }: ContainerSummary, verb: Verb): Promise<void> {
    if (verb === "remove") {
      await this.#host.call("container.remove", { id, force: state === "running" || state === "paused" });
    } else {
      await this.#host.call(`container.${verb}`, { id });
    }
  }
}
