import type { ContainerRun, ContainerSummary, ImageConfig, Restart, RunMountKind } from "../../lib/ipc/bindings";
import { isName } from "../../lib/text/names";
import { isImage } from "../../lib/text/reference";
import { quote, splitCommand } from "../../lib/text/shell";
import type { Suggestion } from "../../state/tour.svelte";
import { bytesOf, cpusWord, memoryWord, nanoCpusOf } from "./limits";

/** A published port as it is typed. */
export interface PortDraft {
  /** The address of this computer that it is open on; the loopback one when none is said. */
  address?: string;
  host: string;
  container: string;
}

/** A variable as it is typed. */
export interface EnvDraft {
  key: string;
  value: string;
}

/** A mount as it is typed. */
export interface MountDraft {
  kind: RunMountKind;
  /** A volume's name, or a directory in the machine. A volume without a name goes with its container. */
  source: string;
  target: string;
  readOnly: boolean;
}

/** The run dialog's fields as they are typed. */
export interface Draft {
  image: string;
  name: string;
  command: string;
  ports: PortDraft[];
  env: EnvDraft[];
  mounts: MountDraft[];
  memory: string;
  cpus: string;
  restart: Restart;
  network: string;
  autoRemove: boolean;
  interactive: boolean;
}

/** What is there already, and would be in the way. */
export interface Taken {
  names: readonly string[];
  /** Ports of this computer. */
  ports: readonly number[];
}

/** The ports of this computer that these containers have, of those that can be in the way. */
export const portsOf = (containers: readonly ContainerSummary[]): number[] =>
  containers.flatMap(({ ports }) => ports.filter(({ protocol }) => protocol === "tcp").map(({ host_port }) => host_port));

/** What is wrong, by the names of the catalogue's `run` texts. */
export type Problem =
  | "badImage"
  | "badName"
  | "nameTaken"
  | "badCommand"
  | "badPort"
  | "samePort"
  | "portTaken"
  | "badEnv"
  | "sameEnv"
  | "badVolume"
  | "badFolder"
  | "badTarget"
  | "sameTarget"
  | "badMemory"
  | "badCpus"
  | "removesAndRestarts";

export interface Problems {
  image: Problem | null;
  name: Problem | null;
  command: Problem | null;
  ports: (Problem | null)[];
  env: (Problem | null)[];
  mounts: (Problem | null)[];
  memory: Problem | null;
  cpus: Problem | null;
  restart: Problem | null;
}

/** Published on the loopback address: nothing is open to the network by accident. */
export const HOST_IP = "127.0.0.1";
const NOTHING: Taken = { names: [], ports: [] };

export const emptyDraft = (image: string): Draft => ({
  image,
  name: "",
  command: "",
  ports: [],
  env: [],
  mounts: [],
  memory: "",
  cpus: "",
  restart: "no",
  network: "",
  autoRemove: false,
  interactive: false,
});

/** The same with what was suggested. */
export const suggestedDraft = (image: string, { name, command, volume }: Suggestion): Draft => ({
  ...emptyDraft(image),
  name,
  command,
  mounts: volume === null ? [] : [{ kind: "volume", source: volume.name, target: volume.target, readOnly: false }],
});

/** What a container was made with, to be typed over. */
export const draftOf = (made: ContainerRun): Draft => ({
  image: made.image,
  name: made.name,
  command: made.command.map(quote).join(" "),
  ports: made.ports.map(({ host_ip, host_port, container_port }) => ({
    address: host_ip,
    host: host_port === 0 ? "" : String(host_port),
    container: String(container_port),
  })),
  env: made.env.map((variable) => ({ key: variable.replace(/=.*$/s, ""), value: variable.replace(/^[^=]*=?/, "") })),
  mounts: made.mounts.map(({ kind, source, target, read_only }) => ({ kind, source, target, readOnly: read_only })),
  memory: made.memory === 0 ? "" : memoryWord(made.memory),
  cpus: made.nano_cpus === 0 ? "" : cpusWord(made.nano_cpus),
  restart: made.restart,
  network: made.network,
  autoRemove: made.auto_remove,
  interactive: made.interactive,
});

/** A port of this computer that is free: that of the container, or one that anybody may open. */
const freePort = (container: number, taken: readonly number[]): number => {
  let port = container < 1024 ? container + 8000 : container;
  while (taken.includes(port)) port += 1;
  return port;
};

/** What the image itself asks for: its ports on free ones, and its directories with data. */
export const suggested = (config: ImageConfig, taken: Taken): Pick<Draft, "ports" | "mounts"> => {
  const busy = [...taken.ports];
  const ports = config.ports.flatMap((port): PortDraft[] => {
    const [number, protocol = "tcp"] = port.split("/");
    if (protocol !== "tcp" || number === undefined) return [];
    const host = freePort(Number(number), busy);
    busy.push(host);
    return [{ host: String(host), container: number }];
  });
  const mounts = config.volumes.map((target): MountDraft => ({ kind: "volume", source: "", target, readOnly: false }));
  return { ports, mounts };
};

