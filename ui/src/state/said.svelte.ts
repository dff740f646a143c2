import { styledLine, type Run } from "../lib/text/ansi";

/** How many lines of a program's output are kept; older ones go. */
export const KEPT_LINES = 1000;
/** A line longer than this is shown in pieces. */
const LONGEST = 8192;

/** A line that a program said, in parts of one style each. */
export interface SaidLine {
  /** Unique among those that are shown together. */
  readonly key: string;
  readonly runs: readonly Run[];
}

/** Cuts text that comes in pieces, which may end anywhere, into lines. */
export class LinesOf {
  #rest = "";

  /** The lines that `text` completes. */
  push(text: string): string[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    while (this.#rest.length > LONGEST) {
      lines.push(this.#rest.slice(0, LONGEST));
      this.#rest = this.#rest.slice(LONGEST);
    }
    return lines;
  }

  /** What is left without a newline. */
  end(): string[] {
    const rest = this.#rest;
    this.#rest = "";
    return rest === "" ? [] : [rest];
  }
}

/** The newest of what a program said. */
export class Said {
  lines = $state.raw<readonly SaidLine[]>([]);

  #count = 0;
  #arrived: SaidLine[] = [];
  #scheduled = false;

  add(lines: readonly string[]): void {
    for (const line of lines) {
      this.#count += 1;
      this.#arrived.push({ key: String(this.#count), runs: styledLine(line) });
    }
    // A window that is hidden has no frames, maybe for hours.
    if (this.#arrived.length > 2 * KEPT_LINES) this.#arrived = this.#arrived.slice(-KEPT_LINES);
    // A busy program says thousands of things a second; the screen needs one list a frame.
    if (this.#scheduled || this.#arrived.length === 0) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.lines = this.lines.concat(this.#arrived).slice(-KEPT_LINES);
      this.#arrived = [];
    });
  }
}
