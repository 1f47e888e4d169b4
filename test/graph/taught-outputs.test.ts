import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { graphOutputs, withoutLastSoftmax } from "../../src/graph/taught-outputs.ts";

/** Boxes of an image, each with its classes on the last axis, and a map with its classes on axis 1. */
function twoSoftmaxes(): Graph {
  const builder = new GraphBuilder("two softmaxes");
  const src = builder.input("images", ["N", 3, 8, 8]);
  const boxes = builder.reshape("boxes", builder.convolution("rows", src, { channels: 5, kernel: 1 }), [64, 5]);
  builder.output(builder.softmax("of boxes", boxes, { axis: 2 }));
  builder.output(builder.softmax("of pixels", builder.convolution("map", src, { channels: 4, kernel: 1 })));
  return builder.build();
}

describe("taught outputs", () => {
  test("a softmax over axis 1 says that an output has logits; one over another axis does not", () => {
    expect(graphOutputs(twoSoftmaxes())).toEqual([
      // 64 boxes of 5 numbers each.
      { name: "of boxes", kind: "channels", columns: 320, channels: 5, hasChannelsLast: true },
      { name: "of pixels", kind: "logits", columns: 256, channels: 4 },
    ]);
  });

  test("only a softmax over axis 1 is left out", () => {
    const { outputs, nodes } = withoutLastSoftmax(twoSoftmaxes());
    expect(outputs).toEqual(["of boxes", "map"]);
    expect(nodes.map(({ name }) => name)).toEqual(["rows", "boxes", "of boxes", "map"]);
  });
});
