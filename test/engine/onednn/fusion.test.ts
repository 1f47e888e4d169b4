import { describe, expect, it } from "vitest";
import { gradientGraph } from "../../../src/autodiff/gradient-graph.ts";
import { findFusions } from "../../../src/engine/onednn/planner/fusion.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import { resnet } from "../../../src/models/resnet.ts";

function names(nodes: Iterable<{ readonly name: string }>): string[] {
  return [...nodes].map(({ name }) => name);
}

describe("fusions", () => {
  it("take every ReLU of a ResNet's inference into the batch norm or the addition before it", () => {
    const graph = resnet({ depth: 20, classes: 10 });
    const relus = graph.nodes.filter(({ op }) => op === "relu");
    expect(names(findFusions(graph).absorbed)).toEqual(names(relus));
  });

  it("take the gradient of a ReLU into that of its batch norm, or into the addition that makes what it masks", () => {
    const graph = gradientGraph(resnet({ depth: 20, classes: 10 }), {});
    const { absorbed, reluBackwardBefore, reluBackwardAfter } = findFusions(graph);
    const left = graph.nodes.filter((node) => node.op === "relu_backward" && !absorbed.has(node));
    expect(reluBackwardBefore.size).toBe(10);
    expect(reluBackwardAfter.size).toBe(8);
    // Behind the last block there is no shortcut, whose gradient would be added.
    expect(left).toHaveLength(1);
  });

  it("leave a ReLU alone if somebody else reads what comes before it", () => {
    const fork = (isOutput: boolean): Graph => {
      const builder = new GraphBuilder("fork");
      const normalised = builder.batchNormalization("bn", builder.input("images", ["N", 4, 3, 3]));
      const relu = builder.relu("relu", normalised);
      if (isOutput) builder.output(normalised);
      builder.output(isOutput ? relu : builder.add("sum", normalised, relu));
      return builder.build();
    };
    expect(findFusions(fork(false)).absorbed.size).toBe(0);
    expect(findFusions(fork(true)).absorbed.size).toBe(0);
  });
});
