import type { ContainerRun } from "../../lib/ipc/bindings";
import { isImage } from "../../lib/text/reference";
import { quote, splitCommand } from "../../lib/text/shell";

/** A published port as it is typed. */
export interface PortDraft {
  host: string;
  container: string;
}

/** A variable as it is typed. */
export interface EnvDraft {
  key: string;
  value: string;
}

/** The run dialog's fields as they are typed. */
export interface Draft {
  image: string;
  name: string;
  command: string;
  ports: PortDraft[];
  env: EnvDraft[];
  interactive: boolean;
}

/** What is wrong, by the names of the catalogue's `run` texts. */
export type Problem = "badImage" | "badName" | "badCommand" | "badPort" | "samePort" | "badEnv";

export interface Problems {
  image: Problem | null;
  name: Problem | null;
  command: Problem | null;
  ports: (Problem | null)[];
  env: (Problem | null)[];
}

/** Published on the loopback address: nothing is open to the network by accident. */
const HOST_IP = "127.0.0.1";

export const emptyDraft = (image: string): Draft => ({
  image,
  name: "",
  command: "",
  ports: [],
  env: [],
  interactive: false,
});

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

const portProblem = (port: PortDraft, at: number, ports: readonly PortDraft[]): Problem | null => {
  if (blankPort(port)) return null;
  const host = hostPort(port);
  if (host === null || containerPort(port) === null) return "badPort";
  const taken = host !== 0 && ports.slice(0, at).some((other) => hostPort(other) === host);
  return taken ? "samePort" : null;
};

/** What is wrong with each field. Rows left blank are no error: they are left out. */
export const problemsOf = (draft: Draft): Problems => ({
  image: isImage(draft.image.trim()) ? null : "badImage",
  name: draft.name === "" || /^[a-zA-Z0-9][\w.-]+$/.test(draft.name) ? null : "badName",
  command: splitCommand(draft.command) === null ? "badCommand" : null,
  ports: draft.ports.map(portProblem),
  env: draft.env.map((row) => (blankEnv(row) || /^[^=\s]+$/.test(row.key) ? null : "badEnv")),
});

/** The request that a draft makes, or `null` while something is wrong with it. */
export const requestOf = (draft: Draft): ContainerRun | null => {
  const problems = problemsOf(draft);
  const all = [problems.image, problems.name, problems.command, ...problems.ports, ...problems.env];
  if (all.some((problem) => problem !== null)) return null;
  return {
    image: draft.image.trim(),
    name: draft.name,
    command: splitCommand(draft.command) ?? [],
    env: draft.env.filter((row) => !blankEnv(row)).map(({ key, value }) => `${key}=${value}`),
    ports: draft.ports
      .filter((port) => !blankPort(port))
      .map((port) => ({
        host_ip: HOST_IP,
        host_port: hostPort(port) ?? 0,
        container_port: containerPort(port) ?? 0,
      })),
    interactive: draft.interactive,
    mounts: [],
    memory: 0,
    nano_cpus: 0,
    restart: "no",
    network: "",
    auto_remove: false,
  };
};

/** The `docker run` line that does the same. */
export const dockerLine = (request: ContainerRun, context: string): string => {
  const words = ["docker", "--context", context, "run", request.interactive ? "-dit" : "-d"];
  if (request.name !== "") words.push("--name", request.name);
  for (const { host_ip, host_port, container_port } of request.ports) {
    words.push("-p", `${host_ip}:${host_port === 0 ? "" : host_port}:${container_port}`);
  }
  for (const variable of request.env) words.push("-e", variable);
  return [...words, request.image, ...request.command].map(quote).join(" ");
};
