import type { BuildEvent, BuildFolder, ImageSummary } from "../ipc/bindings";
import type { IpcFailure } from "../ipc/failure";
import type { Handlers } from "./fake_close";
import { failure, fakeId, fakeImage } from "./samples";

export const fakeFolder = (changes: Partial<BuildFolder> = {}): BuildFolder => ({
  dockerfile: "Dockerfile",
  found: ["Dockerfile"],
  text: "FROM busybox\nCOPY . /app\nRUN make\n",
  problem: null,
  stages: [],
  arguments: [],
  ...changes,
});

/** Folders to build from, and how a build goes. */
export class FakeBuilds {
  /** By path; others are not there. */
  readonly folders = new Map<string, BuildFolder>();
  /** What `image.build` sends. */
  events: BuildEvent[] = [];
  /** How it ends after that, unless well. */
  failure: IpcFailure | null = null;

  readonly handlers = {
    "image.build_folder": ({ folder, dockerfile }) => {
      const found = this.folders.get(folder);
      if (found === undefined) return Promise.reject(failure("not_found", `cannot read ${folder}`));
      if (dockerfile === "" || dockerfile === found.dockerfile) return Promise.resolve(found);
      return Promise.resolve(fakeFolder({ ...found, dockerfile, text: null }));
    },
    "image.build": ({ name }, onItem) => {
      for (const event of this.events) onItem(event);
      if (this.failure !== null) return Promise.reject(this.failure);
      const built = fakeImage(`${name}:latest`, { id: fakeId("built") });
      this.#onbuilt(built);
      return Promise.resolve({ id: built.id });
    },
  } satisfies Partial<Handlers>;

  readonly #onbuilt: (image: ImageSummary) => void;

  constructor(onbuilt: (image: ImageSummary) => void) {
    this.#onbuilt = onbuilt;
  }
}
