import type { NetworkSummary } from "../../lib/ipc/bindings";

/** Whether the engine would let it go: none runs in it, and it is nobody's own. */
export const removable = ({ built_in, users }: NetworkSummary): boolean => !built_in && !users.some(({ running }) => running);

/** Whether nobody is in it who would miss it; the engine's own are there for whoever comes. */
export const unused = ({ built_in, users }: NetworkSummary): boolean => !built_in && users.length === 0;
