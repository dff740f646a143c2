/** The part of a long list that is in the page, as `[first, end)`. */
export interface Range {
  first: number;
  end: number;
}

/** Rows beyond each edge, so that a quick scroll shows no gap. */
const OVERSCAN = 8;
/** Rows while nobody knows the height yet: a screenful and no more. */
const UNMEASURED = 40;

/** The rows that a viewport of `height` pixels shows of `count` rows, `top` pixels down. */
export const visibleRange = (count: number, rowHeight: number, top: number, height: number): Range => {
  if (height === 0) return { first: 0, end: Math.min(count, UNMEASURED) };
  const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN);
  const end = Math.min(count, Math.ceil((top + height) / rowHeight) + OVERSCAN);
  // A list that has become shorter than where one is in it.
  return { first: Math.min(first, Math.max(0, end - 1)), end };
};

/**
 * Which element of a table stands for which of its rows. One that leaves the page leaves its element to one that
 * comes: to write other words into it costs far less than to make all that a row has.
 */
export class Elements {
  #of = new Map<string, number>();
  #made = 0;

  /** The element of each of the rows that are shown now. That of `kept`, which has the focus, goes to no other row. */
  of(shown: readonly string[], kept: string | null): readonly number[] {
    const before = this.#of;
    const still = new Set(shown);
    const free = [...before].flatMap(([key, element]) => (still.has(key) || key === kept ? [] : [element]));
    this.#of = new Map(shown.map((key) => [key, before.get(key) ?? free.pop() ?? this.#made++]));
    return [...this.#of.values()];
  }
}

/** Where to scroll so that the row is in sight; `null` where it is already. */
export const scrollTo = (row: number, rowHeight: number, top: number, height: number): number | null => {
  const start = row * rowHeight;
  if (start < top) return start;
  return start + rowHeight > top + height ? start + rowHeight - height : null;
};
