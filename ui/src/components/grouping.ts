/** How the rows of a table stand together, each group below a row of its own that folds. */
export interface Grouping<T> {
  /** The name of the group that a row is in; empty where it is in none. */
  of: (row: T) => string;
  /** Those whose rows are folded away. */
  folded: ReadonlySet<string>;
  ontoggle: (name: string) => void;
  /** The column that a group's own summary stands in. */
  summary: string;
  selectAll: (name: string) => string;
}

/** Where something stands among its like, for those who do not see the list. */
interface Place {
  level: 1 | 2;
  /** From 1. */
  position: number;
  among: number;
}

/** What one line of a table shows. */
export type Line<T> = Place & { key: string } & (
    | { kind: "row"; row: T; group: string }
    | { kind: "group"; name: string; rows: readonly T[]; open: boolean }
  );

/** The key of a group's own line; no row has a space in its key. */
export const groupKey = (name: string): string => `group ${name}`;

/** The lines of a table: a group stands where the first of its rows would, its rows in their order below it. */
export const linesOf = <T>(
  ordered: readonly T[],
  keyOf: (row: T) => string,
  grouping: Grouping<T> | undefined,
): readonly Line<T>[] => {
  const members = new Map<string, T[]>();
  /** A row, or the name of a group. */
  const tops: ({ row: T } | { name: string; rows: T[] })[] = [];
  for (const row of ordered) {
    const name = grouping?.of(row) ?? "";
    const known = members.get(name);
    if (name === "") {
      tops.push({ row });
    } else if (known === undefined) {
      const rows = [row];
      members.set(name, rows);
      tops.push({ name, rows });
    } else {
      known.push(row);
    }
  }
  return tops.flatMap((top, at): Line<T>[] => {
    const place = { level: 1, position: at + 1, among: tops.length } as const;
    if ("row" in top) return [{ ...place, kind: "row", key: keyOf(top.row), row: top.row, group: "" }];
    const { name, rows } = top;
    const open = !(grouping?.folded.has(name) ?? false);
    const below = open ? rows : [];
    return [
      { ...place, kind: "group", key: groupKey(name), name, rows, open },
      ...below.map((row, under): Line<T> => ({
        kind: "row",
        key: keyOf(row),
        row,
        group: name,
        level: 2,
        position: under + 1,
        among: rows.length,
      })),
    ];
  });
};
