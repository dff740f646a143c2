import { createContext } from "svelte";

import type { Host } from "../lib/host/host";
import { I18n } from "../lib/i18n/i18n.svelte";
import type { AppEvent, AppInfo, MachineStatus } from "../lib/ipc/bindings";
import { Containers } from "./containers.svelte";
import { Images } from "./images.svelte";
import { Machine } from "./machine.svelte";
import { Networks } from "./networks.svelte";
import { Preferences } from "./preferences.svelte";
import { Toasts } from "./toasts.svelte";
import { Volumes } from "./volumes.svelte";

/** What the window shows beside the sidebar. */
export const views = ["containers", "images", "volumes", "networks", "projects", "machine", "settings"] as const;
export type View = (typeof views)[number];

/** What is asked before something is lost. */
export interface Question {
  title: string;
  /** What is lost, a sentence each. */
  sentences: string[];
  confirm: string;
  onconfirm: () => void;
}

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
  readonly toasts = new Toasts();

  info = $state.raw<AppInfo | null>(null);
  /** The container whose details are shown. */
  selected = $state<string | null>(null);
  /** The name (or id, of one without) of the image whose details are shown. */
  image = $state<string | null>(null);
  /** The volume, network and project whose details are shown. */
  volume = $state<string | null>(null);
  network = $state<string | null>(null);
  project = $state<string | null>(null);
  /** The image that the run dialog is open for. */
  running = $state<string | null>(null);
  /** What a new one is being made of. */
  making = $state<"volume" | "network" | null>(null);
  question = $state.raw<Question | null>(null);

  #view = $state<View>("containers");
  #palette = $state(false);
  /** Lists that are not as the engine would say them now, because nobody looks at them. */
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- nothing is shown of it
  readonly #behind = new Set<"volumes" | "networks">();

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

  get view(): View {
    return this.#view;
  }

  set view(view: View) {
    this.#view = view;
    this.#catchUp();
  }

  /** Whether one can search and do. */
  get palette(): boolean {
    return this.#palette;
  }

  set palette(open: boolean) {
    this.#palette = open;
    this.#catchUp();
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
      case "networks":
        this.#behind.add(event.type);
        this.#catchUp();
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
      this.image = null;
      this.volume = null;
      this.network = null;
      this.project = null;
    }
  }

  #refreshLists(): void {
    void this.containers.list.refresh();
    void this.images.list.refresh();
    this.#behind.add("volumes").add("networks");
    this.#catchUp();
  }

  /** Reads what is looked at. Each of these lists costs the engine one of all containers. */
  #catchUp(): void {
    if (!this.machine.running) return;
    for (const kind of this.#behind) {
      if (this.view !== kind && !this.palette) continue;
      this.#behind.delete(kind);
      void this[kind].list.refresh();
    }
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
