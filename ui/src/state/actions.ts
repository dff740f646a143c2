import type { Settings } from "../lib/ipc/bindings";
import { copyText } from "../lib/clipboard";
import { docker } from "../lib/text/docker";
import type { Shortcut } from "../lib/text/keys";
import { isReference, namesOneImage } from "../lib/text/reference";
import { views, type AppState, type View } from "./app.svelte";
import { saveDiagnostics } from "./diagnostics.svelte";
import { askToFreeCache, askToRestart, askToStop } from "./questions";
import { containerActions, imageActions, networkActions, projectActions, volumeActions } from "./thing_actions";
import { restore, restoreLine } from "./volume_deeds";

/** What an action is about; its words are the catalogue's `palette.groups`. */
export type ActionGroup = "go" | "container" | "image" | "volume" | "network" | "project" | "machine" | "window";

/** One thing that can be done, wherever it is done from. */
export interface Action {
  id: string;
  /** In the person's language. */
  title: string;
  group: ActionGroup;
  shortcut: Shortcut | null;
  /** The command line that does the same; none for what is about the window alone. */
  command: string | null;
  /** Why it cannot be done now, in the person's language. */
  blocked: string | null;
  run: () => void;
}

/** The docker context that command lines name. */
export const contextOf = (app: AppState): string => app.info?.docker_context ?? "naru";

/** What lists a view's things on a command line. */
const listing: Readonly<Partial<Record<View, readonly string[]>>> = {
  containers: ["ps", "-a"],
  images: ["images"],
  volumes: ["volume", "ls"],
  networks: ["network", "ls"],
  projects: ["compose", "ls", "-a"],
};

const goActions = (app: AppState): Action[] =>
  views.map((view, at) => {
    const words = listing[view];
    return {
      id: `go-${view}`,
      title: app.t.palette.go(app.t.nav[view]),
      group: "go",
      shortcut: `mod+${at + 1}`,
      command: words ? docker(contextOf(app), ...words) : view === "machine" ? "naru status" : null,
      blocked: null,
      run: () => (app.view = view),
    };
  });

/** The command line that throws away all that is on the machine's disk. */
export const RESET = "naru reset --yes";

const machineActions = (app: AppState): Action[] => {
  const state = app.machine.status?.state;
  const t = app.t.machine;
  return [
    {
      id: "machine-start",
      title: t.start,
      group: "machine",
      shortcut: null,
      command: "naru start",
      blocked: state === "stopped" || state === "failed" ? null : app.t.palette.runsAlready,
      run: () => void app.machine.start(),
    },
    {
      id: "machine-stop",
      title: t.stop,
      group: "machine",
      shortcut: null,
      command: "naru stop",
      blocked: state === "running" || state === "starting" ? null : app.t.palette.notRunning,
      run: () => askToStop(app),
    },
    {
      id: "machine-restart",
      title: t.restart,
      group: "machine",
      shortcut: null,
      command: "naru stop && naru start",
      blocked: state === "running" ? null : app.t.palette.notRunning,
      run: () => askToRestart(app),
    },
    {
      id: "machine-reset",
      title: app.t.reset.reset,
      group: "machine",
      shortcut: null,
      command: RESET,
      blocked: null,
      run: () => (app.dialog = { kind: "reset" }),
    },
    {
      id: "save-diagnostics",
      title: app.t.diagnostics.save,
      group: "machine",
      shortcut: null,
      command: "naru diagnostics",
      blocked: null,
      run: () => {
        app.view = "machine";
        void saveDiagnostics(app);
      },
    },
    {
      id: "free-cache",
      title: app.t.disk.freeLabel,
      group: "machine",
      shortcut: null,
      command: docker(contextOf(app), "builder", "prune", "-a"),
      blocked: state === "running" ? null : app.t.palette.needsMachine,
      run: () => {
        app.view = "machine";
        askToFreeCache(app, null);
      },
    },
  ];
};

const makingActions = (app: AppState): Action[] => {
  const blocked = app.machine.running ? null : app.t.palette.needsMachine;
  const make = (kind: "volume" | "network", title: string): Action => ({
    id: `create-${kind}`,
    title,
    group: kind,
    shortcut: null,
    command: docker(contextOf(app), kind, "create"),
    blocked,
    run: () => {
      app.view = `${kind}s`;
      app.making = kind;
    },
  });
  const restoring: Action = {
    id: "restore-volume",
    title: app.t.backup.restoreAny,
    group: "volume",
    shortcut: null,
    command: restoreLine(app, "NAME", "FILE"),
    blocked,
    run: () => void restore(app, null),
  };
  return [make("volume", app.t.volumes.create), restoring, make("network", app.t.networks.create)];
};

