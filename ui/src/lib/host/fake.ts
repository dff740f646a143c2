import type {
  AppEvent,
  AppInfo,
  Commands,
  ContainerSummary,
  Hint,
  ImageSummary,
  MachineStatus,
  OutputChunk,
  PullProgress,
  Settings,
  StartStep,
} from "../ipc/bindings";
import { IpcFailure, type ErrorKind } from "../ipc/failure";
import type { Command, Host, Item, Request, Response, StreamCommand } from "./host";

type Handlers = { [K in Command]: (request: Request<K>, onItem: (item: Item<K>) => void) => Promise<Response<K>> };

const STEPS = ["qemu", "image", "disk", "boot", "channel", "handshake", "engine"];
const HEX = "3f8a1c0d9e7b5a4f";

/** The start-up steps with `done` of them done and, if there is one more, that one in `next`. */
export const fakeSteps = (done: number, next: StartStep["state"] = "running"): StartStep[] =>
  STEPS.map((name, at) => ({
    name,
    state: at < done ? "done" : at === done ? next : "pending",
    duration_ms: at < done ? [12, 240, 65, 3820, 140, 35, 610][at] ?? 0 : at === done ? 1200 : 0,
  }));

export const fakeStatus = (state: MachineStatus["state"], changes: Partial<MachineStatus> = {}): MachineStatus => ({
  state,
  steps: state === "running" ? fakeSteps(STEPS.length) : [],
  accelerator: "kvm",
  carrier: "vsock",
  error: null,
  console_tail: [],
  ...changes,
});

/** 64 hex digits, others for every name. */
const fakeId = (name: string): string =>
  Array.from(new TextEncoder().encode(name), (byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .concat(HEX.repeat(4))
    .slice(0, 64);

export const fakeContainer = (name: string, changes: Partial<ContainerSummary> = {}): ContainerSummary => ({
  id: fakeId(name),
  name,
  image: "busybox:latest",
  state: "running",
  status: "Up 3 minutes",
  command: "sh",
  created: Math.floor(Date.now() / 1000) - 200,
  ports: [],
  tty: false,
  ...changes,
});

export const fakeImage = (tag: string, changes: Partial<ImageSummary> = {}): ImageSummary => ({
  id: `sha256:${HEX.repeat(4)}`,
  tags: [tag],
  size: 4_300_000,
  created: Math.floor(Date.now() / 1000) - 86_400 * 12,
  containers: 0,
  ...changes,
});

export const fakeSettings: Settings = {
  language: "en",
  theme: "system",
  cpus: 2,
  memory_mib: 2048,
  disk_gib: 64,
  qemu_path: "",
  accelerator: "auto",
  carrier: "auto",
  insecure_registries: [],
  registries: { hosts: {}, insecure: [], ca: [], http_proxy: "", https_proxy: "", no_proxy: "", index: "" },
};

export const failure = (kind: ErrorKind, message: string, ...hints: Hint[]): IpcFailure =>
  new IpcFailure({ kind, message, hints });

export const chunk = (source: OutputChunk["source"], text: string): OutputChunk => ({
  source,
  data: btoa(String.fromCharCode(...new TextEncoder().encode(text))),
});

/**
 * An app in memory, for component tests and for looking at the window in a browser.
 * Its state is public: a test sets the scene, then looks at what was `asked`.
 */
export class FakeHost implements Host {
  machine = fakeStatus("running");
  containers: ContainerSummary[] = [];
  images: ImageSummary[] = [];
  settings = fakeSettings;
  info: AppInfo = {
    version: "0.1.0",
    platform: "linux",
    docker_context: "naru",
    docker_host: "unix:///run/user/1000/naru/docker.sock",
    demo_image: "naru/demo:latest",
  };
  /** What `container.logs` sends. */
  log: OutputChunk[] = [];
  /** What `image.pull` sends. */
  progress: PullProgress[] = [];
  /** Commands that reject, until they are deleted. */
  readonly failures = new Map<Command, IpcFailure>();
  /** Commands that never answer. */
  readonly hanging = new Set<Command>();
  /** Every request, in order. */
  readonly asked: { command: Command; request: unknown }[] = [];
  readonly opened: string[] = [];

  readonly #listeners = new Set<(event: AppEvent) => void>();
  readonly #terminals = new Map<string, (item: OutputChunk) => void>();

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

  openUrl(url: string): Promise<void> {
    this.opened.push(url);
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
    "image.list": () => Promise.resolve(this.images),
    "image.pull": ({ reference }, onItem) => {
      for (const item of this.progress) onItem(item);
      if (!this.hanging.has("image.pull")) this.images = [...this.images, fakeImage(reference)];
      return Promise.resolve(null);
    },
    "image.pull_cancel": () => Promise.resolve(null),
    "image.remove": ({ image }) => {
      this.images = this.images.filter((each) => each.id !== image && !each.tags.includes(image));
      return Promise.resolve(null);
    },
    "container.list": () => Promise.resolve(this.containers),
    "container.run": ({ image, name }) => {
      const created = fakeContainer(name === "" ? "quiet_river" : name, { image });
      this.containers = [created, ...this.containers];
      return Promise.resolve({ id: created.id });
    },
    "container.start": ({ id }) => this.#setState(id, "running"),
    "container.stop": ({ id }) => this.#setState(id, "exited"),
    "container.restart": ({ id }) => this.#setState(id, "running"),
    "container.remove": ({ id }) => {
      this.containers = this.containers.filter((each) => each.id !== id);
      return Promise.resolve(null);
    },
    "container.logs": (_, onItem) => {
      for (const item of this.log) onItem(item);
      return Promise.resolve(null);
    },
    "terminal.open": ({ stream_id }, onItem) => {
      this.#terminals.set(stream_id, onItem);
      onItem(chunk("stdout", "/ # "));
      return Promise.resolve(null);
    },
    "terminal.write": ({ stream_id, text }) => {
      const send = this.#terminals.get(stream_id);
      if (text === "\u0004") send?.(chunk("end", ""));
      else send?.(chunk("stdout", text.replace("\r", "\r\n/ # ")));
      return Promise.resolve(null);
    },
    "terminal.resize": () => Promise.resolve(null),
    "stream.close": ({ stream_id }) => {
      this.#terminals.delete(stream_id);
      return Promise.resolve(null);
    },
  } satisfies { [K in keyof Commands]: Handlers[K] };
}
