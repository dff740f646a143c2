import type { Host } from "../host/host";
import type { TrayWords } from "../ipc/bindings";
import type { Messages } from "./i18n.svelte";

/** Where the app puts something in. */
const PLACE = "{}";

/** What the tray's menu says: the app draws it, and has no catalogue of its own. */
export const trayWords = ({ tray, machine, containers }: Messages): TrayWords => ({
  ...machine.states,
  start: machine.start,
  stop: machine.stop,
  stop_with: tray.stopWith(PLACE),
  no_containers: tray.noContainers,
  open: tray.open,
  open_port: tray.openPort(PLACE),
  stop_container: containers.stop,
  more: tray.more(PLACE),
  show: tray.show,
  quit: tray.quit,
});

/** Tells the tray what its menu says. */
export const speakInTray = async (host: Host, messages: Messages): Promise<void> => {
  try {
    await host.call("tray.words", trayWords(messages));
  } catch {
    // It stays as it was, and every other call says why the app does not answer.
  }
};
