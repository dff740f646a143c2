/**
 * A container's output as text. It is untrusted: escape sequences are taken out and none is
 * obeyed but colours, of which a few names are left; the result is only ever set as text, never
 * as HTML.
 */

// CSI, OSC (ended by BEL or ST), DCS/SOS/PM/APC strings, charset choices, other two-byte escapes.
const ESCAPES =
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b[ -/]+[0-~]|\x1b[0-~]?/g;
// Tab stays.
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;
/** Those, what begins an escape, and the carriage return. */
const ANY_CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;

/** What of a terminal's colours a log shows; `SGR` is how programs ask for them. */
const SGR = /^\x1b\[([\d;]*)m$/;
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;

/** A part of a line in one style; names of classes, or empty. */
export interface Run {
  readonly text: string;
  readonly style: string;
}

/** How text looks now, as far as escape sequences have said. */
class Style {
  #colour = "";
  #weight = "";

  get classes(): string {
    return [this.#colour, this.#weight].filter((name) => name !== "").join(" ");
  }

  apply(codes: string): void {
    const numbers = codes.split(";").map(Number);
    for (let at = 0; at < numbers.length; at += 1) {
      const code = numbers[at] ?? 0;
      if (code === 0) this.#colour = this.#weight = "";
      else if (code === 1) this.#weight = "bold";
      else if (code === 2) this.#weight = "dim";
      else if (code === 22) this.#weight = "";
      else if (code === 39) this.#colour = "";
      else if (code >= 30 && code <= 37) this.#colour = COLOURS[code - 30] ?? "";
      else if (code >= 90 && code <= 97) this.#colour = COLOURS[code - 90] ?? "";
      else if (code === 38 || code === 48) {
        // One of 256, or three parts of a colour: the first sixteen are the same everywhere.
        const one = numbers[at + 1] === 5;
        if (code === 38) this.#colour = one ? COLOURS[(numbers[at + 2] ?? 16) % 8] ?? "" : "";
        if (code === 38 && one && (numbers[at + 2] ?? 16) > 15) this.#colour = "";
        at += one ? 2 : 4;
      }
    }
  }
}

/** Whether a line is what it says: nothing in it is taken out or obeyed. */
export const isPlain = (line: string): boolean => !ANY_CONTROL.test(line);

/** One line (without its newline) as a terminal would leave it, in parts of one style each. */
export const styledLine = (line: string): Run[] => {
  const style = new Style();
  const runs: Run[] = [];
  /** Whether a carriage return went back to the start: what is written then takes the line's place. */
  let back = false;
  const write = (text: string) => {
    if (text === "") return;
    if (back) runs.length = 0;
    back = false;
    const last = runs.at(-1);
    if (last?.style === style.classes) runs[runs.length - 1] = { text: last.text + text, style: last.style };
    else runs.push({ text, style: style.classes });
  };
  const add = (raw: string) => {
    const [first = "", ...rest] = raw.split("\r").map((part) => part.replace(CONTROLS, ""));
    write(first);
    for (const part of rest) {
      back = true;
      write(part);
    }
  };
  let done = 0;
  for (const escape of line.matchAll(ESCAPES)) {
    add(line.slice(done, escape.index));
    done = escape.index + escape[0].length;
    const codes = SGR.exec(escape[0])?.[1];
    if (codes !== undefined) style.apply(codes);
  }
  add(line.slice(done));
  return runs;
};
