import type {
  AppInfo,
  ContainerPort,
  ContainerSummary,
  Hint,
  ImageDetails,
  ImageSummary,
  ImageUser,
  MachineStatus,
  NetworkSummary,
  OutputChunk,
  Settings,
  StartStep,
  VolumeSummary,
} from "../ipc/bindings";
import { IpcFailure, type ErrorKind } from "../ipc/failure";

const STEPS = ["qemu", "image", "disk", "boot", "channel", "handshake", "engine"];
export const HEX = "3f8a1c0d9e7b5a4f";

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
  advice: [],
  carrier: "vsock",
  error: null,
  console_tail: [],
  ...changes,
});

/** 64 hex digits, others for every name. */
export const fakeId = (name: string): string =>
  Array.from(new TextEncoder().encode(name), (byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .concat(HEX.repeat(4))
    .slice(0, 64);

export const fakePort = (host_port: number, container_port: number, protocol = "tcp"): ContainerPort => ({
  container_port,
  protocol,
  host_ip: "127.0.0.1",
  host_port,
});

export const fakeContainer = (name: string, changes: Partial<ContainerSummary> = {}): ContainerSummary => ({
  id: fakeId(name),
  name,
  image: "busybox:latest",
  state: "running",
  status: "Up 3 minutes",
  command: "sh",
  created: Math.floor(Date.now() / 1000) - 200,
  ports: [],
  project: "",
  service: "",
  needs: [],
  ...changes,
});

export const fakeVolume = (name: string, changes: Partial<VolumeSummary> = {}): VolumeSummary => ({
  name,
  driver: "local",
  mountpoint: `/var/lib/naru/volumes/${name}/_data`,
  created: Math.floor(Date.now() / 1000) - 86_400 * 3,
  labels: {},
  users: [],
  ...changes,
});

export const fakeNetwork = (name: string, changes: Partial<NetworkSummary> = {}): NetworkSummary => ({
  id: fakeId(name),
  name,
  driver: "bridge",
  internal: false,
  built_in: false,
  created: Math.floor(Date.now() / 1000) - 86_400 * 3,
  subnets: [{ subnet: "172.18.0.0/16", gateway: "172.18.0.1" }],
  labels: {},
  users: [],
  ...changes,
});

export const fakeImage = (tag: string, changes: Partial<ImageSummary> = {}): ImageSummary => ({
  id: `sha256:${HEX.repeat(4)}`,
  tags: [tag],
  platforms: ["linux/amd64"],
  size: 4_300_000,
  created: Math.floor(Date.now() / 1000) - 86_400 * 12,
  users: [],
  ...changes,
});

/** Containers that are made from an image and do not run. */
export const fakeUsers = (...names: string[]): ImageUser[] =>
  names.map((name) => ({ container_id: fakeId(name), container_name: name, running: false }));

export const fakeDetails = (image: ImageSummary, changes: Partial<ImageDetails> = {}): ImageDetails => ({
  id: image.id,
  tags: image.tags,
  digests: image.tags.map((tag) => `${tag.replace(/:[^/:]*$/, "")}@sha256:${HEX.repeat(4)}`),
  platform: "linux/amd64",
  size: image.size,
  created: new Date(image.created * 1000).toISOString(),
  author: "",
  layers: [`sha256:${"a1".repeat(32)}`, `sha256:${"b2".repeat(32)}`],
  config: {
    entrypoint: [],
    command: ["sh"],
    working_dir: "",
    user: "",
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    ports: [],
    volumes: [],
    labels: {},
    stop_signal: "",
  },
  json: JSON.stringify({ Id: image.id, RepoTags: image.tags }, null, 2),
  ...changes,
});

export const fakeInfo: AppInfo = {
  version: "0.1.0",
  platform: "linux",
  architecture: "x86_64",
  docker_context: "naru",
  docker_host: "unix:///run/user/1000/naru/docker.sock",
  demo_image: "naru/demo:latest",
};

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
  text_percent: 100,
  keep_in_tray: true,
  start_at_login: false,
  notifications: true,
  tour: false,
  registries: { hosts: {}, insecure: [], ca: [], http_proxy: "", https_proxy: "", no_proxy: "", index: "" },
};

export const failure = (kind: ErrorKind, message: string, ...hints: Hint[]): IpcFailure =>
  new IpcFailure({ kind, message, hints });

export const chunk = (source: OutputChunk["source"], text: string): OutputChunk => ({
  source,
  data: btoa(String.fromCharCode(...new TextEncoder().encode(text))),
});
