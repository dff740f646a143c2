import type { Messages } from "../i18n.svelte";
import * as backup from "./backup";
import * as build from "./build";
import * as compose from "./compose";
import * as containers from "./containers";
import * as details from "./details";
import * as images from "./images";
import * as machine from "./machine";
import * as networks from "./networks";
import * as projects from "./projects";
import * as run from "./run";
import * as settings from "./settings";
import * as terminal from "./terminal";
import * as tour from "./tour";
import * as volumes from "./volumes";
import * as window from "./window";

/** Korean. */
export const ko: Messages = {
  ...backup,
  ...build,
  ...compose,
  ...containers,
  ...details,
  ...images,
  ...machine,
  ...networks,
  ...projects,
  ...run,
  ...settings,
  ...terminal,
  ...tour,
  ...volumes,
  ...window,
};
