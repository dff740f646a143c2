import type { IconName } from "./icons";

export interface PaletteItem {
  id: string;
  title: string;
  group: string;
  icon: IconName;
  /** As it is written on this computer's keys. */
  shortcut: string | null;
  /** The command line that does the same. */
  command: string | null;
  /** Why it cannot be done now. */
  blocked: string | null;
}

/** More than anyone reads; who wants another one types a letter more. */
const MOST = 60;

/**
 * How well `text` fits the words of a search, the less the better; `null` where a word is
 * nowhere in it. A word that begins a word of the text beats one in the middle.
 */
const distance = (text: string, words: readonly string[]): number | null => {
  let sum = 0;
  for (const word of words) {
    const at = text.indexOf(word);
    if (at < 0) return null;
    const begins = at === 0 || text.includes(` ${word}`);
    sum += (begins ? 0 : 1000) + at;
  }
  return sum;
};

/** The items that fit, the best first; without a search all as they came. */
export const ranked = (items: readonly PaletteItem[], query: string): readonly PaletteItem[] => {
  const words = query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return items.slice(0, MOST);
  return items
    .map((item, order) => ({
      item,
      order,
      distance: distance(`${item.title} ${item.group} ${item.command ?? ""}`.toLocaleLowerCase(), words),
    }))
    .filter((each): each is typeof each & { distance: number } => each.distance !== null)
    .sort((a, b) => a.distance - b.distance || a.order - b.order)
    .slice(0, MOST)
    .map(({ item }) => item);
};
