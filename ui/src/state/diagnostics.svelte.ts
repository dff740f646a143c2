import type { Host } from "../lib/host/host";
import { IpcFailure } from "../lib/ipc/failure";
import type { AppState } from "./app.svelte";
import { fileName } from "./images.svelte";

/** What somebody who helps needs to see, on its way into a file. */
export class Diagnostics {
  busy = $state(false);
  failure = $state.raw<IpcFailure | null>(null);

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Lets the person choose a file and writes it; answers its path, `null` when there is none. */
  async save(): Promise<string | null> {
    if (this.busy) return null;
    this.busy = true;
    this.failure = null;
    try {
      const path = await this.#host.saveFile("naru-diagnostics.tar");
      if (path !== null) await this.#host.call("machine.diagnostics", { path });
      return path;
    } catch (error) {
      this.failure = IpcFailure.from(error);
      return null;
    } finally {
      this.busy = false;
    }
  }
}

/** The same, and tells when it is done. */
export const saveDiagnostics = async (app: AppState): Promise<void> => {
  const path = await app.diagnostics.save();
  if (path !== null) app.toasts.say(app.t.diagnostics.saved(fileName(path)));
};
