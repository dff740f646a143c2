import { describe, expect, it } from "vitest";

import { styledLine } from "./ansi";
import { LineCutter } from "./lines";
import { ended, endingOf, typed } from "./endings";
import { Matches, pieces } from "./matches";
import { baseName, joined, parentOf, steps } from "./paths";
import { flawOf, flawOfNewName, isReference, isRegistry } from "./reference";
import { quote, splitCommand } from "./shell";

describe("a line of output", () => {
  it.each([
    ["\u001b[31mred\u001b[0m", "red"],
    ["\u001b]0;a title\u0007text", "text"],
    ["\u001b]8;;http://evil\u001b\\link\u001b]8;;\u001b\\", "link"],
    ["10%\r50%\r100%", "100%"],
    ["dos line\r", "dos line"],
    ["reset later\r\u001b[0m", "reset later"],
    ["\u001bPq#0;2;0\u001b\\after", "after"],
    ["bell\u0007 and \u0000null", "bell and null"],
    ["a\ttab", "a\ttab"],
    ["cut off \u001b[3", "cut off 3"],
    ["<script>alert(1)</script>", "<script>alert(1)</script>"],
  ])("reads %j as %j", (raw, plain) => {
    expect(styledLine(raw).map(({ text }) => text).join("")).toBe(plain);
  });
});

describe("styledLine", () => {
  it("keeps the colours of a line, and nothing else of what it asks for", () => {
    expect(styledLine("\u001b[31mred \u001b[1mbold\u001b[0m plain\u001b[2J")).toEqual([
      { text: "red ", style: "red" },
      { text: "bold", style: "red bold" },
      { text: " plain", style: "" },
    ]);
  });

  it.each([
    ["\u001b[38;5;2mx", "green"],
    ["\u001b[38;5;200mx", ""],
    ["\u001b[38;2;1;31;3mx", ""],
    ["\u001b[48;5;1mx", ""],
    ["\u001b[95mx", "magenta"],
    ["\u001b[31;39mx", ""],
    ["\u001b[mx", ""],
  ])("reads %j as %j", (raw, style) => expect(styledLine(raw)).toEqual([{ text: "x", style }]));

  it("forgets what a carriage return went over", () => {
    expect(styledLine("\u001b[31m10%\r\u001b[32mdone")).toEqual([{ text: "done", style: "green" }]);
  });
});

describe("LineCutter", () => {
  it("joins characters and lines that were cut anywhere", () => {
    const cutter = new LineCutter();
    const bytes = new TextEncoder().encode("나루\nboat\nrest");
    const lines = Array.from(bytes, (byte) => cutter.push(Uint8Array.of(byte))).flat();
    expect(lines.map(({ text }) => text)).toEqual(["나루", "boat"]);
    expect(cutter.end()).toEqual([{ time: "", text: "rest" }]);
  });

  it("takes the time off, before anything in the line can hide it", () => {
    const cutter = new LineCutter();
    const lines = cutter.push(new TextEncoder().encode("2026-11-26T10:00:00.120000000Z 10%\r100%\nnext\n"));
    expect(lines).toEqual([
      { time: "2026-11-26T10:00:00.120000000Z", text: "100%" },
      { time: "", text: "next" },
    ]);
  });

  it("cuts a line without end into pieces", () => {
    const cutter = new LineCutter();
    const lines = cutter.push(new TextEncoder().encode("x".repeat(20_000)));
    expect(lines.map(({ text }) => text.length)).toEqual([8192, 8192]);
  });

  it("cuts a long line that has its end too", () => {
    const cutter = new LineCutter();
    const lines = cutter.push(new TextEncoder().encode(`${"x".repeat(20_000)}\n\nnext\n`));
    expect(lines.map(({ text }) => text.length)).toEqual([8192, 8192, 3616, 0, 4]);
  });
});

describe("pieces", () => {
  it("tells what was looked for apart, capitals or not", () => {
    expect(pieces("An error, ERROR!", "error")).toEqual([
      { text: "An ", hit: false },
      { text: "error", hit: true },
      { text: ", ", hit: false },
      { text: "ERROR", hit: true },
      { text: "!", hit: false },
    ]);
    expect(pieces("nothing", "error")).toEqual([{ text: "nothing", hit: false }]);
    expect(pieces("", "")).toEqual([{ text: "", hit: false }]);
  });
});

