import { plainLine } from "./ansi";

/** A line longer than this is shown in pieces, so that one line cannot stall the window. */
const LONGEST = 8192;

/** Bytes in base64, as they come over the seam. */
export const bytesFrom = (base64: string): Uint8Array =>
  Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

/** Cuts one stream of bytes, in pieces that may end anywhere, into plain lines. */
export class LineCutter {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** The lines that `bytes` completes. */
  push(bytes: Uint8Array): string[] {
    return this.#cut(this.#decoder.decode(bytes, { stream: true }));
  }

  /** What is left without a newline. */
  end(): string[] {
    const lines = this.#cut(this.#decoder.decode());
    if (this.#rest !== "") lines.push(plainLine(this.#rest));
    this.#rest = "";
    return lines;
  }

  #cut(text: string): string[] {
    const parts = (this.#rest + text).split("\n");
    this.#rest = parts.pop() ?? "";
    while (this.#rest.length > LONGEST) {
      parts.push(this.#rest.slice(0, LONGEST));
      this.#rest = this.#rest.slice(LONGEST);
    }
    return parts.map(plainLine);
  }
}