/** What there is to do with images that are not here yet, or with many. */
const imagesActions = (app: AppState): Action[] => {
  const blocked = app.machine.running ? null : app.t.palette.needsMachine;
  const act = (id: string, title: string, command: string, run: () => void): Action => ({
    id,
    title,
    group: "image",
    shortcut: null,
    command,
    blocked,
    run,
  });
  const context = contextOf(app);
  return [
    act("build-image", app.t.build.title, docker(context, "build", "-t", "NAME", "FOLDER"), () => {
      app.view = "images";
      app.dialog = { kind: "build" };
    }),
    act("load-images", app.t.images.load, docker(context, "load", "-i", "FILE"), () => void app.load()),
    act("login", app.t.login.title, "docker login", () => (app.dialog = { kind: "login", registry: "" })),
    act("prune-images", app.t.prune.title, docker(context, "image", "prune"), () => (app.dialog = { kind: "prune" })),
  ];
};

/** Gets what the words name, or looks for it where images come from. */
export const findAction = (app: AppState, words: string): Action => {
  const pulls = namesOneImage(words) && isReference(words);
  return {
    id: "find-image",
    title: pulls ? app.t.find.pullLabel(words) : app.t.find.inRegistries(words),
    group: "image",
    shortcut: null,
    command: docker(contextOf(app), pulls ? "pull" : "search", words),
    blocked: app.machine.running ? null : app.t.palette.needsMachine,
    run: () => {
      if (pulls) {
        app.view = "images";
        void app.images.pull(words);
      } else {
        app.find(words);
      }
    },
  };
};

const projectsActions = (app: AppState): Action[] => [
  {
    id: "open-compose",
    title: app.t.compose.open,
    group: "project",
    shortcut: null,
    command: docker(contextOf(app), "compose", "-f", "FILE", "up", "-d"),
    blocked: app.machine.running ? null : app.t.palette.needsMachine,
    run: () => {
      app.view = "projects";
      app.dialog = { kind: "compose" };
    },
  },
];

/** The text sizes that are offered, in hundredths of the usual one. */
export const TEXT_SIZES = [90, 100, 110, 125, 150] as const;

const windowActions = (app: AppState): Action[] => {
  const { settings } = app.preferences;
  const t = app.t.palette;
  const change = (id: string, title: string, changes: Partial<Settings>): Action => ({
    id,
    title,
    group: "window",
    shortcut: null,
    command: null,
    blocked: null,
    run: () => void app.preferences.change(changes),
  });
  const { themes, languages } = app.t.settings;
  return [
    ...(["system", "light", "dark"] as const)
      .filter((theme) => theme !== settings?.theme)
      .map((theme) => change(`theme-${theme}`, t.theme(themes[theme]), { theme })),
    ...(["system", "en", "ko"] as const)
      .filter((language) => language !== settings?.language)
      .map((language) => change(`language-${language}`, t.language(languages[language]), { language })),
    ...TEXT_SIZES.filter((size) => size !== settings?.text_percent).map((size) =>
      change(`text-${size}`, t.textSize(app.i18n.format.percent(size / 100)), { text_percent: size }),
    ),
    {
      id: "tour",
      title: app.t.tour.take,
      group: "window",
      shortcut: null,
      command: null,
      blocked: app.tour.blocked,
      run: () => app.tour.begin(),
    },
    {
      id: "copy-docker-host",
      title: t.copyHost,
      group: "window",
      shortcut: null,
      command: null,
      blocked: null,
      run: () => void copyText(`DOCKER_HOST=${app.info?.docker_host ?? ""}`),
    },
  ];
};

/** What there is to do whatever is in the lists: these can have keys of their own. */
export const standingActions = (app: AppState): Action[] => [
  ...goActions(app),
  ...makingActions(app),
  ...imagesActions(app),
  ...projectsActions(app),
  ...machineActions(app),
  ...windowActions(app),
];

/** Everything that can be done now, and what cannot with the reason. */
export const actionsOf = (app: AppState): Action[] => [
  ...standingActions(app),
  ...projectActions(app),
  ...(app.containers.list.items ?? []).flatMap((container) => containerActions(app, container)),
  ...imageActions(app),
  ...(app.volumes.list.items ?? []).flatMap((volume) => volumeActions(app, volume)),
  ...(app.networks.list.items ?? []).flatMap((network) => networkActions(app, network)),
];
