import { SvelteMap } from "svelte/reactivity";

import { IpcFailure } from "../lib/ipc/failure";

/** Things that something is being done to, and what could not be done to them, by their key. */
export class Pending<Verb extends string> {
  /** Never mixed into the engine's own states. */
  readonly verbs = new SvelteMap<string, Verb>();
  readonly failures = new SvelteMap<string, IpcFailure>();

  /** Does one thing at a time to each; answers whether it worked. `after` comes before it counts as done. */
  async run(key: string, verb: Verb, send: () => Promise<unknown>, after: () => Promise<void>): Promise<boolean> {
    if (this.verbs.has(key)) return false;
    this.verbs.set(key, verb);
    this.failures.delete(key);
    let worked = true;
    try {
      await send();
    } catch (error) {
      worked = false;
      this.failures.set(key, IpcFailure.from(error));
    }
    await after();
    this.verbs.delete(key);
    return worked;
  }
}
