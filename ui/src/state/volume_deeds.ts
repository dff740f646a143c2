import type { IconName } from "../components/icons";
import type { VolumeSummary } from "../lib/ipc/bindings";
import { docker } from "../lib/text/docker";
import { isName } from "../lib/text/names";
import { baseName } from "../lib/text/paths";
import { quote } from "../lib/text/shell";
import { contextOf } from "./actions";
import type { AppState } from "./app.svelte";

/** Something that is done with all files of a volume. */
export interface VolumeDeed {
  id: "backup" | "restore" | "clone";
  /** In the volume's own menu. */
  text: string;
  /** Where other things stand beside it. */
  label: string;
  icon: IconName;
  /** The command line that does the same. */
  command: string;
  run: () => void;
}

/** An image that has a `tar` and a `cp`. */
const TOOLS = "busybox";

export const backupLine = (app: AppState, volume: string): string => {
  const words = ["run", "--rm", "-v", `${volume}:/volume:ro`, TOOLS, "tar", "-cf", "-", "-C", "/volume", "."];
  return `${docker(contextOf(app), ...words)} > ${quote(`${volume}.tar`)}`;
};

export const restoreLine = (app: AppState, volume: string, file: string): string => {
  const words = ["run", "--rm", "-i", "-v", `${volume}:/volume`, TOOLS, "tar", "-xf", "-", "-C", "/volume"];
  return `${docker(contextOf(app), ...words)} < ${quote(file)}`;
};

export const cloneLine = (app: AppState, volume: string, to: string): string =>
  docker(contextOf(app), "run", "--rm", "-v", `${volume}:/from:ro`, "-v", `${to}:/to`, TOOLS, "cp", "-a", "/from/.", "/to");

/** Lets the person choose where the backup goes, and writes it there. */
const backUp = async (app: AppState, volume: string): Promise<void> => {
  const path = await app.chooseNewFile(`${volume}.tar`);
  if (path === null) return;
  app.view = "volumes";
  await app.volumes.backUp(volume, path);
};

/** Lets the person choose a file, and then what it is restored to: `volume`, unless they say otherwise. */
export const restore = async (app: AppState, volume: string | null): Promise<void> => {
  const path = await app.chooseFile();
  if (path === null) return;
  const name = baseName(path).replace(/\.(tar|tgz|tar\.\w+)$/i, "");
  app.view = "volumes";
  app.dialog = { kind: "restore", path, volume: volume ?? (isName(name) ? name : "") };
};

/** A name for a copy that no volume has. */
export const nameOfCopy = (app: AppState, volume: string): string => {
  const name = `${volume}-copy`;
  let number = 2;
  let free = name;
  while (app.volumes.find(free) !== undefined) {
    free = `${name}-${number}`;
    number += 1;
  }
  return free;
};

/** What a volume's menu and the palette have beside its removal. */
export const volumeDeedsOf = (app: AppState, { name }: VolumeSummary): VolumeDeed[] => {
  const t = app.t.backup;
  return [
    {
      id: "backup",
      text: t.backUp,
      label: t.backUpLabel(name),
      icon: "file",
      command: backupLine(app, name),
      run: () => void backUp(app, name),
    },
    {
      id: "restore",
      text: t.restore,
      label: t.restoreLabel(name),
      icon: "upload",
      command: restoreLine(app, name, "FILE"),
      run: () => void restore(app, name),
    },
    {
      id: "clone",
      text: t.clone,
      label: t.cloneTitle(name),
      icon: "copy",
      command: cloneLine(app, name, nameOfCopy(app, name)),
      run: () => {
        app.view = "volumes";
        app.dialog = { kind: "clone", volume: name };
      },
    },
  ];
};

/** The names of the containers that run with the volume. */
export const runningWith = (volume: VolumeSummary | undefined): string[] =>
  (volume?.users ?? []).filter(({ running }) => running).map(({ container_name }) => container_name);
