import type { Hint } from "../ipc/bindings";
import type { ErrorKind, IpcFailure } from "../ipc/failure";
import type { Messages } from "./i18n.svelte";

/** Kinds whose sentence says nothing that advice does not say better. */
const VAGUE: ReadonlySet<ErrorKind> = new Set<ErrorKind>(["conflict", "precondition", "unavailable"]);

/** A failure in the reader's words. */
export interface ErrorText {
  /** What went wrong, and what to do next. */
  sentences: string[];
  /** The engine's or machine's own words. */
  detail: string;
}

/** The words for a failure: the catalogue's first, the engine's as the detail. */
export const errorText = (messages: Messages, failure: Pick<IpcFailure, "kind" | "hints" | "message">): ErrorText => {
  const hints: Readonly<Record<Hint, string>> = messages.errors.hints;
  const advice = failure.hints.map((hint) => hints[hint]);
  const said = advice.length > 0 && VAGUE.has(failure.kind) ? [] : [messages.errors.kinds[failure.kind]];
  return { sentences: [...said, ...advice], detail: failure.message };
};
