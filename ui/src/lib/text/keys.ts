/** A shortcut: `mod` is Ctrl, or Command on a Mac. Such as `mod+k`, `mod+1`. */
export type Shortcut = `mod+${string}`;

/**
 * The key's letter or digit. Where Korean is typed a key may come as `ㅏ`: then its place says
 * which it is. Elsewhere the layout does, which need not be that of the places' names.
 */
const letterOf = ({ key, code }: KeyboardEvent): string =>
  (/^[\x20-\x7e]$/.test(key) ? key : code.replace(/^(?:Key|Digit)/, "")).toLowerCase();

/** Whether this key press is the shortcut. */
export const isShortcut = (event: KeyboardEvent, shortcut: Shortcut, mac: boolean): boolean => {
  const mod = mac ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
  return mod && !event.altKey && !event.shiftKey && letterOf(event) === shortcut.slice("mod+".length);
};

/** As this computer's keys have it: `Ctrl+K`, `⌘K`. */
export const written = (shortcut: Shortcut, mac: boolean): string =>
  (mac ? "⌘" : "Ctrl+") + shortcut.slice("mod+".length).toUpperCase();
