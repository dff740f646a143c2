import type { NetworkSummary } from "../../lib/ipc/bindings";

/** Whether the engine would let it go: none runs in it, and it is nobody's own. */
export const removable = ({ built_in, users }: NetworkSummary): boolean => !built_in && !users.some(({ running }) => running);
