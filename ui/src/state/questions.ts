import type { ContainerSummary, ImageSummary, NetworkSummary, VolumeSummary } from "../lib/ipc/bindings";
import { briefly, namesOf } from "../lib/text/names";
import type { AppState } from "./app.svelte";
import { isLive } from "./containers.svelte";

/** `after` is called when it is done, whether it worked or not: the focus goes somewhere then. */
type After = () => void;

export const askToStop = (app: AppState): void => {
  const t = app.t.machine;
  app.question = {
    title: t.stopTitle,
    sentences: [t.stopText(app.containers.runningCount)],
    confirm: t.stop,
    onconfirm: () => void app.machine.stop(),
  };
};

export const askToRestart = (app: AppState): void => {
  const t = app.t.machine;
  app.question = {
    title: t.restartTitle,
    sentences: [t.stopText(app.containers.runningCount)],
    confirm: t.restart,
    onconfirm: () => void app.machine.restart(),
  };
};

export const askToKill = (app: AppState, container: ContainerSummary): void => {
  const t = app.t.deeds;
  app.question = {
    title: t.killTitle(container.name),
    sentences: [t.killText],
    confirm: t.kill,
    onconfirm: () => void app.containers.act(container, "kill"),
  };
};

/** `commands` are what still runs in it. */
export const askToCloseTerminal = (app: AppState, name: string, commands: readonly string[], onconfirm: () => void): void => {
  const t = app.t.terminal;
  app.question = { title: t.closeTitle(name), sentences: [t.closeText(namesOf(commands.map(briefly)))], confirm: t.closeIt, onconfirm };
};

/** `bytes` is what would come free, where somebody has counted. */
export const askToFreeCache = (app: AppState, bytes: number | null): void => {
  const t = app.t.disk;
  const free = async () => {
    const freed = await app.cache.free();
    if (freed !== null) app.toasts.say(t.freed(app.i18n.format.bytes(freed)));
  };
  app.question = {
    title: t.freeTitle,
    sentences: [...(bytes === null ? [] : [t.freeSize(app.i18n.format.bytes(bytes))]), t.freeText],
    confirm: t.free,
    onconfirm: () => void free(),
  };
};

/** What is asked before anything is removed: each names what is lost. */
export const askToRemoveContainers = (app: AppState, containers: readonly ContainerSummary[], after: After): void => {
  const t = app.t.containers;
  const [only] = containers;
  if (only === undefined) return;
  const running = containers.filter(isLive).length;
  const one = containers.length === 1;
  const remove = async () => {
    if (containers.some(({ id }) => id === app.selected)) app.selected = null;
    await Promise.all(containers.map((container) => app.containers.act(container, "remove")));
    after();
  };
  app.question = {
    title: one ? t.removeTitle(only.name) : t.removeManyTitle(containers.length),
    sentences: one
      ? [...(running > 0 ? [t.removeRunning] : []), t.removeText]
      : [
          ...(running > 0 ? [t.removeManyRunning(running)] : []),
          t.removeManyText(namesOf(containers.map(({ name }) => name))),
        ],
    confirm: app.t.common.remove,
    onconfirm: () => void remove(),
  };
};

/** One name of an image, or an image without one by its id. */
export interface ImageName {
  image: ImageSummary;
  name: string;
  /** What a person reads. */
  shown: string;
}

export const askToRemoveImages = (app: AppState, images: readonly ImageName[], after: After): void => {
  const t = app.t.images;
  const [only] = images;
  if (only === undefined) return;
  const losses = ({ image }: ImageName): string[] => {
    if (image.tags.length > 1) return [t.removeTagText];
    return image.users.length === 0 ? [t.removeText] : [t.removeText, t.removeUsed(image.users.length)];
  };
  const remove = async () => {
    // One after the other: they may be names of one image.
    for (const { name, image } of images) await app.images.remove(name, image.users.length > 0);
    after();
  };
  const used = images.reduce((sum, { image }) => sum + image.users.length, 0);
  app.question = {
    title: images.length === 1 ? t.removeTitle(only.shown) : t.removeManyTitle(images.length),
    sentences:
      images.length === 1
        ? losses(only)
        : [t.removeManyText(namesOf(images.map(({ shown }) => shown))), ...(used > 0 ? [t.removeUsed(used)] : [])],
    confirm: app.t.common.remove,
    onconfirm: () => void remove(),
  };
};

export const askToRemoveVolumes = (app: AppState, volumes: readonly VolumeSummary[], after: After): void => {
  const t = app.t.volumes;
  const [only] = volumes;
  if (only === undefined) return;
  const sizes = volumes.map(({ name }) => app.volumes.sizes.get(name));
  // A sum that lacks one of them would promise too little.
  const bytes = sizes.some((size) => size === undefined) ? null : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  const size = bytes === null ? null : app.i18n.format.bytes(bytes);
  const remove = async () => {
    const worked = await Promise.all(volumes.map(({ name }) => app.volumes.remove(name)));
    const count = worked.filter(Boolean).length;
    if (volumes.some(({ name }) => name === app.volume && app.volumes.find(name) === undefined)) app.volume = null;
    if (count > 0) app.toasts.say(volumes.length === 1 ? app.t.common.removed(only.name) : app.t.common.removedMany(count));
    after();
  };
  app.question = {
    title: volumes.length === 1 ? t.removeTitle(only.name) : t.removeManyTitle(volumes.length),
    sentences:
      volumes.length === 1
        ? [t.removeText, ...(size === null ? [] : [t.removeSize(size)])]
        : [
            t.removeManyText(namesOf(volumes.map(({ name }) => name))),
            ...(size === null ? [] : [t.removeManySize(size)]),
          ],
    confirm: app.t.common.remove,
    onconfirm: () => void remove(),
  };
};

export const askToRemoveNetworks = (app: AppState, networks: readonly NetworkSummary[], after: After): void => {
  const t = app.t.networks;
  const [only] = networks;
  if (only === undefined) return;
  const remove = async () => {
    const worked = await Promise.all(networks.map(({ id }) => app.networks.remove(id)));
    const count = worked.filter(Boolean).length;
    if (networks.some(({ id }) => id === app.network && app.networks.find(id) === undefined)) app.network = null;
    if (count > 0) app.toasts.say(networks.length === 1 ? app.t.common.removed(only.name) : app.t.common.removedMany(count));
    after();
  };
  app.question = {
    title: networks.length === 1 ? t.removeTitle(only.name) : t.removeManyTitle(networks.length),
    sentences: networks.length === 1 ? [t.removeText] : [t.removeManyText(namesOf(networks.map(({ name }) => name)))],
    confirm: app.t.common.remove,
    onconfirm: () => void remove(),
  };
};
