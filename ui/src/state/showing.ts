import type { AppState } from "./app.svelte";

/** Shows an image from close by, by a name or by its id. */
export const showImage = (app: AppState, name: string): void => {
  app.view = "images";
  app.finding = null;
  app.building = null;
  app.image = name;
};

export const showVolume = (app: AppState, name: string): void => {
  app.view = "volumes";
  app.volume = name;
};

/** By its id, or its name while the list with the ids was not read yet. */
export const showNetwork = (app: AppState, network: string): void => {
  app.view = "networks";
  app.network = network;
};

/** What the images' list calls the image of this id that somebody wrote as `written`; null if it is not here any more. */
export const listedName = (app: AppState, id: string, written: string): string | null => {
  const image = app.images.find(id);
  if (image === undefined) return null;
  return image.tags.find((tag) => tag === written || tag === `${written}:latest`) ?? image.tags[0] ?? image.id;
};
