import type { BuildFolder, ImageBuild } from "../../lib/ipc/bindings";
import { docker } from "../../lib/text/docker";
import { flawOfNewName, isReference } from "../../lib/text/reference";

/** A build as it is being filled in. */
export interface BuildDraft {
  folder: string;
  /** Empty for the usual one. */
  dockerfile: string;
  name: string;
  /** By their names; empty ones are not given. */
  arguments: Record<string, string>;
  target: string;
  noCache: boolean;
}

export const emptyBuild = (): BuildDraft => ({ folder: "", dockerfile: "", name: "", arguments: {}, target: "", noCache: false });

/** What an image of this folder would be called; empty where nothing fits. */
export const suggestedName = (folder: string): string => {
  const last = folder.replace(/[/\\]+$/, "").split(/[/\\]/).at(-1) ?? "";
  const name = last.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  return isReference(name) ? name : "";
};

/** What is to be built; `null` while something is missing. */
export const buildRequest = (draft: BuildDraft, looked: BuildFolder | null): Omit<ImageBuild, "stream_id"> | null => {
  const name = draft.name.trim();
  if (looked === null || looked.text === null || looked.problem !== null || flawOfNewName(name) !== null) return null;
  const given = looked.arguments.flatMap(({ name: argument }): [string, string][] => {
    const value = draft.arguments[argument] ?? "";
    return value === "" ? [] : [[argument, value]];
  });
  const target = looked.stages.includes(draft.target) ? draft.target : "";
  return {
    folder: draft.folder.trim(),
    dockerfile: looked.dockerfile,
    name,
    arguments: Object.fromEntries(given),
    target,
    no_cache: draft.noCache,
  };
};

/** The `docker build` line that does the same. */
export const buildLine = (request: Omit<ImageBuild, "stream_id">, context: string): string => {
  const { folder, dockerfile, name, target } = request;
  const words = ["build", "-t", name];
  if (dockerfile !== "Dockerfile") words.push("-f", `${folder.replace(/[/\\]+$/, "")}/${dockerfile}`);
  if (target !== "") words.push("--target", target);
  for (const [argument, value] of Object.entries(request.arguments)) words.push("--build-arg", `${argument}=${value}`);
  if (request.no_cache) words.push("--no-cache");
  return docker(context, ...words, folder);
};
