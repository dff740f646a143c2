import { expect, it } from "vitest";

import { isName, isSubnet, namesOf } from "./names";

it.each(["data", "a1", "my_app.db-1"])("takes %j for a name", (text) => expect(isName(text)).toBe(true));
it.each(["", "a", "-a", "a b", "a/b", "é1"])("takes %j for no name", (text) => expect(isName(text)).toBe(false));

it.each(["10.20.0.0/16", "0.0.0.0/0", "fd00:20::/64"])("takes %j for a range", (text) => expect(isSubnet(text)).toBe(true));
it.each(["10.20.0.0", "10.20.0.0/33", "10.20.0/16", "300.0.0.0/8", "fd00::1::/64", "fd00::/129", "10.20.0.0/16/1", "x/8"])(
  "takes %j for no range",
  (text) => expect(isSubnet(text)).toBe(false),
);

it("names a few, and says that there are more", () => {
  expect(namesOf(["a", "b"])).toBe("a, b");
  expect(namesOf(["a", "b", "c"], 2)).toBe("a, b, …");
});
