import { render } from "@testing-library/svelte";
import { expect, test } from "vitest";

import Icon from "./Icon.svelte";

const shapesIn = (container: Element) => [...container.querySelectorAll("svg > *")].map((shape) => shape.outerHTML);

test("an icon is drawn alike everywhere, and anew when it becomes another", async () => {
  const first = render(Icon, { name: "play" });
  const second = render(Icon, { name: "play" });
  const play = shapesIn(first.container);
  expect(play).not.toEqual([]);
  expect(shapesIn(second.container)).toEqual(play);
  await first.rerender({ name: "trash" });
  expect(shapesIn(first.container)).not.toEqual(play);
  expect(shapesIn(second.container)).toEqual(play);
});
