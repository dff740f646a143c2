/** What the window looked like: kept beside it, and no loss where it cannot be. */
const PREFIX = "naru.";

export const recall = (key: string): string | null => {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
};

export const remember = (key: string, value: string): void => {
  try {
    localStorage.setItem(PREFIX + key, value);
  } catch {
    // A profile that cannot be written to: the next start begins with the usual.
  }
};
