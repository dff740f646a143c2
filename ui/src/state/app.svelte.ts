import { createContext } from "svelte";

import type { Host } from "../lib/host/host";
import { I18n } from "../lib/i18n/i18n.svelte";
import type { AppEvent, AppInfo, ContainerSummary, ImageBuild, MachineStatus } from "../lib/ipc/bindings";
import { IpcFailure } from "../lib/ipc/failure";
import { Build, Builds } from "./builds.svelte";
import { BuildCache } from "./cache.svelte";
import { type Composition, Compositions } from "./compositions.svelte";
import { Containers } from "./containers.svelte";
import { Diagnostics } from "./diagnostics.svelte";
import { tellOfBuild, tellOfDeath, tellOfMachine, tellOfTransfer } from "./endings";
import { Finding } from "./finding.svelte";
import { fileName, Images } from "./images.svelte";
import { Machine } from "./machine.svelte";
import { Networks } from "./networks.svelte";
import { Preferences } from "./preferences.svelte";
import type { Project } from "./projects";
import { Terminals } from "./terminals.svelte";
import { Toasts } from "./toasts.svelte";
import { Tour } from "./tour.svelte";
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

/** The views of a container's details. */
export const containerTabs = ["overview", "logs", "terminal", "files", "activity", "inspect"] as const;
export type ContainerTab = (typeof containerTabs)[number];

/** A dialog that may be opened from more than one place. */
export type OpenDialog =
  | { kind: "login"; registry: string; after?: () => void }
  | { kind: "prune" | "build" | "compose" | "reset" }
  | { kind: "down"; project: Project }
  | { kind: "tag"; image: string }
  | { kind: "restore"; path: string; volume: string }
  | { kind: "clone"; volume: string }
  | { kind: "rename" | "commit" | "edit"; container: ContainerSummary };

/** Everything the window knows, and how it hears of changes. */
export class AppState {
  readonly host: Host;
  readonly i18n: I18n;
  readonly machine: Machine;
  readonly images: Images;
  readonly builds: Builds;
  readonly cache: BuildCache;
  readonly diagnostics: Diagnostics;
  readonly compositions: Compositions;
  readonly terminals: Terminals;
  readonly containers: Containers;
  readonly volumes: Volumes;
  readonly networks: Networks;
  readonly preferences: Preferences;
  readonly toasts = new Toasts();
  readonly tour = new Tour(this);

  info = $state.raw<AppInfo | null>(null);
  /** The container whose details are shown. */
  selected = $state<string | null>(null);
  /** Which view of it. */
  tab = $state<ContainerTab>("logs");
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
  dialog = $state.raw<OpenDialog | null>(null);
  /** What is looked for in registries. */
  finding = $state.raw<Finding | null>(null);
  /** The build whose steps are shown. */
  building = $state.raw<Build | null>(null);
  /** What compose does that is shown. */
  composing = $state.raw<Composition | null>(null);

  #view = $state<View>("containers");
  #palette = $state(false);
  /** Lists that are not as the engine would say them now, because nobody looks at them. */
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- nothing is shown of it
  readonly #behind = new Set<"volumes" | "networks">();

  constructor(host: Host) {
    this.host = host;
    this.machine = new Machine(host);
    this.cache = new BuildCache(host);
    this.diagnostics = new Diagnostics(host);
    this.images = new Images(host, (transfer) => tellOfTransfer(this, transfer));
    this.builds = new Builds(host, (build) => tellOfBuild(this, build));
    this.terminals = new Terminals(host);
    this.containers = new Containers(
      host,
      (death) => tellOfDeath(this, death),
      (ids) => this.terminals.keep(ids),
    );
    this.compositions = new Compositions(host);
    this.volumes = new Volumes(host, (transfer) => tellOfTransfer(this, transfer));
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

  /** Shows a container from close by: in this view, or in the one that is looked at already. */
  showContainer(id: string, tab?: ContainerTab): void {
    // A shell is only opened in a container for who asks for it.
    if (tab !== undefined) this.tab = tab;
    else if (this.tab === "terminal" && this.terminals.of(id).length === 0) this.tab = "logs";
    this.view = "containers";
    this.selected = id;
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

  /** Looks for images in registries, beside those that are here. */
  find(term: string): void {
    this.view = "images";
    this.image = null;
    this.building = null;
    this.finding = new Finding(this.host, term);
    void this.finding.search();
  }

  /** Lets the person choose a folder. */
  chooseFolder(): Promise<string | null> {
    return this.#choose(() => this.host.pickFolder());
  }

  /** Lets the person choose a file. */
  chooseFile(): Promise<string | null> {
    return this.#choose(() => this.host.pickFile());
  }

  /** Lets the person choose where a file goes that is called `name` unless they say otherwise. */
  chooseNewFile(name: string): Promise<string | null> {
    return this.#choose(() => this.host.saveFile(name));
  }

  /** Builds an image, and shows how that goes. */
  async build(request: Omit<ImageBuild, "stream_id">, dockerfile: string): Promise<void> {
    const build = new Build(request, dockerfile);
    this.showBuild(build);
    await this.builds.run(build);
    await this.images.list.refresh();
  }

  /** The same once more, with the Dockerfile as it is now. */
  async buildAgain({ request, dockerfile }: Build): Promise<void> {
    const look = { folder: request.folder, dockerfile: request.dockerfile };
    let text = dockerfile;
    try {
      text = (await this.host.call("image.build_folder", look)).text ?? text;
    } catch {
      // The build itself then says what is wrong with the folder.
    }
    await this.build(request, text);
  }

  showBuild(build: Build): void {
    this.view = "images";
    this.image = null;
    this.finding = null;
    this.building = build;
  }

  /** Lets the person choose a file, and takes the images out of it. */
  async load(): Promise<void> {
    const path = await this.chooseFile();
    if (path === null) return;
    this.view = "images";
    await this.images.load(path);
  }

  /** Files that were let go of over the window: archives of images are loaded. */
  drop(paths: readonly string[]): void {
    if (!this.machine.running) return;
    for (const path of paths) {
      if (/\.(tar|tgz|tar\.(gz|xz|bz2|zst))$/i.test(path)) {
        this.view = "images";
        void this.images.load(path);
      } else {
        this.toasts.say(this.t.images.notAnArchive(fileName(path)));
      }
    }
  }

  /** Lets the person choose where the images go, and writes them there. */
  async save(images: readonly string[]): Promise<void> {
    const [first = "images"] = images.length === 1 ? images : [];
    const name = `${first.replace(/^sha256:(.{12}).*$/, "$1").replaceAll(/[^\w.-]+/g, "-")}.tar`;
    const path = await this.chooseNewFile(name);
    if (path === null) return;
    this.view = "images";
    await this.images.save(images, path);
  }

  /** A dialog that the system cannot open is told of, and chooses nothing. */
  async #choose(ask: () => Promise<string | null>): Promise<string | null> {
    try {
      return await ask();
    } catch (error) {
      this.toasts.say(IpcFailure.from(error).message);
      return null;
    }
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
    tellOfMachine(this, this.machine.status?.state, status);
    this.machine.status = status;
    if (this.machine.running && !wasRunning) this.#refreshLists();
    if (!this.machine.running && wasRunning) {
      for (const { list } of this.#listings) list.clear();
      this.terminals.keep([]);
      this.selected = null;
      this.image = null;
      this.finding = null;
      this.building = null;
      this.volume = null;
      this.network = null;
      this.project = null;
      this.composing = null;
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
