/** Does `look` again and again, so many milliseconds after the last time, until the answer is called. */
export const lookAgain = (every: number, look: () => Promise<void>): (() => void) => {
  let gone = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const turn = async () => {
    // Nobody sees a window that is hidden.
    if (!document.hidden) await look();
    if (!gone) timer = setTimeout(() => void turn(), every);
  };
  void turn();
  return () => {
    gone = true;
    clearTimeout(timer);
  };
};