/** A port number, or `null`. */
const portNumber = (text: string, least: number): number | null => {
  if (!/^\d{1,5}$/.test(text)) return null;
  const port = Number(text);
  return port >= least && port <= 65_535 ? port : null;
};

/** The host's port: empty and 0 both ask for any free one. */
const hostPort = ({ host }: PortDraft): number | null => (host.trim() === "" ? 0 : portNumber(host.trim(), 0));
const containerPort = ({ container }: PortDraft): number | null => portNumber(container.trim(), 1);
const blankPort = ({ host, container }: PortDraft) => host.trim() === "" && container.trim() === "";
const blankEnv = ({ key, value }: EnvDraft) => key === "" && value === "";
const blankMount = ({ source, target }: MountDraft) => source.trim() === "" && target.trim() === "";
const isPath = (text: string) => /^\/[^:,]*$/.test(text.trim());
/** One directory may be written in more than one way. */
const placeOf = ({ target }: MountDraft) => `${target.trim()}/`.replaceAll(/\/+/g, "/");

const portProblem = (port: PortDraft, at: number, ports: readonly PortDraft[], taken: Taken): Problem | null => {
  if (blankPort(port)) return null;
  const host = hostPort(port);
  if (host === null || containerPort(port) === null) return "badPort";
  if (host === 0) return null;
  if (ports.slice(0, at).some((other) => hostPort(other) === host)) return "samePort";
  return taken.ports.includes(host) ? "portTaken" : null;
};

const envProblem = (row: EnvDraft, at: number, env: readonly EnvDraft[]): Problem | null => {
  if (blankEnv(row)) return null;
  if (!/^[^=\s]+$/.test(row.key)) return "badEnv";
  return env.slice(0, at).some(({ key }) => key === row.key) ? "sameEnv" : null;
};

const mountProblem = (mount: MountDraft, at: number, mounts: readonly MountDraft[]): Problem | null => {
  if (blankMount(mount)) return null;
  const source = mount.source.trim();
  if (mount.kind === "volume" && source !== "" && !isName(source)) return "badVolume";
  if (mount.kind === "bind" && !isPath(source)) return "badFolder";
  if (!isPath(mount.target) || placeOf(mount) === "/") return "badTarget";
  return mounts.slice(0, at).some((other) => placeOf(other) === placeOf(mount)) ? "sameTarget" : null;
};

const nameProblem = ({ name }: Draft, taken: Taken): Problem | null => {
  if (name === "") return null;
  if (!isName(name)) return "badName";
  return taken.names.includes(name) ? "nameTaken" : null;
};

/** What is wrong with each field. Rows left blank are no error: they are left out. */
export const problemsOf = (draft: Draft, taken: Taken = NOTHING): Problems => ({
  image: isImage(draft.image.trim()) ? null : "badImage",
  name: nameProblem(draft, taken),
  command: splitCommand(draft.command) === null ? "badCommand" : null,
  ports: draft.ports.map((port, at, ports) => portProblem(port, at, ports, taken)),
  env: draft.env.map(envProblem),
  mounts: draft.mounts.map(mountProblem),
  memory: bytesOf(draft.memory) === null ? "badMemory" : null,
  cpus: nanoCpusOf(draft.cpus) === null ? "badCpus" : null,
  restart: draft.autoRemove && draft.restart !== "no" ? "removesAndRestarts" : null,
});

/** The request that a draft makes, or `null` while something is wrong with it. */
export const requestOf = (draft: Draft, taken: Taken = NOTHING): ContainerRun | null => {
  const { ports, env, mounts, ...fields } = problemsOf(draft, taken);
  const all = [...Object.values(fields), ...ports, ...env, ...mounts];
  if (all.some((problem) => problem !== null)) return null;
  return {
    image: draft.image.trim(),
    name: draft.name,
    command: splitCommand(draft.command) ?? [],
    env: draft.env.filter((row) => !blankEnv(row)).map(({ key, value }) => `${key}=${value}`),
    ports: draft.ports
      .filter((port) => !blankPort(port))
      .map((port) => ({
        host_ip: port.address ?? HOST_IP,
        host_port: hostPort(port) ?? 0,
        container_port: containerPort(port) ?? 0,
      })),
    interactive: draft.interactive,
    mounts: draft.mounts
      .filter((mount) => !blankMount(mount))
      .map(({ kind, source, target, readOnly }) => ({
        kind,
        source: source.trim(),
        target: target.trim(),
        read_only: readOnly,
      })),
    memory: bytesOf(draft.memory) ?? 0,
    nano_cpus: nanoCpusOf(draft.cpus) ?? 0,
    restart: draft.restart,
    network: draft.network,
    auto_remove: draft.autoRemove,
  };
};
