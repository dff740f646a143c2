import { createContext } from "svelte";

import type { Host } from "../lib/host/host";
import { I18n } from "../lib/i18n/i18n.svelte";
import type { AppEvent, AppInfo, MachineStatus } from "../lib/ipc/bindings";
import { Containers } from "./containers.svelte";
import { Images } from "./images.svelte";
import { Machine } from "./machine.svelte";
import { Networks } from "./networks.svelte";
import { Preferences } from "./preferences.svelte";
import { Volumes } from "./volumes.svelte";

/** What the window shows beside the sidebar. */
export type View = "containers" | "images" | "settings" | "machine";

/** Everything the window knows, and how it hears of changes. */
export class AppState {
  readonly host: Host;
  readonly i18n: I18n;
  readonly machine: Machine;
  readonly images: Images;
  readonly containers: Containers;
  readonly volumes: Volumes;
  readonly networks: Networks;
  readonly preferences: Preferences;

  info = $state.raw<AppInfo | null>(null);
  view = $state<View>("containers");
  /** The container whose details are shown. */
  selected = $state<string | null>(null);
  /** The image that the run dialog is open for. */
  running = $state<string | null>(null);

  constructor(host: Host) {
    this.host = host;
    this.machine = new Machine(host);
    this.images = new Images(host);
    this.containers = new Containers(host);
    this.volumes = new Volumes(host);
    this.networks = new Networks(host);
    this.preferences = new Preferences(host);
    this.i18n = new I18n(() => this.preferences.settings?.language ?? "system");
  }

  /** The words of the chosen language. */
  get t() {
    return this.i18n.messages;
  }

  /** Reads everything once, follows events, and starts the machine when it is off. */
  async begin(): Promise<() => void> {
    // First the events: what changes while the lists are read is then heard of.
    const end = await this.host.listen((event) => this.#apply(event));
    await Promise.all([this.#readInfo(), this.preferences.refresh(), this.machine.refresh()]);
    if (this.machine.running) this.#refreshLists();
    else if (this.machine.status?.state === "stopped") await this.machine.start();
    return end;
  }

  #apply(event: AppEvent): void {
    switch (event.type) {
      case "machine":
        this.#applyMachine(event.status);
        break;
      case "containers":
        void this.containers.list.refresh();
        break;
      case "images":
        void this.images.list.refresh();
        break;
      case "volumes":
        void this.volumes.list.refresh();
        break;
      case "networks":
        void this.networks.list.refresh();
        break;
      case "settings":
        this.preferences.settings = event.settings;
        break;
    }
  }

  #applyMachine(status: MachineStatus): void {
    const wasRunning = this.machine.running;
    this.machine.status = status;
    if (this.machine.running && !wasRunning) this.#refreshLists();
    if (!this.machine.running && wasRunning) {
      for (const { list } of this.#listings) list.clear();
      this.selected = null;
    }
  }

  #refreshLists(): void {
    for (const { list } of this.#listings) void list.refresh();
  }

  get #listings() {
    return [this.images, this.containers, this.volumes, this.networks];
  }

  async #readInfo(): Promise<void> {
    try {
      this.info = await this.host.call("app.info", null);
    } catch {
      // The settings page then leaves the version out; the machine's status tells of the failure.
    }
  }
}

export const [useApp, provideApp] = createContext<AppState>();
