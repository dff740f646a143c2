import type { ComposeFound, OutputChunk } from "../ipc/bindings";
import type { IpcFailure } from "../ipc/failure";
import type { Handlers } from "./fake_close";
import { chunk } from "./samples";

/** The computer's compose, and what it does. */
export class FakeProjects {
  compose: ComposeFound = { program: "docker compose", version: "2.32.4" };
  /** What it says. */
  says = " Container shop-web-1  Started\n";
  /** How it ends after that, unless well. */
  failure: IpcFailure | null = null;
  /** What it takes until then. */
  wait: () => Promise<void> = () => Promise.resolve();
  /** What happens to the containers. */
  onup: () => void = () => undefined;
  ondown: () => void = () => undefined;

  async #work(onItem: (chunk: OutputChunk) => void): Promise<void> {
    onItem(chunk("stderr", this.says));
    await this.wait();
    if (this.failure !== null) throw this.failure;
  }

  readonly handlers = {
    "project.compose": () => Promise.resolve(this.compose),
    "project.up": async (_, onItem) => {
      await this.#work(onItem);
      this.onup();
      return { name: "shop" };
    },
    "project.down": async (_, onItem) => {
      await this.#work(onItem);
      this.ondown();
      return null;
    },
  } satisfies Partial<Handlers>;
}
