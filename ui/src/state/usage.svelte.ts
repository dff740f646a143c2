import { SvelteMap } from "svelte/reactivity";

import type { Host } from "../lib/host/host";
import type { ContainerUsage } from "../lib/ipc/bindings";
import { lookAgain } from "./watching";

/** How many looks a line is made of. */
export const KEPT_LOOKS = 30;
/** From one look to the next, in milliseconds. */
const EVERY = 2000;

/** What a container uses, for a line in a list. */
export interface UsageLine {
  /** Shares of one processor, the newest last; empty until the second look. */
  cpus: readonly number[];
  memory: number;
}

/** What the containers in sight use, looked at for as long as somebody watches. */
export class Usage {
  /** By container id. */
  readonly lines = new SvelteMap<string, UsageLine>();

  readonly #host: Host;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- nothing is shown of them
  readonly #last = new Map<string, ContainerUsage>();
  #ids: readonly string[] = [];

  constructor(host: Host) {
    this.#host = host;
  }

  /** Looks at these from now on, and forgets the others. */
  watch(ids: readonly string[]): void {
    this.#ids = ids;
    for (const id of [...this.lines.keys()]) {
      if (ids.includes(id)) continue;
      this.lines.delete(id);
      this.#last.delete(id);
    }
  }

  /** Looks again and again until the answer is called. */
  begin(): () => void {
    return lookAgain(EVERY, async () => {
      if (this.#ids.length > 0) await this.#read();
    });
  }

  async #read(): Promise<void> {
    try {
      for (const usage of await this.#host.call("container.usage", { ids: [...this.#ids] })) this.#take(usage);
    } catch {
      // The list itself says when the engine does not answer.
    }
  }

  #take(now: ContainerUsage): void {
    const before = this.#last.get(now.id);
    this.#last.set(now.id, now);
    const cpus = this.lines.get(now.id)?.cpus ?? [];
    const passed = before === undefined ? 0 : now.time_ms - before.time_ms;
    // A sum that has become smaller is that of a new start.
    const share = before === undefined || passed <= 0 ? null : Math.max(0, now.cpu_ms - before.cpu_ms) / passed;
    this.lines.set(now.id, {
      cpus: share === null ? cpus : [...cpus, share].slice(-KEPT_LOOKS),
      memory: now.memory_bytes,
    });
  }
}
