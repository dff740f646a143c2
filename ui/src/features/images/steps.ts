import type { ImageStep } from "../../lib/ipc/bindings";

/** What the classic builder writes before what is no command of a shell. */
const NO_COMMAND = /^\/bin\/sh -c #\(nop\)\s*/;
const SHELL = /^\/bin\/sh -c\s+/;

/** A step as it stands in a Dockerfile; the maker's remark where it says nothing. */
export const instruction = ({ created_by, comment }: ImageStep): string => {
  const text = created_by.trim();
  if (text === "") return comment;
  if (NO_COMMAND.test(text)) return text.replace(NO_COMMAND, "");
  return SHELL.test(text) ? text.replace(SHELL, "RUN ") : text.replace(/\s*# buildkit$/, "").replace(/^RUN \/bin\/sh -c /, "RUN ");
};
