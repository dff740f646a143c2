/** One column of a table. */
export interface Column<T> {
  key: string;
  /** Its heading; it is there for screen readers also when `bare`. */
  title: string;
  /** A track of a grid: `2fr`, `96px`. */
  width: string;
  /** Orders two rows; a column without it cannot be sorted by. */
  order?: (a: T, b: T) => number;
  /** Shows no heading: buttons and the like. */
  bare?: boolean;
  /** 1 goes first where there is little room, 3 last, 0 never. */
  spare?: 0 | 1 | 2 | 3;
}

/** What a table says by itself, from the catalogue. */
export interface TableWords {
  select: (name: string) => string;
  selectAll: string;
  sortBy: (column: string) => string;
}

/** What is sorted by, and whether from the largest down. */
export interface Sorting {
  key: string;
  down: boolean;
}

/** The rows in order; equal ones stay as they were. */
export const sorted = <T>(rows: readonly T[], columns: readonly Column<T>[], sorting: Sorting | null): readonly T[] => {
  const order = columns.find((column) => column.key === sorting?.key)?.order;
  if (order === undefined || sorting === null) return rows;
  const sign = sorting.down ? -1 : 1;
  return [...rows].sort((a, b) => sign * order(a, b));
};

/** The widths below which the columns that can be spared go, those first that go first. */
const ROOM = [800, 620, 480];

/** What the tracks take at the least, with what the style of the table's rows has between and around them. */
const leastWidth = (tracks: readonly string[]): number =>
  tracks.reduce((sum, track) => sum + Number(/\d+/.exec(track)?.[0] ?? 0), 8 * (tracks.length + 1));

/** The columns that this width has room for: what matters less makes room for names, and no button is cut off. */
export const roomFor = <T>(columns: readonly Column<T>[], width: number, others: readonly string[]): readonly Column<T>[] => {
  let left = columns;
  for (const [step, room] of ROOM.entries()) {
    const least = leastWidth([...others, ...left.map((column) => column.width)]);
    if (width >= room && width >= least) break;
    left = left.filter(({ spare }) => spare !== step + 1);
  }
  return left;
};

/** What a press on a heading makes of the order: up, down, then as it came. */
export const nextSorting = (now: Sorting | null, key: string): Sorting | null => {
  if (now?.key !== key) return { key, down: false };
  return now.down ? null : { key, down: true };
};

/** The keys that lead to another row: from this one, with so many to a page. */
export const STEPS: Readonly<Record<string, (at: number, page: number) => number>> = {
  ArrowDown: (at) => at + 1,
  ArrowUp: (at) => at - 1,
  PageDown: (at, page) => at + page,
  PageUp: (at, page) => at - page,
  Home: () => 0,
  End: () => Infinity,
};
