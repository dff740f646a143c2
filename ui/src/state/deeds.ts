import type { IconName } from "../components/icons";
import type { ContainerSummary } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";
import type { AppState } from "./app.svelte";
import { isLive } from "./containers.svelte";
import { askToKill } from "./questions";

/** Something that is done to one container now and then. */
export interface Deed {
  id: "pause" | "unpause" | "kill" | "edit" | "rename" | "commit" | "export";
  text: string;
  icon: IconName;
  /** What `docker` is told to do the same; nothing where that is more than one line. */
  words: string[] | null;
  /** Why not now. */
  blocked: string | null;
  run: () => void;
}

/** Saves all files of a container where the person wants them. */
const exportFiles = async (app: AppState, { id, name }: ContainerSummary): Promise<void> => {
  app.containers.pending.failures.delete(id);
  try {
    const path = await app.host.saveFile(`${name}.tar`);
    if (path === null) return;
    await app.host.call("container.export", { id, path });
    app.toasts.say(app.t.deeds.exported(name));
  } catch (error) {
    app.containers.pending.failures.set(id, IpcFailure.from(error));
  }
};

/** What a container's menu and the palette have beside start, stop and removal. */
export const deedsOf = (app: AppState, container: ContainerSummary): Deed[] => {
  const t = app.t.deeds;
  const { name, state } = container;
  const paused = state === "paused";
  const enter = (kind: "rename" | "commit" | "edit") => () => {
    app.view = "containers";
    app.dialog = { kind, container };
  };
  return [
    {
      id: paused ? "unpause" : "pause",
      text: paused ? t.unpause : t.pause,
      icon: paused ? "play" : "pause",
      words: [paused ? "unpause" : "pause", name],
      blocked: paused || state === "running" ? null : app.t.palette.notRunning,
      run: () => void app.containers.act(container, paused ? "unpause" : "pause"),
    },
    {
      id: "kill",
      text: t.kill,
      icon: "kill",
      words: ["kill", name],
      blocked: isLive(container) ? null : app.t.palette.notRunning,
      run: () => askToKill(app, container),
    },
    { id: "edit", text: app.t.edit.open, icon: "edit", words: null, blocked: null, run: enter("edit") },
    { id: "rename", text: t.rename, icon: "rename", words: ["rename", name, "NAME"], blocked: null, run: enter("rename") },
    { id: "commit", text: t.commit, icon: "image", words: ["commit", name, "IMAGE"], blocked: null, run: enter("commit") },
    {
      id: "export",
      text: t.export,
      icon: "file",
      words: ["export", "-o", `${name}.tar`, name],
      blocked: null,
      run: () => void exportFiles(app, container),
    },
  ];
};