describe("Matches", () => {
  const line = (number: number, text: string) => ({ number, text });
  const numbers = (found: readonly { number: number }[]) => found.map(({ number }) => number);

  it("finds in what was added, and forgets what is kept no longer", () => {
    const matches = new Matches<{ number: number; text: string }>();
    const lines = [line(1, "a"), line(2, "b"), line(3, "A")];
    expect(numbers(matches.of(lines, "a"))).toEqual([1, 3]);
    expect(numbers(matches.of([...lines.slice(1), line(4, "ba")], "a"))).toEqual([3, 4]);
    expect(numbers(matches.of([line(4, "ba"), line(5, "c")], "b"))).toEqual([4]);
  });

  it("begins anew with an output that does", () => {
    const matches = new Matches<{ number: number; text: string }>();
    expect(numbers(matches.of([line(1, "a"), line(2, "a")], "a"))).toEqual([1, 2]);
    expect(numbers(matches.of([line(1, "a")], "a"))).toEqual([1]);
  });
});

describe("line ends", () => {
  it.each([
    ["a\nb\n", "\n"],
    ["a\r\nb\r\n", "\r\n"],
    ["one line", "\n"],
    ["a\r\nb\n", null],
    ["progress\rdone", null],
  ])("of %j are %j", (text, ending) => expect(endingOf(text)).toBe(ending));

  it("are the file's again after it was typed in", () => {
    expect(ended(typed("a\r\nb\r\n"), "\r\n")).toBe("a\r\nb\r\n");
  });
});

describe("paths", () => {
  it("are taken apart and put together", () => {
    expect(baseName("/etc/hosts")).toBe("hosts");
    expect(baseName("C:\\Users\\mina\\a.txt")).toBe("a.txt");
    expect(baseName("/")).toBe("");
    expect(joined("/", "etc")).toBe("/etc");
    expect(joined("/etc", "hosts")).toBe("/etc/hosts");
    expect(parentOf("/etc/hosts")).toBe("/etc");
    expect(parentOf("/etc")).toBe("/");
    expect(steps("/usr/bin")).toEqual([
      { name: "/", path: "/" },
      { name: "usr", path: "/usr" },
      { name: "bin", path: "/usr/bin" },
    ]);
  });
});

describe("isReference", () => {
  it.each(["busybox", "busybox:1.36", "ghcr.io/x/y:tag", "localhost:5000/a", "[::1]:5000/a", `a@sha256:${"0".repeat(64)}`])(
    "takes %s",
    (name) => expect(isReference(name)).toBe(true),
  );
  it.each(["", "Busybox", "a b", "a:", "a//b", "-a", "a@sha256:xyz", "a:b:c", "https://x/y", "../a", "a@b@c"])(
    "refuses %j",
    (name) => expect(isReference(name)).toBe(false),
  );
});

describe("flawOf", () => {
  it.each([
    ["", "missing", 1, ""],
    ["localhost:5000/", "missing", 16, ""],
    ["busybox:", "missing", 9, ""],
    [":1", "missing", 1, ""],
    ["https://ghcr.io/x", "scheme", 1, "https://"],
    ["../a", "registry", 1, ".."],
    ["team/App", "capital", 6, "A"],
    ["my app", "character", 3, " "],
    ["app😀", "character", 4, "😀"],
    ["a//b", "character", 2, "/"],
    ["ghcr.io/x/-y", "character", 10, "/"],
    ["a:-b", "character", 3, "-"],
    ["a:b:c", "character", 4, ":"],
    ["a".repeat(256), "long", 256, "a"],
    [`a:${"1".repeat(129)}`, "long", 131, "1"],
    ["a@sha256:xyz", "digest", 3, "s"],
    ["a@b@c", "digest", 3, "b"],
  ])("tells of %j what is wrong, and where", (name, kind, at, what) => {
    expect(flawOf(name)).toEqual({ kind, at, what });
  });

  it("lets a digest name an image, and gives none to one", () => {
    const name = `a@sha256:${"0".repeat(64)}`;
    expect(flawOf(name)).toBeNull();
    expect(flawOfNewName(name)).toMatchObject({ kind: "noDigest", at: 3 });
  });
});

describe("isRegistry", () => {
  it("takes a host with and without port, and no address", () => {
    expect(isRegistry("localhost:5000")).toBe(true);
    expect(isRegistry("registry.example.com")).toBe(true);
    expect(isRegistry("http://localhost")).toBe(false);
    expect(isRegistry("a/b")).toBe(false);
  });
});

describe("command lines", () => {
  it.each([
    ["sh -c 'echo \"a b\"'", ["sh", "-c", 'echo "a b"']],
    ['a "" b', ["a", "", "b"]],
    ["a\\ b", ["a b"]],
    ["  ", []],
  ])("splits %j", (text, words) => expect(splitCommand(text)).toEqual(words));

  it("says when a quote stays open", () => expect(splitCommand("echo 'a")).toBeNull());

  it.each(["plain", "a b", "it's", "$HOME", "", 'say "hi"'])("quotes %j so that it reads back", (word) => {
    expect(splitCommand(quote(word))).toEqual([word]);
  });
});
