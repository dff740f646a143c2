import { mount, unmount, untrack } from "svelte";

import { icons, type IconName } from "./icons";

/**
 * What Lucide's component draws of each icon, drawn once: a row of a list has five of them, and to make them anew
 * costs more than all else in it.
 */
const drawn = new Map<IconName, readonly Element[]>();

const draw = (name: IconName): readonly Element[] => {
  const target = document.createElement("div");
  const component = mount(icons[name], { target });
  const shapes = [...(target.querySelector("svg")?.children ?? [])].map((shape) => shape.cloneNode(true) as Element);
  void unmount(component);
  drawn.set(name, shapes);
  return shapes;
};

/** The shapes of an icon, for one place. */
export const shapesOf = (name: IconName): Node[] =>
  (drawn.get(name) ?? untrack(() => draw(name))).map((shape) => shape.cloneNode(true));
