import { errorText } from "../lib/i18n/errors";
import type { IpcError, MachineState, MachineStatus } from "../lib/ipc/bindings";
import type { IpcFailure } from "../lib/ipc/failure";
import { namesOf } from "../lib/text/names";
import type { AppState, View } from "./app.svelte";
import type { Build } from "./builds.svelte";
import type { Death } from "./containers.svelte";
import type { Transfer, TransferKind } from "./transfers.svelte";

/** Says by the system what has ended while the person looks elsewhere: who looks sees it. */
const tell = async (app: AppState, title: string, failure: IpcFailure | IpcError | null): Promise<void> => {
  if (app.preferences.settings?.notifications !== true || document.hasFocus()) return;
  const body = failure === null ? "" : errorText(app.t, failure).sentences.join(" ");
  try {
    await app.host.notify(title, body);
  } catch {
    // Not every system has notifications, and the window says all of it anyway.
  }
};

/** Says in a notice what went well on the screen `home`, to who is at another one. */
const notice = (app: AppState, home: View, text: string): void => {
  if (app.view !== home) app.toasts.say(text);
};

/** The screen that shows how far they are. */
const HOMES: Readonly<Record<TransferKind, View>> = {
  pull: "images",
  push: "images",
  save: "images",
  load: "images",
  backup: "volumes",
  restore: "volumes",
  clone: "volumes",
};

/** What was cancelled ended as the person wanted. */
export const tellOfTransfer = (app: AppState, { kind, name, brought, outcome, failure }: Transfer): void => {
  const words = app.t.transfer[kind];
  if (outcome === "done") {
    const text = words.done(brought.length > 0 ? namesOf(brought) : name);
    notice(app, HOMES[kind], text);
    void tell(app, text, null);
  } else if (outcome === "failed") void tell(app, words.failed(name), failure);
};

export const tellOfBuild = (app: AppState, { request, outcome, took, failure }: Build): void => {
  const t = app.t.build;
  if (outcome === "done") {
    const text = t.done(request.name, app.i18n.format.seconds(took ?? 0));
    notice(app, "images", text);
    void tell(app, text, null);
  } else if (outcome === "failed") void tell(app, t.failed(request.name), failure);
};

export const tellOfDeath = (app: AppState, { container, exitCode }: Death): void =>
  void tell(app, app.t.containers.died(container.name, exitCode), null);

/** A start that has ended, well or not, and a machine that has ended by itself. */
export const tellOfMachine = (app: AppState, before: MachineState | undefined, { state, error }: MachineStatus): void => {
  if (state === before) return;
  if (state === "failed") void tell(app, app.t.machine.states.failed, error);
  else if (state === "running" && before === "starting") void tell(app, app.t.machine.states.running, null);
};
