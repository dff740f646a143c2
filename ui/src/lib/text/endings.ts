/**
 * How the lines of a text end; `null` when not all of them end in the same way: a field of the
 * browser would change those.
 */
export const endingOf = (text: string): "\n" | "\r\n" | null => {
  const rest = text.replaceAll("\r\n", "");
  if (rest.includes("\r")) return null;
  if (rest.length === text.length) return "\n";
  return rest.includes("\n") ? null : "\r\n";
};

/** A text as a field of the browser has it. */
export const typed = (text: string): string => text.replaceAll("\r\n", "\n");

/** What is in a field, with such line ends. */
export const ended = (text: string, ending: "\n" | "\r\n"): string => typed(text).replaceAll("\n", ending);
