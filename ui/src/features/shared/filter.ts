/** Lists that are shorter are looked through at a glance. */
export const FILTER_FROM = 8;

/** The rows whose words have the searched ones in them; all of them without a search. */
export const filtered = <T>(rows: readonly T[], query: string, wordsOf: (row: T) => string): readonly T[] => {
  const wanted = query.trim().toLocaleLowerCase();
  return wanted === "" ? rows : rows.filter((row) => wordsOf(row).toLocaleLowerCase().includes(wanted));
};
