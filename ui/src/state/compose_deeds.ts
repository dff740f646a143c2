import type { AppState } from "./app.svelte";
import { Composition } from "./compositions.svelte";
import { fileName } from "./images.svelte";

const show = (app: AppState, composition: Composition): void => {
  app.view = "projects";
  app.composing = composition;
};

/** Somebody may have gone to look at something else meanwhile. */
const leave = (app: AppState, composition: Composition): void => {
  if (app.composing === composition) app.composing = null;
};

/** Brings up what a compose file says, and shows how that goes; then the project. */
export const bringUp = async (app: AppState, file: string): Promise<void> => {
  const composition = new Composition("up", fileName(file), () => void bringUp(app, file));
  show(app, composition);
  const name = await app.compositions.up(composition, file);
  await app.containers.list.refresh();
  if (name === null) return;
  app.toasts.say(app.t.compose.isUp(name));
  if (app.composing !== composition) return;
  app.project = name;
  leave(app, composition);
};

/** Takes a project down, and shows how that goes. */
export const takeDown = async (app: AppState, name: string, volumes: boolean): Promise<void> => {
  const composition = new Composition("down", name, () => void takeDown(app, name, volumes));
  show(app, composition);
  const worked = await app.compositions.down(composition, volumes);
  await app.containers.list.refresh();
  if (!worked) return;
  if (app.project === name) app.project = null;
  leave(app, composition);
  app.toasts.say(app.t.compose.isDown(name));
};
