import type { ComposeFound } from "../ipc/bindings";
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
  /** What happens to the containers. */
  onup: () => void = () => undefined;
  ondown: () => void = () => undefined;

  readonly handlers = {
    "project.compose": () => Promise.resolve(this.compose),
    "project.up": (_, onItem) => {
      onItem(chunk("stderr", this.says));
      if (this.failure !== null) return Promise.reject(this.failure);
      this.onup();
      return Promise.resolve({ name: "shop" });
    },
    "project.down": (_, onItem) => {
      onItem(chunk("stderr", this.says));
      if (this.failure !== null) return Promise.reject(this.failure);
      this.ondown();
      return Promise.resolve(null);
    },
  } satisfies Partial<Handlers>;
}
