/**
 * A thousand spoilt files for each reader: read, or refused with a reason and in time. `npm run bench:fuzz` has a
 * hundred thousand.
 */
import { afterAll, expect, test } from "vitest";
import { type Finding, openTargets, tryInput } from "./targets.ts";

const INPUTS = 1000;
const { targets, dispose } = await openTargets();
afterAll(dispose);

test.each(targets)("fuzz $name", { timeout: 120_000 }, async (target) => {
  const findings: Finding[] = [];
  for (let number = 0; number < INPUTS; number++) {
    const finding = await tryInput(target, 7, number);
    if (finding !== undefined) findings.push(finding);
  }
  expect(findings).toEqual([]);
});
