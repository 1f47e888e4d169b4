/** The interface of the rules that read nodes on arranged values, and what these rules have in common. */
import type { GraphReader } from "../graph-reader.ts";
import type { NodeReader } from "../node-reader.ts";
import type { NodeMessage } from "../proto.ts";
import type { ReadRule } from "../rules.ts";
import { type Arrangement, type Axis, batch, sameAxis } from "./arrangement.ts";
import type { Arranger } from "./arranger.ts";

export interface ArrangedContext {
  readonly node: NodeReader;
  readonly arranger: Arranger;
  readonly reader: GraphReader;
  /** Reads the node, with other inputs or attributes, by `rule` or that of its op. Returns the value that it makes. */
  as(changes: Partial<NodeMessage>, rule?: ReadRule): string;
}

/** Reads a node; returns whether it could. */
export type ArrangedRule = (context: ArrangedContext) => boolean;

/** Declares the node's first output. */
export function declare({ node, arranger }: ArrangedContext, arrangement: Arrangement): true {
  arranger.declare(node, node.outputs[0] ?? "", arrangement);
  return true;
}

/** `inner` with `axis` as an axis of its own, where it stands or else as the last one. */
export function isolated(inner: readonly Axis[], axis: Axis): readonly Axis[] {
  if (axis.length === 0) return [...inner, []];
  for (const [place, own] of inner.entries()) {
    const at = axis[0] === undefined ? -1 : own.indexOf(axis[0]);
    if (at < 0 || !sameAxis(own.slice(at, at + axis.length), axis)) continue;
    const parts = [own.slice(0, at), axis, own.slice(at + axis.length)].filter(
      (part) => part.length > 0 || part === axis,
    );
    return inner.toSpliced(place, 1, ...parts);
  }
  const order = inner.flat().filter((factor) => !axis.includes(factor));
  return [...regrouped(order, inner), axis];
}

/** The factors of `order`, those of one axis of `inner` as one axis. */
function regrouped(order: Axis, inner: readonly Axis[]): readonly Axis[] {
  return inner.map((axis) => axis.filter((factor) => order.includes(factor))).filter((axis) => axis.length > 0);
}

/** `inner` with `axis` first, and the others in their order. */
export function withFirst(inner: readonly Axis[], axis: Axis): readonly Axis[] {
  const [first = []] = inner;
  if (sameAxis(first, axis)) return inner;
  return [
    axis,
    ...regrouped(
      inner.flat().filter((factor) => !axis.includes(factor)),
      inner,
    ),
  ];
}

/** `inner` with each axis divided into parts that are wholly inside or outside of `chosen`. */
export function divisions(inner: readonly Axis[], chosen: (axis: Axis[number]) => boolean): readonly Axis[] {
  return inner.flatMap((axis) => {
    const parts: Axis[] = [];
    for (const factor of axis) {
      const last = parts.at(-1);
      const before = last?.at(-1);
      if (last !== undefined && before !== undefined && chosen(before) === chosen(factor))
        parts.splice(-1, 1, [...last, factor]);
      else parts.push([factor]);
    }
    return parts.length === 0 ? [axis] : parts;
  });
}

/** Whether the batch is a factor of `axis`. */
export function hasBatch(axis: Axis | undefined): boolean {
  return axis?.includes(batch) ?? false;
}
