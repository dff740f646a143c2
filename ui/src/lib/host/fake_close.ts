import type {
  ContainerDetails,
  ContainerProcesses,
  ContainerRun,
  ContainerSettings,
  ContainerUsage,
  DiskPart,
  DiskUsage,
  FileChange,
  FileText,
  FolderEntry,
  FolderListing,
  MachineFacts,
  MachineUsage,
  OutputChunk,
  StatsSample,
} from "../ipc/bindings";
import type { Command, Item, Request, Response } from "./host";

export type Handlers = {
  [K in Command]: (request: Request<K>, onItem: (item: Item<K>) => void) => Promise<Response<K>>;
};

/** A container looked at closely, without anything that a test does not name. */
export const fakeRun = (changes: Partial<ContainerRun> = {}): ContainerRun => ({
  image: "nginx:1.29",
  name: "web",
  command: [],
  env: [],
  ports: [],
  interactive: false,
  mounts: [],
  memory: 0,
  nano_cpus: 0,
  restart: "no",
  network: "",
  auto_remove: false,
  ...changes,
});

export const fakeContainerDetails = (changes: Partial<ContainerDetails> = {}): ContainerDetails => ({
  id: "",
  name: "web",
  image: "nginx:1.29",
  image_id: `sha256:${"3f8a".repeat(16)}`,
  state: "running",
  exit_code: 0,
  error: "",
  out_of_memory: false,
  started_at: new Date(Date.now() - 200_000).toISOString(),
  finished_at: "",
  restarts: 0,
  health: null,
  command: ["nginx", "-g", "daemon off;"],
  working_dir: "",
  user: "",
  hostname: "3f8a1c0d9e7b",
  env: [],
  ports: [],
  mounts: [],
  networks: [],
  restart_policy: "no",
  memory_bytes: 0,
  nano_cpus: 0,
  pids: 0,
  privileged: false,
  read_only: false,
  tty: false,
  auto_remove: false,
  labels: {},
  ...changes,
});

const part = (changes: Partial<DiskPart> = {}): DiskPart => ({ bytes: 0, reclaimable: 0, count: 0, largest: [], ...changes });

export const fakeDisk = (changes: Partial<DiskUsage> = {}): DiskUsage => ({
  images: part(),
  containers: part(),
  volumes: part(),
  build_cache: part(),
  ...changes,
});

export const fakeEntry = (name: string, changes: Partial<FolderEntry> = {}): FolderEntry => ({
  name,
  kind: "file",
  size: 1234,
  modified: Math.floor(Date.now() / 1000) - 86_400,
  mode: "0644",
  target: "",
  to_folder: false,
  ...changes,
});

export const fakeSample = (second: number, changes: Partial<StatsSample> = {}): StatsSample => ({
  time_ms: 1_795_687_200_000 + second * 1000,
  cpus: 0.12,
  memory_bytes: 34_000_000,
  memory_limit: 2_000_000_000,
  received: 0,
  sent: 0,
  read: 0,
  written: 0,
  pids: 3,
  ...changes,
});

/** A machine of two processors after so many seconds, in which half of one has worked. */
export const fakeMachineUsage = (second: number, changes: Partial<MachineUsage> = {}): MachineUsage => ({
  time_ms: 60_000 + second * 1000,
  cpu_ms: 9000 + second * 500,
  cpus: 2,
  memory_bytes: 640_000_000,
  memory_total_bytes: 2_079_000_000,
  disk_bytes: 5_600_000_000,
  disk_total_bytes: 67_000_000_000,
  ...changes,
});

/** What there is to see from close by, of the machine and of a container, the same for each. */
export class FakeCloseUp {
  facts: MachineFacts = {
    cpus: 2,
    memory_bytes: 2_079_000_000,
    kernel: "6.12.48",
    engine: "0.1.0",
    architecture: "x86_64",
    root: "/var/lib/naru",
  };
  disk = fakeDisk();
  /** What each look at the machine finds, one after the other; then the last again. */
  machineUsage: MachineUsage[] = [fakeMachineUsage(0)];
  /** What the machine's console said. */
  console: OutputChunk[] = [];
  details = fakeContainerDetails();
  settings: ContainerSettings = { settings: fakeRun(), image_moved: false };
  processes: ContainerProcesses = { titles: ["UID", "PID", "CMD"], rows: [["root", "41", "nginx: master process"]] };
  samples: StatsSample[] = [];
  /** What each look at the list finds, one after the other; then nothing. */
  usage: ContainerUsage[][] = [];
  changes: FileChange[] = [];
  /** By path; one of an image's layer has its number and a colon before it. */
  readonly folders = new Map<string, FolderListing>();
  readonly texts = new Map<string, FileText>();

  readonly handlers = {
    "machine.facts": () => Promise.resolve(this.facts),
    "machine.disk": () => Promise.resolve(this.disk),
    "machine.usage": () => {
      const [now = fakeMachineUsage(0), ...later] = this.machineUsage;
      if (later.length > 0) this.machineUsage = later;
      return Promise.resolve(now);
    },
    "machine.diagnostics": () => Promise.resolve(null),
    "build.prune": () => {
      const { bytes, reclaimable } = this.disk.build_cache;
      this.disk = { ...this.disk, build_cache: part({ bytes: bytes - reclaimable }) };
      return Promise.resolve({ bytes: reclaimable });
    },
    "machine.console": (_, onItem) => {
      for (const item of this.console) onItem(item);
      return Promise.resolve(null);
    },
    "container.details": ({ id }) => Promise.resolve({ ...this.details, id }),
    "container.settings": () => Promise.resolve(this.settings),
    "container.inspect": ({ id }) => Promise.resolve({ json: JSON.stringify({ Id: id }, null, 2) }),
    "container.processes": () => Promise.resolve(this.processes),
    "container.usage": () => Promise.resolve(this.usage.shift() ?? []),
    "container.stats": (_, onItem) => {
      for (const sample of this.samples) onItem(sample);
      return Promise.resolve(null);
    },
    "container.changes": () => Promise.resolve(this.changes),
    "container.folder": ({ path }) => Promise.resolve(this.folders.get(path) ?? { entries: [], more: false }),
    "volume.folder": ({ path }) => Promise.resolve(this.folders.get(path) ?? { entries: [], more: false }),
    "volume.file": ({ path }) => Promise.resolve(this.texts.get(path) ?? { text: null, size: 4096 }),
    "volume.download": () => Promise.resolve(null),
    "image.folder": ({ layer, path }) =>
      Promise.resolve(this.folders.get(layer === null ? path : `${layer}:${path}`) ?? { entries: [], more: false }),
    "container.file": ({ path }) => Promise.resolve(this.texts.get(path) ?? { text: null, size: 4096 }),
    "container.write_file": ({ path, text }) => {
      this.texts.set(path, { text, size: new TextEncoder().encode(text).length });
      return Promise.resolve(null);
    },
    "container.download": () => Promise.resolve(null),
    "container.upload": () => Promise.resolve(null),
    "container.export": () => Promise.resolve(null),
    "container.save_logs": () => Promise.resolve(null),
  } satisfies Partial<Handlers>;
}
