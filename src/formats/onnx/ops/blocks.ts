/**
 * ONNX `DepthToSpace` and `SpaceToDepth` ↔ depth_to_space and space_to_depth. Before opset 28, ONNX knows one order of
 * the channels for `SpaceToDepth`. In the other order it is written as PyTorch does: a reshape, a transpose and a
 * reshape, which `rearrangement.ts` reads as one node again.
 */
import type { BlockAttributes } from "../../../graph/attributes.ts";
import type { ReadRule, WriteRule } from "../rules.ts";

export const writeDepthToSpace: WriteRule<"depth_to_space"> = (node, context) => {
  const { block, mode } = node.attributes;
  context.write("DepthToSpace", node, node.inputs, { blocksize: block, mode });
};

export const writeSpaceToDepth: WriteRule<"space_to_depth"> = (node, context) => {
  const { block, mode } = node.attributes;
  if (mode === "DCR") {
    context.write("SpaceToDepth", node, node.inputs, { blocksize: block });
    return;
  }
  const { name, inputs } = node;
  const [, channels = 0, height = 0, width = 0] = context.shape(inputs[0] ?? "");
  const split = [0, channels, height / block, block, width / block, block];
  const apart = context.helper("Reshape", `${name}/apart`, [...inputs, context.integers(`${name}/split`, split)]);
  const turned = context.helper("Transpose", `${name}/turned`, [apart], { perm: [0, 1, 3, 5, 2, 4] });
  const dims = [0, channels * block ** 2, height / block, width / block];
  context.write("Reshape", node, [turned, context.integers(`${name}/dims`, dims)]);
};

export const readDepthToSpace: ReadRule = (node, context) => {
  const mode = node.string("mode", "DCR");
  node.check(mode === "DCR" || mode === "CRD", "its mode is not known", "DCR, CRD", mode);
  const attributes: BlockAttributes = { block: node.int("blocksize"), mode: mode === "CRD" ? mode : "DCR" };
  node.check(attributes.block >= 1, "blocksize must be positive", "1 or more", `${attributes.block}`);
  context.add(node, "depth_to_space", [node.input(0)], attributes);
};

export const readSpaceToDepth: ReadRule = (node, context) => {
  const block = node.int("blocksize");
  node.check(block >= 1, "blocksize must be positive", "1 or more", `${block}`);
  // An attribute since opset 28.
  const mode = node.string("mode", "DCR");
  node.check(mode === "DCR" || mode === "CRD", "its mode is not known", "DCR, CRD", mode);
  context.add(node, "space_to_depth", [node.input(0)], { block, mode: mode === "CRD" ? mode : "DCR" });
};
