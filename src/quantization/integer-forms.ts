/** Which ops ONNX Runtime's CPU kernels compute on 8-bit integers, found in its profiles of QDQ files. */
import type { ForwardNode, Node } from "../graph/graph.ts";
import type { ForwardOpName } from "../graph/ops.ts";

/**
 * - `layer`: weights and sums of products; the result is brought to its own range;
 * - `computed`: other arithmetic; the result is brought to its own range;
 * - `bounded`: a relu or clip, which is only a limit on the range of the value that it reads;
 * - `moved`: values are moved or compared, so the result has the scale of what was read;
 * - `float`: there is no kernel on integers.
 */
export type IntegerForm = "layer" | "computed" | "bounded" | "moved" | "float";

const always =
  (form: IntegerForm): (() => IntegerForm) =>
  () =>
    form;

const forms: { readonly [K in ForwardOpName]: (node: Node<K>) => IntegerForm } = {
  convolution: always("layer"),
  linear: always("layer"),
  add: always("computed"),
  multiply: always("computed"),
  concatenation: always("computed"),
  average_pooling: always("computed"),
  global_average_pooling: always("computed"),
  activation: ({ attributes }) =>
    attributes.function === "sigmoid" || attributes.function === "leaky_relu" ? "computed" : "float",
  relu: always("bounded"),
  // Every range of integers contains 0.
  clip: ({ attributes }) => (attributes.minimum <= 0 && attributes.maximum >= 0 ? "bounded" : "float"),
  max_pooling: always("moved"),
  flatten: always("moved"),
  slice: always("moved"),
  resampling: always("float"),
  reshape: always("moved"),
  gather: always("moved"),
  depth_to_space: always("float"),
  space_to_depth: always("float"),
  transpose: always("moved"),
  upsampling: always("moved"),
  lookup: always("float"),
  deconvolution: always("float"),
  softmax: always("float"),
  batch_normalization: always("float"),
  binary: always("float"),
  matmul: always("float"),
  reduction: always("float"),
  normalization: always("float"),
  local_response_normalization: always("float"),
  prelu: always("float"),
  gain: always("float"),
  bias: always("float"),
  scale: always("float"),
  pad: always("float"),
};

export function integerForm(node: ForwardNode): IntegerForm {
  // The table is keyed by the node's own op. TypeScript cannot follow this correlation through the union.
  const form = forms[node.op] as (node: ForwardNode) => IntegerForm;
  return form(node);
}

/** The limits that a relu or clip puts on the values that it reads. */
export function boundsOf(node: ForwardNode): readonly [minimum: number, maximum: number] {
  if (node.op === "relu") return [0, Number.POSITIVE_INFINITY];
  if (node.op === "clip") return [node.attributes.minimum, node.attributes.maximum];
  return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
}
