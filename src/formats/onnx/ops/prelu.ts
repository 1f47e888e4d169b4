/** ONNX `PRelu` ↔ prelu, with a slope for each channel or one for all. */
import { elementCount } from "../../../core/tensor.ts";
import type { ReadRule, WriteRule } from "../rules.ts";

export const writePrelu: WriteRule<"prelu"> = (node, context) => {
  const [src = "", slope = ""] = node.inputs;
  const [slopes = 1] = context.shape(slope);
  const pixels = context.shape(src).slice(2);
  context.write("PRelu", node, [src, context.view(slope, slopes === 1 ? [1] : [slopes, ...pixels.map(() => 1)])]);
};

export const readPrelu: ReadRule = (node, context) => {
  const [src, slope] = [node.input(0), node.input(1)];
  const [, channels = 1, ...pixels] = context.shape(src);
  const dims = context.view(slope)?.dims ?? [];
  const perChannel = [channels, ...pixels.map(() => 1)].join();
  const isShared = elementCount(dims) === 1;
  node.check(
    isShared || [perChannel, `1,${perChannel}`].includes(dims.join()),
    "its slopes are neither one for each channel nor one for all",
    `dims [${perChannel}] or [1]`,
    `[${dims.join()}]`,
  );
  context.add(node, "prelu", [src, context.parameter(node, slope, [isShared ? 1 : channels])], {});
};
