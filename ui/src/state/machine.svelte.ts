import type { Host } from "../lib/host/host";
import type { MachineStatus } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";

/** The machine as the app last said it. */
export class Machine {
  /** `null` until the first answer. */
  status = $state.raw<MachineStatus | null>(null);
  /** A start or stop that was refused, or an app that does not answer. */
  failure = $state.raw<IpcFailure | null>(null);
  readonly running = $derived(this.status?.state === "running");

  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  async refresh(): Promise<void> {
    try {
      this.status = await this.#host.call("machine.status", null);
    } catch (error) {
      this.failure = IpcFailure.from(error);
    }
  }

  /** Asks an app that did not answer once more. */
  async retry(): Promise<void> {
    this.failure = null;
    await this.refresh();
  }

  async start(): Promise<void> {
    await this.#ask("machine.start");
  }

  async stop(): Promise<void> {
    await this.#ask("machine.stop");
  }

  /** Stops it and, when that worked, starts it again. */
  async restart(): Promise<void> {
    await this.stop();
    if (this.failure === null) await this.start();
  }

  /** Throws away all that is on its disk and, when that worked, starts it with a new one. */
  async reset(): Promise<void> {
    await this.#ask("machine.reset");
    if (this.failure === null) await this.start();
  }

  async #ask(command: "machine.start" | "machine.stop" | "machine.reset"): Promise<void> {
    this.failure = null;
    try {
      await this.#host.call(command, null);
    } catch (error) {
      const failure = IpcFailure.from(error);
      // Someone stopped the machine while it started: that is what they wanted.
      if (failure.kind !== "cancelled") this.failure = failure;
    }
    await this.refresh();
  }
}
