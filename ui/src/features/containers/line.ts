import type { ContainerRun, RunMount } from "../../lib/ipc/bindings";
import { docker } from "../../lib/text/docker";
import { cpusWord, memoryWord } from "./limits";

const mountWords = ({ kind, source, target, read_only }: RunMount): string[] => {
  // A folder by `-v` would be made where there is none; the window's is not.
  if (kind === "bind") return ["--mount", `type=bind,source=${source},target=${target}${read_only ? ",readonly" : ""}`];
  return ["-v", `${source === "" ? "" : `${source}:`}${target}${read_only && source !== "" ? ":ro" : ""}`];
};

/** The `docker run` line that does the same. */
export const dockerLine = (request: ContainerRun, context: string): string => {
  const words = ["run", request.interactive ? "-dit" : "-d"];
  if (request.auto_remove) words.push("--rm");
  if (request.name !== "") words.push("--name", request.name);
  for (const { host_ip, host_port, container_port } of request.ports) {
    words.push("-p", `${host_ip}:${host_port === 0 ? "" : host_port}:${container_port}`);
  }
  for (const mount of request.mounts) words.push(...mountWords(mount));
  for (const variable of request.env) words.push("-e", variable);
  if (request.memory > 0) words.push("-m", memoryWord(request.memory));
  if (request.nano_cpus > 0) words.push("--cpus", cpusWord(request.nano_cpus));
  if (request.restart !== "no") words.push("--restart", request.restart);
  if (request.network !== "") words.push("--network", request.network);
  return docker(context, ...words, request.image, ...request.command);
};
