/**
 * A container's output as plain text. It is untrusted: escape sequences are taken
 * out, never obeyed, and the result is only ever set as text, never as HTML.
 */

// CSI, OSC (ended by BEL or ST), DCS/SOS/PM/APC strings, charset choices, other two-byte escapes.
const ESCAPES =
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b[ -/]+[0-~]|\x1b[0-~]?/g;
// Tab stays.
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;

/** One line (without its newline) as a terminal would leave it, without colours. */
export const plainLine = (line: string): string => {
  const text = line.replace(ESCAPES, "").replace(/\r+$/, "");
  // A carriage return goes back to the start: what came last is what is seen.
  return text.slice(text.lastIndexOf("\r") + 1).replace(CONTROLS, "");
};
