/**
 * Puts the focus on `element` if what had it is gone from the page: the Tab key then goes
 * on from there, and a screen reader says where.
 */
export const catchFocus = (element: HTMLElement | undefined): void => {
  const { activeElement } = document;
  if (activeElement === null || activeElement === document.body) element?.focus();
};
