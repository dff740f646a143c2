import type {
  AppEvent,
  AppInfo,
  Commands,
  ContainerSummary,
  FoundRepository,
  ImageDetails,
  ImagePrunePlan,
  ImageStep,
  ImageSummary,
  MachineStatus,
  NetworkSummary,
  OutputChunk,
  PullProgress,
  RegistryAccount,
  Repository,
  VolumeSize,
  VolumeSummary,
} from "../ipc/bindings";
import type { IpcFailure } from "../ipc/failure";
import type { Command, Host, Item, Request, Response, StreamCommand } from "./host";
import { FakeBuilds } from "./fake_builds";
import { FakeProjects } from "./fake_projects";
import { FakeTerminals } from "./fake_terminals";
import { FakeCloseUp, type Handlers } from "./fake_close";
import { imageHandlers } from "./fake_images";
import { networkHandlers } from "./fake_networks";
import { volumeHandlers } from "./fake_volumes";
import { fakeContainer, fakeImage, fakeInfo, fakeSettings, fakeStatus } from "./samples";

export * from "./fake_builds";
export * from "./fake_close";
export * from "./samples";

/**
 * An app in memory, for component tests and for looking at the window in a browser.
 * Its state is public: a test sets the scene, then looks at what was `asked`.
 */
export class FakeHost implements Host {
  machine = fakeStatus("running");
  containers: ContainerSummary[] = [];
  images: ImageSummary[] = [];
  volumes: VolumeSummary[] = [];
  volumeSizes: VolumeSize[] = [];
  networks: NetworkSummary[] = [];
  settings = fakeSettings;
  info: AppInfo = fakeInfo;
  /** What `container.logs` sends. */
  log: OutputChunk[] = [];
  /** Sends more of the log that was opened last. */
  sayMore: (chunk: OutputChunk) => void = () => undefined;
  /** What `image.pull` sends. */
  progress: PullProgress[] = [];
  /** Commands that reject, until they are deleted. */
  readonly failures = new Map<Command, IpcFailure>();
  /** Commands that never answer. */
  readonly hanging = new Set<Command>();
  /** Every request, in order. */
  readonly asked: { command: Command; request: unknown }[] = [];
  readonly opened: string[] = [];
  /** What was said by the system. */
  readonly notified: { title: string; body: string }[] = [];
  /** What the person chooses in the next dialogs for files; nothing when it is empty. */
  readonly chosen: string[] = [];
  found: FoundRepository[] = [];
  repositories: Repository[] = [];
  accounts: readonly RegistryAccount[] = [];
  details = new Map<string, ImageDetails>();
  steps: ImageStep[] = [];
  readonly builds = new FakeBuilds((image) => (this.images = [...this.images, image]));
  readonly projects = new FakeProjects();
  readonly terminals = new FakeTerminals();
  prunePlan: ImagePrunePlan = { images: [], bytes: 0 };

  readonly close = new FakeCloseUp();

  readonly #drops = new Set<(paths: readonly string[]) => void>();
  readonly #listeners = new Set<(event: AppEvent) => void>();

  /** The requests that one command got. */
  requests<K extends Command>(command: K): Request<K>[] {
    return this.asked.filter((each) => each.command === command).map((each) => each.request as Request<K>);
  }

