import { Channel, invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import { getCurrentWebview } from "@tauri-apps/api/webview";
import { open, save } from "@tauri-apps/plugin-dialog";
import { openUrl } from "@tauri-apps/plugin-opener";

import type { AppEvent } from "../ipc/bindings";
import { IpcFailure } from "../ipc/failure";
import type { Command, Host, Item, Request, Response, StreamCommand } from "./host";

/** Tauri's command names have no dots. */
const tauriName = (command: Command) => command.replace(".", "_");

/** The desktop shell. */
export const tauriHost: Host = {
  async call<K extends Command>(command: K, request: Request<K>): Promise<Response<K>> {
    try {
      return await invoke<Response<K>>(tauriName(command), { request });
    } catch (error) {
      throw IpcFailure.from(error);
    }
  },

  async stream<K extends StreamCommand>(
    command: K,
    request: Request<K>,
    onItem: (item: Item<K>) => void,
  ): Promise<Response<K>> {
    const channel = new Channel<Item<K>>(onItem);
    try {
      return await invoke<Response<K>>(tauriName(command), { request, channel });
    } catch (error) {
      throw IpcFailure.from(error);
    }
  },

  listen: (onEvent) => listen<AppEvent>("naru://event", (event) => onEvent(event.payload)),

  async pickFile() {
    try {
      return await open({ multiple: false, directory: false });
    } catch (error) {
      throw IpcFailure.from(error);
    }
  },

  async pickFolder() {
    try {
      return await open({ multiple: false, directory: true });
    } catch (error) {
      throw IpcFailure.from(error);
    }
  },

  async saveFile(name) {
    try {
      return await save({ defaultPath: name });
    } catch (error) {
      throw IpcFailure.from(error);
    }
  },

  onDrop: (onDrop) =>
    getCurrentWebview().onDragDropEvent(({ payload }) => {
      if (payload.type === "drop") onDrop(payload.paths);
    }),

  async openUrl(url) {
    try {
      await openUrl(url);
    } catch (error) {
      throw IpcFailure.from(error);
    }
  },

  async notify(title, body) {
    try {
      // The plugin's own package does nothing more on desktops.
      await invoke("plugin:notification|notify", { options: { title, body } });
    } catch (error) {
      throw IpcFailure.from(error);
    }
  },
};
