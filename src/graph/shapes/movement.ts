/** The shapes of what gives the numbers of an image other places: reshape, gather, and blocks of pixels as channels. */
import { elementCount, formatShape, type Shape } from "../../core/tensor.ts";
import type { ShapeContext } from "./rule.ts";

export function reshaped({ input, attributes: { shape }, check }: ShapeContext<"reshape">): readonly Shape[] {
  const [batch = 0, ...features] = input(0);
  check(
    elementCount(shape) === elementCount(features),
    `${elementCount(features)} numbers for each image`,
    formatShape(shape),
  );
  return [[batch, ...shape]];
}

export function gathered({ input, attributes: { order }, check }: ShapeContext<"gather">): readonly Shape[] {
  const [batch = 0, channels = 0, ...pixels] = input(0);
  const isInside = order.length > 0 && order.every((channel) => channel >= 0 && channel < channels);
  check(isInside, `channels 0…${channels - 1}`, formatShape(order));
  return [[batch, order.length, ...pixels]];
}

export function depthToSpace({
  input,
  attributes: { block },
  check,
}: ShapeContext<"depth_to_space">): readonly Shape[] {
  const [batch = 0, channels = 0, height = 0, width = 0] = input(0, 4);
  check(channels % block ** 2 === 0, `channels that ${block ** 2} divides`, `${channels}`);
  return [[batch, channels / block ** 2, height * block, width * block]];
}

export function spaceToDepth({
  input,
  attributes: { block },
  check,
}: ShapeContext<"space_to_depth">): readonly Shape[] {
  const [batch = 0, channels = 0, height = 0, width = 0] = input(0, 4);
  const isWhole = height % block === 0 && width % block === 0;
  check(isWhole, `height and width that ${block} divides`, formatShape([height, width]));
  return [[batch, channels * block ** 2, height / block, width / block]];
}
