import type { Hint, IpcError } from "./bindings";

export type ErrorKind = IpcError["kind"];

const isIpcError = (value: unknown): value is IpcError =>
  typeof value === "object" &&
  value !== null &&
  "kind" in value &&
  typeof value.kind === "string" &&
  "message" in value &&
  typeof value.message === "string" &&
  "hints" in value &&
  Array.isArray(value.hints);

/** A failed command, as something to throw. */
export class IpcFailure extends Error {
  readonly kind: ErrorKind;
  readonly hints: readonly Hint[];

  constructor(error: IpcError) {
    super(error.message);
    this.name = "IpcFailure";
    this.kind = error.kind;
    this.hints = error.hints;
  }

  /** Whatever was thrown; what is no `IpcError` is a defect and keeps its text. */
  static from(thrown: unknown): IpcFailure {
    if (thrown instanceof IpcFailure) return thrown;
    if (isIpcError(thrown)) return new IpcFailure(thrown);
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new IpcFailure({ kind: "internal", message, hints: [] });
  }
}
