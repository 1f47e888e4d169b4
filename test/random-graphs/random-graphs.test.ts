/**
 * Three hundred random graphs: answered as ONNX Runtime does, or plainly refused. `npm run bench:graphs` has ten
 * thousand.
 */
import { expect, test } from "vitest";
import { createOneDnnEngine } from "../../src/engine/onednn/index.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { randomGraph } from "./graph.ts";
import { judge } from "./judge.ts";

const GRAPHS = 300;
const SEED = 7;

test("random graphs are answered rightly or plainly refused", { timeout: 600_000 }, async () => {
  const engines = [createReferenceEngine(), createOneDnnEngine({ threads: 1 })];
  const findings: string[] = [];
  let right = 0;
  for (let number = 0; number < GRAPHS; number++) {
    const graph = await randomGraph(SEED, number);
    const verdict = graph === undefined ? undefined : await judge(graph, engines);
    if (verdict?.kind === "right") right++;
    if (verdict?.kind === "wrong") findings.push(`seed ${SEED}, graph ${number}: ${verdict.what}`);
  }
  expect(findings).toEqual([]);
  // Else everything would be refused.
  expect(right).toBeGreaterThan(GRAPHS / 2);
});