  emit(event: AppEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  setMachine(status: MachineStatus): void {
    this.machine = status;
    this.emit({ type: "machine", status });
  }

  async call<K extends Command>(command: K, request: Request<K>): Promise<Response<K>> {
    return this.#answer(command, request, () => undefined);
  }

  async stream<K extends StreamCommand>(
    command: K,
    request: Request<K>,
    onItem: (item: Item<K>) => void,
  ): Promise<Response<K>> {
    return this.#answer(command, request, onItem);
  }

  listen(onEvent: (event: AppEvent) => void): Promise<() => void> {
    this.#listeners.add(onEvent);
    return Promise.resolve(() => this.#listeners.delete(onEvent));
  }

  readonly pickFile = (): Promise<string | null> => Promise.resolve(this.chosen.shift() ?? null);
  readonly pickFolder = this.pickFile;
  readonly saveFile = this.pickFile;

  onDrop(onDrop: (paths: readonly string[]) => void): Promise<() => void> {
    this.#drops.add(onDrop);
    return Promise.resolve(() => this.#drops.delete(onDrop));
  }

  /** Files that someone lets go of over the window. */
  drop(...paths: string[]): void {
    for (const onDrop of this.#drops) onDrop(paths);
  }

  openUrl(url: string): Promise<void> {
    this.opened.push(url);
    return Promise.resolve();
  }

  notify(title: string, body: string): Promise<void> {
    this.notified.push({ title, body });
    return Promise.resolve();
  }

  async #answer<K extends Command>(
    command: K,
    request: Request<K>,
    onItem: (item: Item<K>) => void,
  ): Promise<Response<K>> {
    this.asked.push({ command, request });
    await Promise.resolve();
    const failed = this.failures.get(command);
    if (failed !== undefined) throw failed;
    const handle: Handlers[K] = this.#handlers[command];
    const answer = await handle(request, onItem);
    if (this.hanging.has(command)) return new Promise(() => undefined);
    return answer;
  }

  #setState(id: string, state: string): Promise<null> {
    this.containers = this.containers.map((each) => (each.id === id ? { ...each, state } : each));
    this.emit({ type: "containers" });
    return Promise.resolve(null);
  }

  readonly #handlers: Handlers = {
    "app.info": () => Promise.resolve(this.info),
    "settings.get": () => Promise.resolve(this.settings),
    "settings.set": (settings) => {
      this.settings = settings;
      this.emit({ type: "settings", settings });
      return Promise.resolve(settings);
    },
    "machine.status": () => Promise.resolve(this.machine),
    "machine.start": () => {
      this.setMachine(fakeStatus("running"));
      return Promise.resolve(null);
    },
    "machine.stop": () => {
      this.setMachine(fakeStatus("stopped"));
      return Promise.resolve(null);
    },
    "machine.reset": () => {
      this.containers = [];
      this.images = [];
      this.volumes = [];
      this.networks = this.networks.filter(({ built_in }) => built_in);
      this.setMachine(fakeStatus("stopped"));
      return Promise.resolve(null);
    },
    ...imageHandlers(this),
    ...this.builds.handlers,
    ...this.projects.handlers,
    "container.list": () => Promise.resolve(this.containers),
    "container.run": ({ image, name }) => {
      const created = fakeContainer(name === "" ? "quiet_river" : name, { image });
      this.containers = [created, ...this.containers];
      return Promise.resolve({ id: created.id });
    },
    "container.remake": ({ id, settings }) => {
      const at = this.containers.find((each) => each.id === id);
      const remade = fakeContainer(at?.name ?? settings.name, { id: `ed17${id.slice(4)}`, image: settings.image });
      this.containers = [remade, ...this.containers.filter((each) => each.id !== id)];
      return Promise.resolve({ id: remade.id });
    },
    "container.start": ({ id }) => this.#setState(id, "running"),
    "container.stop": ({ id }) => this.#setState(id, "exited"),
    "container.restart": ({ id }) => this.#setState(id, "running"),
    "container.remove": ({ id }) => {
      this.containers = this.containers.filter((each) => each.id !== id);
      return Promise.resolve(null);
    },
    ...this.close.handlers,
    "container.pause": ({ id }) => this.#setState(id, "paused"),
    "container.unpause": ({ id }) => this.#setState(id, "running"),
    "container.kill": ({ id }) => this.#setState(id, "exited"),
    "container.rename": ({ id, name }) => {
      this.containers = this.containers.map((each) => (each.id === id ? { ...each, name } : each));
      return Promise.resolve(null);
    },
    "container.commit": ({ reference }) => {
      this.images = [...this.images, fakeImage(reference)];
      return Promise.resolve(null);
    },
    "container.logs": (_, onItem) => {
      for (const item of this.log) onItem(item);
      this.sayMore = onItem;
      return Promise.resolve(null);
    },
    ...volumeHandlers(this),
    ...networkHandlers(this),
    ...this.terminals.handlers,
    "tray.words": () => Promise.resolve(null),
  } satisfies { [K in keyof Commands]: Handlers[K] };
}
