const SECRET = /pass|secret|token|key|credential|auth/i;

/** Whether the value of this variable is one that one would rather not have on a screen that others see. */
export const isSecret = (variable: string): boolean => SECRET.test(variable);

/** What stands in its place. */
export const HIDDEN = "••••••";
