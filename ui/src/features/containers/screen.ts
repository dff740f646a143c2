import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Terminal, type ITheme } from "@xterm/xterm";

import { sheetDocument } from "../../lib/sheets";
import { isShortcut } from "../../lib/text/keys";
import type { Size } from "../../state/shell.svelte";
import type { TerminalScreen } from "../../state/terminals.svelte";

interface Options {
  /** The accessible name. */
  label: string;
  onType: (text: string) => void;
  onResize: (size: Size) => void;
}

/** Ctrl F alone is the shell's. A Mac has Command for the window's keys, which xterm leaves alone. */
export const FIND = "mod+shift+f";

/** The two themes' sixteen colours, each readable on its ground. */
const ANSI: Record<"light" | "dark", ITheme> = {
  light: {
    black: "#14212a", red: "#b3261e", green: "#1c7046", yellow: "#805300",
    blue: "#1f5fa8", magenta: "#8a3a8f", cyan: "#0b6b80", white: "#4c5e69",
    brightBlack: "#5d6f7a", brightRed: "#c62f26", brightGreen: "#1f7d4e", brightYellow: "#8f5d00",
    brightBlue: "#2a6cb8", brightMagenta: "#9a459f", brightCyan: "#0d778e", brightWhite: "#14212a",
  },
  dark: {
    black: "#2b3840", red: "#ff9a90", green: "#6fd3a0", yellow: "#efc36a",
    blue: "#8ab8f0", magenta: "#dba1e0", cyan: "#63c7d9", white: "#d5dee3",
    brightBlack: "#8ba0ab", brightRed: "#ffb3ab", brightGreen: "#8fe0b6", brightYellow: "#f5d48e",
    brightBlue: "#a8cbf6", brightMagenta: "#e6bbe9", brightCyan: "#86d6e4", brightWhite: "#ffffff",
  },
};

/** The window's own colours, as they are computed now: xterm knows no variables. */
const themeOf = (element: HTMLElement): ITheme => {
  const { color, backgroundColor } = getComputedStyle(element);
  const [red = 255] = (/\d+/.exec(backgroundColor) ?? ["255"]).map(Number);
  return {
    ...ANSI[red < 128 ? "dark" : "light"],
    foreground: color,
    background: backgroundColor,
    cursor: color,
    cursorAccent: backgroundColor,
    // Of colours that let through, xterm knows no other form.
    selectionBackground: "#63a0b480",
  };
};

/** An xterm terminal that fills its box and follows the window's theme and size, in the page or out of it. */
export class Screen implements TerminalScreen {
  /** Goes from box to box with all that was printed. */
  readonly #element = document.createElement("div");
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon();
  readonly #cleanups: (() => void)[] = [];

  constructor(box: HTMLElement, options: Options) {
    const element = this.#element;
    box.append(element);
    const style = getComputedStyle(element);
    this.#terminal = new Terminal({
      cursorBlink: false,
      fontFamily: style.getPropertyValue("--mono"),
      fontSize: 13,
      scrollback: 5000,
      screenReaderMode: true,
      // What a program calls a link may lead anywhere: it stays text.
      linkHandler: { activate: () => undefined },
      theme: themeOf(element),
      documentOverride: sheetDocument(),
    });
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.loadAddon(this.#search);
    this.#terminal.open(element);
    this.#terminal.textarea?.setAttribute("aria-label", options.label);
    this.#fit.fit();

    this.#terminal.onData(options.onType);
    this.#terminal.onResize(options.onResize);
    // The window's own keys: the keyboard's way out, as the shell itself takes Tab, and to the search.
    this.#terminal.attachCustomKeyEventHandler((event) => event.key !== "F6" && !isShortcut(event, FIND, false));
    this.#follow();
  }

  /** Comes into the page, once more. */
  show(box: HTMLElement): void {
    box.append(this.#element);
    this.#recolour();
    this.#fit.fit();
  }

  /** Leaves the page; what is printed meanwhile is kept. */
  hide(): void {
    this.#element.remove();
  }

  get size(): Size {
    return { rows: this.#terminal.rows, cols: this.#terminal.cols };
  }

  write(bytes: Uint8Array): void {
    this.#terminal.write(bytes);
  }

  focus(): void {
    this.#terminal.focus();
  }

  find(text: string, way: "up" | "down"): boolean {
    return way === "up" ? this.#search.findPrevious(text) : this.#search.findNext(text);
  }

  findAnew(): void {
    this.#terminal.clearSelection();
  }

  dispose(): void {
    for (const cleanup of this.#cleanups) cleanup();
    this.#terminal.dispose();
    this.#element.remove();
  }

  /** Out of the page nothing has a colour. */
  #recolour(): void {
    if (this.#element.isConnected) this.#terminal.options.theme = themeOf(this.#element);
  }

  #follow(): void {
    const sizes = new ResizeObserver(() => {
      // Out of the page it keeps the size that its program knows.
      if (this.#element.clientHeight > 0) this.#fit.fit();
    });
    sizes.observe(this.#element);
    this.#cleanups.push(() => sizes.disconnect());

    const recolour = () => this.#recolour();
    const setting = new MutationObserver(recolour);
    setting.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    this.#cleanups.push(() => setting.disconnect());

    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", recolour);
    this.#cleanups.push(() => system.removeEventListener("change", recolour));
  }
}
