/** Text in pieces, those that were looked for among them. */
export interface Piece {
  text: string;
  hit: boolean;
}

/** Cuts `text` where `query` is in it, capitals or not. */
export const pieces = (text: string, query: string): Piece[] => {
  if (query === "") return [{ text, hit: false }];
  const lower = text.toLowerCase();
  // Some capitals become longer when they are made small: then the places do not fit.
  if (lower.length !== text.length) return [{ text, hit: false }];
  const wanted = query.toLowerCase();
  const cut: Piece[] = [];
  let done = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, done)) {
    if (at > done) cut.push({ text: text.slice(done, at), hit: false });
    done = at + wanted.length;
    cut.push({ text: text.slice(at, done), hit: true });
  }
  if (done < text.length || cut.length === 0) cut.push({ text: text.slice(done), hit: false });
  return cut;
};

interface Line {
  /** Counts up by one from line to line. */
  readonly number: number;
  readonly text: string;
}

/** How many of these lines have a number up to this one. */
export const countUpTo = (lines: readonly Line[], number: number): number => {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines[middle]?.number ?? 0) <= number) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** The lines with a text in them, of an output that grows: each line is looked at once. */
export class Matches<T extends Line> {
  #query = "";
  #seen = 0;
  #found: T[] = [];

  of(lines: readonly T[], query: string): readonly T[] {
    const wanted = query.toLowerCase();
    const first = lines[0]?.number ?? 0;
    if (wanted !== this.#query || (lines.at(-1)?.number ?? 0) < this.#seen) {
      this.#query = wanted;
      this.#seen = 0;
      this.#found = [];
    }
    // What is kept no longer is found no longer.
    const kept = (this.#found[0]?.number ?? first) >= first ? this.#found : this.#found.filter(({ number }) => number >= first);
    const fresh = lines.slice(Math.max(0, this.#seen + 1 - first)).filter(({ text }) => text.toLowerCase().includes(wanted));
    this.#seen = lines.at(-1)?.number ?? 0;
    this.#found = fresh.length === 0 ? kept : kept.concat(fresh);
    return this.#found;
  }
}
