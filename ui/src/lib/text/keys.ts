/** A shortcut: `mod` is Ctrl, or Command on a Mac. Such as `mod+k`, `mod+1`, `mod+shift+f`. */
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
  const shift = shortcut.startsWith("mod+shift+");
  return mod && !event.altKey && event.shiftKey === shift && letterOf(event) === shortcut.split("+").at(-1);
};

/** As this computer's keys have it: `Ctrl+K`, `⌘K`, `Ctrl+Shift+F`, `⇧⌘F`. */
export const written = (shortcut: Shortcut, mac: boolean): string => {
  const [, ...keys] = shortcut.split("+");
  const key = keys.at(-1)?.toUpperCase() ?? "";
  const shift = keys.length > 1;
  return mac ? `${shift ? "⇧" : ""}⌘${key}` : `Ctrl+${shift ? "Shift+" : ""}${key}`;
};
