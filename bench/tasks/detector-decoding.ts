/** The nodes that exporters write behind a detector: boxes from distances, sigmoids, and non-maximum suppression. */
import {
  type AttributeValue,
  attributeMessage,
  dataTypes,
  decodeModel,
  encodeModel,
  floatTensorMessage,
  integerTensorMessage,
  type NodeMessage,
  valueMessage,
} from "../../src/formats/onnx/proto.ts";
import { CELLS, CLASSES, scales } from "./detector-graph.ts";

const [MOST_BOXES, OVERLAP, LEAST_SCORE] = [10, 0.5, 0.05];

/**
 * `bytes`, a file that gives the outputs of `scales`, as one that gives "predictions" [N, 4 + classes, cells], the
 * middle and extents of a box in pixels and its scores, and "selected" [boxes, 3]: picture, class and cell.
 */
export function withDecoding(bytes: Uint8Array): Uint8Array {
  const model = decodeModel(bytes, "the detector");
  const { graph = {} } = model;
  const node = (
    opType: string,
    input: readonly string[],
    output: readonly string[],
    values: Readonly<Record<string, AttributeValue>> = {},
  ): NodeMessage => ({
    ...{ opType, name: `decode/${output[0]}`, input: [...input], output: [...output] },
    attribute: Object.entries(values).map(([name, value]) => attributeMessage(name, value)),
  });
  const integers = (name: string, ...values: readonly number[]) => integerTensorMessage(name, values.map(BigInt));
  const { places, strides } = anchors();
  const floats = (name: string, dims: readonly number[], ...values: readonly number[]) =>
    floatTensorMessage(name, dims, Float32Array.from(values));
  return encodeModel({
    ...model,
    graph: {
      ...graph,
      node: [
        ...(graph.node ?? []),
        ...scales.map(({ name }) => node("Reshape", [name, "rows"], [`${name}.rows`])),
        node(
          "Concat",
          scales.map(({ name }) => `${name}.rows`),
          ["cells"],
          { axis: 2 },
        ),
        node("Split", ["cells", "parts"], ["before", "after", "logits"], { axis: 1 }),
        node("Sub", ["places", "before"], ["first"]),
        node("Add", ["places", "after"], ["end"]),
        node("Add", ["first", "end"], ["twice"]),
        node("Mul", ["twice", "half"], ["middle"]),
        node("Sub", ["end", "first"], ["extents"]),
        node("Concat", ["middle", "extents"], ["boxes"], { axis: 1 }),
        node("Mul", ["boxes", "strides"], ["pixels"]),
        node("Sigmoid", ["logits"], ["scores"]),
        node("Concat", ["pixels", "scores"], ["predictions"], { axis: 1 }),
        node("Transpose", ["pixels"], ["turned"], { perm: [0, 2, 1] }),
        node("NonMaxSuppression", ["turned", "scores", "most", "overlap", "least"], ["selected"], {
          center_point_box: 1,
        }),
      ],
      initializer: [
        ...(graph.initializer ?? []),
        ...[integers("rows", 0, 4 + CLASSES, -1), integers("parts", 2, 2, CLASSES), integers("most", MOST_BOXES)],
        ...[floats("half", [], 0.5), floats("overlap", [1], OVERLAP), floats("least", [1], LEAST_SCORE)],
        ...[floats("places", [1, 2, CELLS], ...places), floats("strides", [1, 1, CELLS], ...strides)],
      ],
      output: [
        valueMessage("predictions", dataTypes.float, ["N", 4 + CLASSES, CELLS]),
        valueMessage("selected", dataTypes.int64, ["boxes", 3]),
      ],
    },
  });
}

/** The middle of each cell in cells, [2, cells], and its extent in pixels. */
function anchors(): { readonly places: readonly number[]; readonly strides: readonly number[] } {
  const cells = scales.flatMap(({ side, stride }) =>
    Array.from({ length: side * side }, (_, cell) => ({ x: cell % side, y: Math.floor(cell / side), stride })),
  );
  return {
    places: [...cells.map(({ x }) => x + 0.5), ...cells.map(({ y }) => y + 0.5)],
    strides: cells.map(({ stride }) => stride),
  };
}
