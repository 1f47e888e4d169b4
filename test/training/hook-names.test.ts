/** Names of built-in hooks and γ policies are reserved: a hook of a caller with one of them would share its state. */
import { readFileSync } from "node:fs";
import { globSync } from "tinyglobby";
import { expect, it, test } from "vitest";
import { requireOwners, requireOwnNames } from "../../src/training/hooks/run-hook.ts";

const names = globSync(["src/training/hooks/*.ts", "src/training/gamma/*.ts"]).flatMap((file) =>
  [...readFileSync(file, "utf8").matchAll(/^ {2}readonly name(?:: string)? = "([^"]+)"/gm)].map(
    ([, name = ""]) => name,
  ),
);

test("every hook and policy in the folders is found", () => {
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(["budget", "constant", "delayed", "checkpoints", "online-pruning"]));
  expect(names.length).toBeGreaterThanOrEqual(10);
});

it.each(names)("%s is reserved, and a checkpoint may have its state", (name) => {
  expect(() => requireOwnNames([{ name }])).toThrow(`there are two hooks called "${name}"`);
  expect(() => requireOwners({ [name]: 1 }, [])).not.toThrow();
});

it("other names are free, and a state of another hook needs that hook", () => {
  expect(() => requireOwnNames([{ name: "own" }])).not.toThrow();
  expect(() => requireOwners({ own: 1 }, [])).toThrow('the run was trained with the hook "own"');
});
