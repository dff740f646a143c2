import type { Hint } from "../ipc/bindings";
import type { IpcFailure } from "../ipc/failure";
import type { Messages } from "./i18n.svelte";

/** A failure in the reader's words. */
export interface ErrorText {
  /** One sentence by the kind of failure. */
  sentence: string;
  /** What to do next; may be empty. */
  advice: string[];
  /** The engine's or machine's own words. */
  detail: string;
}

/** The words for a failure: the catalogue's first, the engine's as the detail. */
export const errorText = (messages: Messages, failure: Pick<IpcFailure, "kind" | "hints" | "message">): ErrorText => {
  const hints: Readonly<Record<Hint, string>> = messages.errors.hints;
  return {
    sentence: messages.errors.kinds[failure.kind],
    advice: failure.hints.map((hint) => hints[hint]),
    detail: failure.message,
  };
};
