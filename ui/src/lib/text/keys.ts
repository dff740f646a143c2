/** A shortcut: `mod` is Ctrl, or Command on a Mac. Such as `mod+k`, `mod+1`. */
export type Shortcut = `mod+${string}`;

/** Whether this key press is the shortcut. */
export const isShortcut = (event: KeyboardEvent, shortcut: Shortcut, mac: boolean): boolean => {
  const mod = mac ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
  return mod && !event.altKey && !event.shiftKey && event.key.toLowerCase() === shortcut.slice("mod+".length);
};

/** As this computer's keys have it: `Ctrl+K`, `⌘K`. */
export const written = (shortcut: Shortcut, mac: boolean): string =>
  (mac ? "⌘" : "Ctrl+") + shortcut.slice("mod+".length).toUpperCase();
