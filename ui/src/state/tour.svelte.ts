import type { ContainerSummary } from "../lib/ipc/bindings";
import type { AppState } from "./app.svelte";
import { askToRemoveContainers } from "./questions";

/** What the tour teaches, in this order. */
export const tourSteps = ["image", "container", "data", "away", "anew"] as const;
export type TourStep = (typeof tourSteps)[number];

/** What the run form begins with, in place of nothing. */
export interface Suggestion {
  name: string;
  command: string;
  /** A volume and its place in the container. */
  volume: { name: string; target: string } | null;
}

/** Says what earlier runs have left in the volume, with a line of its own at the end. */
const DIARY = "sh -c 'date >> /diary/pages; cat /diary/pages'";

/** The tour: real containers, made in the window's own forms. */
export class Tour {
  /** Where it is; `null` while there is none. */
  step = $state<TourStep | null>(null);
  /** For the form that the tour has opened. */
  suggestion = $state.raw<Suggestion | null>(null);

  /** The containers that were run at each step. */
  #made = $state.raw<Partial<Record<TourStep, string>>>({});
  readonly #app: AppState;

  constructor(app: AppState) {
    this.#app = app;
  }

  /** Whether it offers itself: to who has no container yet, until they have answered. */
  get offered(): boolean {
    const { containers, preferences } = this.#app;
    const wanted = preferences.settings?.tour === true && this.step === null;
    return wanted && this.blocked === null && containers.list.items?.length === 0;
  }

  /** Why it cannot be taken now. */
  get blocked(): string | null {
    const { machine, t } = this.#app;
    if (!machine.running) return t.palette.needsMachine;
    return this.#image === "" ? t.tour.noImage : null;
  }

  /** Whether there is nothing left to do at this step. */
  get done(): boolean {
    const { step } = this;
    if (step === null || step === "image") return true;
    return step === "away" ? this.#diary === undefined : this.#made[step] !== undefined;
  }

  begin(): void {
    this.#made = {};
    this.step = "image";
    this.#app.view = "images";
    this.decline();
  }

  /** It does not offer itself again; palette and settings keep it. */
  decline(): void {
    void this.#app.preferences.change({ tour: false });
  }

  end(): void {
    this.step = null;
    this.suggestion = null;
  }

  next(): void {
    const following = this.step === null ? undefined : tourSteps[tourSteps.indexOf(this.step) + 1];
    if (following === undefined) this.end();
    else this.step = following;
  }

  /** Begins what there is to do at this step. */
  act(): void {
    const diary = this.#diary;
    if (this.step === "container") {
      this.#run({ name: this.#free("first"), command: "", volume: null });
    } else if (this.step === "data" || this.step === "anew") {
      this.#run({ name: this.#free("diary"), command: DIARY, volume: { name: "diary", target: "/diary" } });
    } else if (this.step === "away" && diary !== undefined) {
      this.#app.showContainer(diary.id, "logs");
      askToRemoveContainers(this.#app, [diary], () => undefined);
    }
  }

  /** A container was run by the form; another one than the tour's is none of its business. */
  started(id: string): void {
    if (this.step !== null && this.suggestion !== null) this.#made = { ...this.#made, [this.step]: id };
    this.suggestion = null;
  }

  /** The image that came along; empty when none did. */
  get #image(): string {
    return this.#app.info?.demo_image ?? "";
  }

  /** The container with the volume, until it is thrown away. */
  get #diary(): ContainerSummary | undefined {
    const id = this.#made.data;
    return id === undefined ? undefined : this.#app.containers.find(id);
  }

  #run(suggestion: Suggestion): void {
    this.suggestion = suggestion;
    this.#app.running = this.#image;
  }

  /** The name, or one like it that no container has. */
  #free(name: string): string {
    const names = (this.#app.containers.list.items ?? []).map((container) => container.name);
    let free = name;
    for (let n = 2; names.includes(free); n += 1) free = `${name}-${n}`;
    return free;
  }
}
