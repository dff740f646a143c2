import { SvelteMap } from "svelte/reactivity";

import type { Host } from "../lib/host/host";
import { newId } from "./id";
import { Shell, type Program, type Size } from "./shell.svelte";

/** What shows a terminal. It keeps what was printed while nobody looks. */
export interface TerminalScreen {
  readonly size: Size;
  /** Puts it into the page, and takes it out again. */
  show: (box: HTMLElement) => void;
  hide: () => void;
  focus: () => void;
  /**
   * Goes to the next line up or down that has `text`, from the last one that was found, and marks it.
   * Answers whether there is one.
   */
  find: (text: string, way: "up" | "down") => boolean;
  /** Looks from the newest line again. */
  findAnew: () => void;
  write: (bytes: Uint8Array) => void;
  dispose: () => void;
}

/** One terminal of a container: what runs in it now, and what shows it. */
export class Terminal {
  readonly id = newId("tab");
  readonly containerId: string;
  /** From 1 in each container. */
  readonly number: number;
  readonly program: Program;
  shell = $state.raw<Shell | null>(null);
  /** Made with its first look. */
  screen: TerminalScreen | null = null;

  readonly #host: Host;

  constructor(host: Host, containerId: string, number: number, program: Program) {
    this.#host = host;
    this.containerId = containerId;
    this.number = number;
    this.program = program;
  }

  /** Opens the shell, with a screen that is made for it. */
  start(make: (shell: Shell) => TerminalScreen): TerminalScreen {
    this.screen?.dispose();
    const shell = new Shell(this.#host);
    const screen = make(shell);
    this.screen = screen;
    this.shell = shell;
    void shell.open(this.containerId, this.program, screen.size, (bytes) => screen.write(bytes)).then(() => {
      // The window may have changed its size while the shell was opening.
      if (shell.phase === "open") shell.resize(screen.size);
    });
    return screen;
  }

  end(): void {
    void this.shell?.close();
    this.screen?.dispose();
  }
}

/** The terminals of all containers: they live on while one looks at something else. */
export class Terminals {
  readonly #host: Host;
  #all = $state.raw<readonly Terminal[]>([]);
  /** The one that is looked at, by container. */
  readonly #shown = new SvelteMap<string, Terminal>();

  constructor(host: Host) {
    this.#host = host;
  }

  of(containerId: string): readonly Terminal[] {
    return this.#all.filter((each) => each.containerId === containerId);
  }

  shownIn(containerId: string): Terminal | undefined {
    return this.#shown.get(containerId);
  }

  show(terminal: Terminal): void {
    this.#shown.set(terminal.containerId, terminal);
  }

  /** One more, which is looked at from now on. */
  open(containerId: string, program: Program): void {
    const number = 1 + Math.max(0, ...this.of(containerId).map((each) => each.number));
    const terminal = new Terminal(this.#host, containerId, number, program);
    this.#all = [...this.#all, terminal];
    this.show(terminal);
  }

  /** Ends it; the one beside it is looked at then. */
  close(terminal: Terminal): void {
    const beside = this.of(terminal.containerId);
    const at = beside.indexOf(terminal);
    const next = beside[at + 1] ?? beside[at - 1];
    this.#all = this.#all.filter((each) => each !== terminal);
    if (this.shownIn(terminal.containerId) === terminal) {
      if (next === undefined) this.#shown.delete(terminal.containerId);
      else this.show(next);
    }
    terminal.end();
  }

  /** Ends those of containers that are no more. */
  keep(containerIds: readonly string[]): void {
    for (const each of this.#all) if (!containerIds.includes(each.containerId)) this.close(each);
  }

  /** What still runs in it, as far as that can be known. */
  async programsIn({ shell }: Terminal): Promise<readonly string[]> {
    if (shell?.phase !== "open") return [];
    try {
      return await shell.programs();
    } catch {
      // An engine that cannot tell is no reason to keep a terminal open.
      return [];
    }
  }
}
