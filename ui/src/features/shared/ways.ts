/** A way to a program: a line to type on systems of these names. */
export interface Way {
  systems: string;
  line: string;
}
