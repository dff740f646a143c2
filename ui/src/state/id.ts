let count = 0;

/** A name for a pull or stream, unique among this app's windows. */
export const newId = (kind: string): string => {
  count += 1;
  return `${kind}-${Date.now().toString(36)}-${count}`;
};
