/** What a checkpoint keeps of a budget's controller, of this version and of the one before. */
import { expect, test } from "vitest";
import { controllerStateOf, controllerStateSchema } from "../../src/training/gamma/controller-state.ts";

const common = {
  importance: { "conv.neurons": [0, 1, 0, 0.5] },
  chosen: { "conv.neurons": "1010" },
  gamma: { "conv.neurons": [100, 0, 0.25, -0.1] },
  isMet: false,
  correction: 0.01,
};

test.each([
  ["this version", { updates: 3, ...common }],
  ["the version that called updates looks", { looks: 3, ...common }],
])("a state of %s is read as it is", (_, state) => {
  const read = controllerStateSchema.parse(JSON.parse(JSON.stringify(state)));
  expect(controllerStateOf(read)).toEqual({ updates: 3, ...common });
});

test("structures that an earlier controller penalized count as chosen", () => {
  const older = { gamma: 0.5, largest: 2, isMet: true, modes: { "conv.neurons": "3124" }, correction: 0.01 };
  const none = { "conv.neurons": [0, 0, 0, 0] };
  for (const holds of [{}, { holds: { "conv.neurons": [0, 1, 0, 0.5] } }]) {
    const read = controllerStateOf(controllerStateSchema.parse({ ...older, ...holds }));
    const chosen = { "conv.neurons": "1010" };
    expect(read).toEqual({ updates: 0, importance: none, chosen, gamma: none, isMet: true, correction: 0.01 });
  }
});

test("anything else is no such state", () => {
  for (const other of [{}, { modes: {} }, common, { ...common, updates: -1 }, { ...common, looks: 1, updates: 1 }]) {
    expect(controllerStateSchema.safeParse(other).success).toBe(false);
  }
});
