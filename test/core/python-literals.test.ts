/** Python's notation: the texts are what Python's `repr` wrote. */
import { expect, test } from "vitest";
import { withJsonStrings } from "../../src/core/python-literals.ts";

test("strings are those that Python wrote, whatever quotes it chose for each", () => {
  const written = String.raw`['cat', "cat's", 'a "b"', 'it\'s "x"', 'back\\slash', 'tab\there', 'café', '\x07']`;
  const names = ["cat", "cat's", 'a "b"', 'it\'s "x"', "back\\slash", "tab\there", "café", "\u0007"];
  expect(JSON.parse(withJsonStrings(written))).toEqual(names);
});

test("what stands between strings stays", () => {
  expect(withJsonStrings("{0: 'a: 1', 1: \"b's\"}")).toBe('{0: "a: 1", 1: "b\'s"}');
});
