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
