import { tick } from "svelte";

/** Whether what had the focus is gone from the page. */
export const isFocusLost = (): boolean => {
  const { activeElement } = document;
  return activeElement === null || activeElement === document.body;
};

/**
 * Puts the focus on `element` if what had it is gone from the page: the Tab key then goes
 * on from there, and a screen reader says where.
 */
export const catchFocus = (element: HTMLElement | null | undefined): void => {
  if (isFocusLost()) element?.focus();
};

/** The same once the page is as it is to be, at the screen's title: for what goes with the press on it. */
export const catchAtTitle = async (): Promise<void> => {
  await tick();
  catchFocus(document.querySelector<HTMLElement>("main h1"));
};

/** The same at the first button in `part`: where the one that was pressed gave its place to another. */
export const catchAtButton = async (part: HTMLElement | undefined): Promise<void> => {
  await tick();
  catchFocus(part?.querySelector("button"));
};
