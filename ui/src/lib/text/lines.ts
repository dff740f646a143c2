import { isPlain, styledLine, type Run } from "./ansi";

/** A line longer than this is shown in pieces, so that one line cannot stall the window. */
const LONGEST = 8192;

const inPieces = (line: string): string[] => {
  const pieces = [line.slice(0, LONGEST)];
  for (let at = LONGEST; at < line.length; at += LONGEST) pieces.push(line.slice(at, at + LONGEST));
  return pieces;
};

/** Bytes in base64, as they come over the seam. */
export const bytesFrom = (base64: string): Uint8Array => {
  const text = atob(base64);
  // Not by `Uint8Array.from`, which makes a value of each byte: a busy log is megabytes a second.
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
};

/** How an engine that is asked for times begins each line. */
const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) /;

/** A line and when it was written, as RFC 3339; without a time where a long line goes on. */
export interface TimedLine {
  readonly time: string;
  readonly text: string;
  /** The same in colours, where it has any. */
  readonly runs?: readonly Run[];
}

const timedLine = (line: string): TimedLine => {
  const begin = TIME.exec(line);
  const time = begin?.[1] ?? "";
  const said = begin === null ? line : line.slice(begin[0].length);
  if (isPlain(said)) return { time, text: said };
  const runs = styledLine(said);
  const text = runs.map((run) => run.text).join("");
  const coloured = runs.some(({ style }) => style !== "");
  return { time, text, ...(coloured ? { runs } : {}) };
};

/** Cuts one stream of bytes, in pieces that may end anywhere, into plain lines with their times. */
export class LineCutter {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** The lines that `bytes` completes. */
  push(bytes: Uint8Array): TimedLine[] {
    return this.#cut(this.#decoder.decode(bytes, { stream: true }));
  }

  /** What is left without a newline. */
  end(): TimedLine[] {
    const lines = this.#cut(this.#decoder.decode());
    if (this.#rest !== "") lines.push(timedLine(this.#rest));
    this.#rest = "";
    return lines;
  }

  #cut(text: string): TimedLine[] {
    const lines = (this.#rest + text).split("\n");
    const rest = inPieces(lines.pop() ?? "");
    this.#rest = rest.pop() ?? "";
    return [...lines.flatMap(inPieces), ...rest].map(timedLine);
  }
}
