/** The entry points: what a program gets under which name, and the types it gets. */
import { existsSync, readFileSync } from "node:fs";
import { type Dataset, type Network, type Run, resnet, train } from "espalier";
import type { StoredSplit } from "espalier/datasets";
import { type EngineHost, type PlanHandle, trainingGraph } from "espalier/engine";
import { control } from "espalier/experiments";
import { cost, type Graph, GraphBuilder } from "espalier/graph";
import { model } from "espalier/models";
import { loadOnnx } from "espalier/onnx";
import { type CutList, compact, type costModel, place } from "espalier/pruning";
import { expect, expectTypeOf, test } from "vitest";

const root = new URL("../../", import.meta.url);
const rooms = ["datasets", "engine", "experiments", "graph", "models", "onnx", "pruning", "quantization"];

test("the package offers each entry point, and the documents name each", () => {
  const { exports } = JSON.parse(readFileSync(new URL("packages/espalier/package.json", root), "utf8"));
  const documents = readFileSync(new URL("docs/api.md", root), "utf8");
  for (const room of rooms) {
    expect(exports[`./${room}`]).toEqual({
      types: `./dist/entries/${room}.d.ts`,
      default: `./dist/entries/${room}.js`,
    });
    expect(existsSync(new URL(`src/entries/${room}.ts`, root)), room).toBe(true);
    expect(documents).toContain(`\`espalier/${room}\``);
  }
});

test("types are those that a caller writes down", () => {
  expectTypeOf(resnet({ depth: 20, classes: 10 })).toEqualTypeOf<Graph>();
  expectTypeOf(train).returns.resolves.toEqualTypeOf<Run>();
  expectTypeOf(control).returns.resolves.toEqualTypeOf<Run>();
  expectTypeOf(loadOnnx).returns.resolves.toEqualTypeOf<Network>();
  expectTypeOf<Run["compact"]>().toExtend<Network>();
  expectTypeOf(compact).returns.toHaveProperty("cuts").toEqualTypeOf<CutList>();
  expectTypeOf(place).returns.toHaveProperty("graph").toEqualTypeOf<Graph>();
  expectTypeOf(trainingGraph).returns.toEqualTypeOf<Graph>();
  expectTypeOf<EngineHost["prepare"]>().returns.resolves.toEqualTypeOf<PlanHandle>();
  expectTypeOf<StoredSplit>().toExtend<Dataset["train"]>();
  // A depth that is no ResNet's, and a kind of cost that there is not, do not compile.
  expectTypeOf<20>().toExtend<Parameters<typeof resnet>[0]["depth"]>();
  expectTypeOf<21>().not.toExtend<Parameters<typeof resnet>[0]["depth"]>();
  expectTypeOf<"watts">().not.toExtend<Parameters<typeof costModel>[2]>();
});

test("the same things are the same under all names", async () => {
  const top = await import("espalier");
  expect(top.resnet).toBe((await import("espalier/models")).resnet);
  expect(top.loadOnnx).toBe((await import("espalier/onnx")).loadOnnx);
  expect(cost(model("resnet-20", { classes: 10 })).parameters).toBe(269_722);
  expect(new GraphBuilder("empty")).toBeInstanceOf(GraphBuilder);
});
