import { copyText } from "../lib/clipboard";
import type { ContainerSummary, NetworkSummary, VolumeSummary } from "../lib/ipc/bindings";
import { docker } from "../lib/text/docker";
import { contextOf, type Action, type ActionGroup } from "./actions";
import type { AppState, ContainerTab } from "./app.svelte";
import { isLive, type Verb } from "./containers.svelte";
import { projectsOf } from "./projects";
import { deedsOf } from "./deeds";
import { askToRemoveContainers, askToRemoveImages, askToRemoveNetworks, askToRemoveVolumes } from "./questions";
import { showImage, showNetwork, showVolume } from "./showing";
import { volumeDeedsOf } from "./volume_deeds";

/** Where the focus goes after a removal is the screen's business; from here it goes nowhere. */
const nothing = () => undefined;

const action = (
  group: ActionGroup,
  id: string,
  title: string,
  command: string | null,
  run: () => void,
  blocked: string | null = null,
): Action => ({ id, title, group, shortcut: null, command, blocked, run });

/** The views that one goes to by name; the others are a step from them. */
const SHOWN_TABS = ["logs", "terminal", "files", "activity"] as const;

/** What shows the same on a command line. */
const TAB_WORDS: Readonly<Record<(typeof SHOWN_TABS)[number], (name: string) => string[]>> = {
  logs: (name) => ["logs", "-f", name],
  terminal: (name) => ["exec", "-it", name, "sh"],
  files: (name) => ["diff", name],
  activity: (name) => ["stats", name],
};

/** What a view of a container is called. */
export const tabTitle = (app: AppState, tab: ContainerTab): string =>
  ({
    overview: app.t.common.overview,
    logs: app.t.containers.logs,
    terminal: app.t.containers.terminal,
    files: app.t.details.files,
    activity: app.t.details.activity,
    inspect: app.t.common.inspect,
  })[tab];

/** What there is to do with one container; also what its own menu offers. */
export const containerActions = (app: AppState, container: ContainerSummary): Action[] => {
  const { id, name, state } = container;
  const t = app.t.containers;
  const context = contextOf(app);
  const underWay = app.containers.pending.verbs.has(id) ? app.t.palette.underWay : null;
  const live = isLive(container);
  const act = (verb: Extract<Verb, "start" | "stop" | "restart">, blocked: string | null) =>
    action(
      "container",
      `${verb}-${id}`,
      t.verbLabel(t[verb], name),
      docker(context, verb, name),
      () => void app.containers.act(container, verb),
      underWay ?? blocked,
    );
  return [
    action("container", `show-${id}`, t.open(name), docker(context, "inspect", name), () => app.showContainer(id)),
    ...SHOWN_TABS.map((tab) =>
      action(
        "container",
        `${tab}-${id}`,
        app.t.palette.viewOf(tabTitle(app, tab), name),
        docker(context, ...TAB_WORDS[tab](name)),
        () => app.showContainer(id, tab),
        (tab === "terminal" || tab === "activity") && state !== "running" ? app.t.palette.notRunning : null,
      ),
    ),
    act("start", live ? app.t.palette.runsAlready : null),
    act("stop", live ? null : app.t.palette.notRunning),
    act("restart", null),
    ...deedsOf(app, container).map(({ id: deed, text, words, run, blocked }) =>
      action("container", `${deed}-${id}`, t.verbLabel(text, name), words && docker(context, ...words), run, underWay ?? blocked),
    ),
    action(
      "container",
      `remove-${id}`,
      t.verbLabel(app.t.common.remove, name),
      docker(context, "rm", "-v", ...(live ? ["-f"] : []), name),
      () => askToRemoveContainers(app, [container], nothing),
      underWay,
    ),
    action("container", `copy-id-${id}`, t.verbLabel(t.copyId, name), null, () => void copyText(id)),
  ];
};

/** What there is to do with one name of an image. */
const namedImageActions = (app: AppState, tag: string): Action[] => {
  const t = app.t.images;
  const context = contextOf(app);
  const act = (verb: string, title: string, command: string, run: () => void) =>
    action("image", `${verb}-${tag}`, title, command, run);
  return [
    act("show-image", t.open(tag), docker(context, "image", "inspect", tag), () => showImage(app, tag)),
    act("run", t.runLabel(tag), docker(context, "run", "-d", tag), () => {
      app.view = "images";
      app.running = tag;
    }),
    act("tag-image", app.t.image.tagTitle(tag), docker(context, "tag", tag, "NAME"), () => {
      app.dialog = { kind: "tag", image: tag };
    }),
    act("push", t.pushLabel(tag), docker(context, "push", tag), () => {
      app.view = "images";
      void app.images.push(tag);
    }),
    act("save", t.saveLabel(tag), docker(context, "save", "-o", "FILE", tag), () => void app.save([tag])),
    act("remove-image", t.removeLabel(tag), docker(context, "rmi", tag), () => {
      const image = app.images.find(tag);
      if (image !== undefined) askToRemoveImages(app, [{ image, name: tag, shown: tag }], nothing);
    }),
  ];
};

export const imageActions = (app: AppState): Action[] =>
  (app.images.list.items ?? []).flatMap(({ tags }) => tags.flatMap((tag) => namedImageActions(app, tag)));

export const volumeActions = (app: AppState, volume: VolumeSummary): Action[] => {
  const { name } = volume;
  const t = app.t.volumes;
  return [
    action("volume", `show-volume-${name}`, t.open(name), docker(contextOf(app), "volume", "inspect", name), () => showVolume(app, name)),
    ...volumeDeedsOf(app, volume).map(({ id, label, command, run }) =>
      action("volume", `${id}-volume-${name}`, label, command, run),
    ),
    action(
      "volume",
      `remove-volume-${name}`,
      app.t.palette.doTo(app.t.common.remove, name),
      docker(contextOf(app), "volume", "rm", name),
      () => askToRemoveVolumes(app, [volume], nothing),
      volume.users.length > 0 ? app.t.palette.inUse : null,
    ),
  ];
};

export const networkActions = (app: AppState, network: NetworkSummary): Action[] => {
  const { id, name } = network;
  const used = network.users.some(({ running }) => running) ? app.t.palette.inUse : null;
  return [
    action(
      "network",
      `show-network-${id}`,
      app.t.networks.open(name),
      docker(contextOf(app), "network", "inspect", name),
      () => showNetwork(app, id),
    ),
    action(
      "network",
      `remove-network-${id}`,
      app.t.palette.doTo(app.t.common.remove, name),
      docker(contextOf(app), "network", "rm", name),
      () => askToRemoveNetworks(app, [network], nothing),
      network.built_in ? app.t.palette.builtIn : used,
    ),
  ];
};

export const projectActions = (app: AppState): Action[] =>
  projectsOf(app.containers.list.items ?? []).flatMap((project) => {
    const t = app.t.projects;
    const { name, containers, running } = project;
    const all = (verb: "start" | "stop", title: string, blocked: string | null) =>
      action(
        "project",
        `${verb}-project-${name}`,
        title,
        docker(contextOf(app), "compose", "-p", name, verb),
        () => void app.containers.actAll(containers, verb),
        blocked,
      );
    return [
      all("start", t.startLabel(name), running === containers.length ? app.t.palette.runsAlready : null),
      all("stop", t.stopLabel(name), running === 0 ? app.t.palette.notRunning : null),
      action(
        "project",
        `down-project-${name}`,
        app.t.compose.downLabel(name),
        docker(contextOf(app), "compose", "-p", name, "down"),
        () => (app.dialog = { kind: "down", project }),
      ),
    ];
  });
