/** How much of something is chosen. */
export type Chosen = "all" | "some" | "none";

export const chosenOf = (keys: readonly string[], chosen: ReadonlySet<string>): Chosen => {
  const count = keys.filter((key) => chosen.has(key)).length;
  return count === 0 ? "none" : count === keys.length ? "all" : "some";
};

/** Chooses all of them, or none if all were chosen. */
export const toggleAll = (keys: readonly string[], chosen: Set<string>): void => {
  const clear = chosenOf(keys, chosen) === "all";
  for (const key of keys) {
    if (clear) chosen.delete(key);
    else chosen.add(key);
  }
};
